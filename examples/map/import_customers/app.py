"""Import a file of customers, and tell from outside how far it is: phases, a map with its progress, a last word.

Run it, and look at it from another terminal::

    durable run examples/map/import_customers/app.py --input '{"file": "spring.csv", "customers": 12}' --name spring
    durable show spring
"""

from dataclasses import dataclass

from durable_execution_sdk import (
    CompletionConfig,
    DurableContext,
    Duration,
    MapConfig,
    durable_execution,
)


@dataclass(frozen=True)
class Upload:
    file: str
    customers: int


@dataclass(frozen=True)
class Imported:
    created: int
    refused: list[str]


# External systems: a file store, and a customer database that knows some addresses already.


def read(upload: Upload) -> list[str]:
    return [f"customer-{number}@example.com" for number in range(upload.customers)]


def create(address: str) -> str:
    if address.startswith("customer-7"):
        raise LookupError(f"{address} is known already")
    return address


# The workflow.


async def customer(ctx: DurableContext, address: str, index: int) -> str:
    """Create a customer, at most one in two seconds."""
    created = await ctx.step(create, address)
    await ctx.wait(Duration.from_seconds(2), name="keep_to_the_quota")
    return created


@durable_execution
async def import_customers(upload: Upload, ctx: DurableContext) -> Imported:
    """Import the customers of a file one after the other, and keep those that are refused."""
    ctx.set_status(f"reading {upload.file}")
    addresses = await ctx.step(read, upload)
    config = MapConfig(
        max_concurrency=1,
        completion=CompletionConfig.all_completed(),
        # One record in ten seconds at most, and one at each suspension.
        progress_every=Duration.from_seconds(10),
    )
    batch = await ctx.map(addresses, customer, "customers", config)
    created = len(batch.succeeded())
    refused = [addresses[item.index] for item in batch.failed()]
    ctx.set_status({"created": created, "refused": len(refused)})
    return Imported(created, refused)

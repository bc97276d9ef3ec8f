"""Run two parts of a workflow at once, each with steps and waits of its own, and name the errors of each.

Operations of a child belong to its context: use the one that the function gets. ``error_mapper`` turns an exception into
one that the caller understands, before it is recorded.

Run it with::

    durable run examples/children/two_warehouses/app.py --skip-time --input '{"north": 3, "south": 2}'
"""

from datetime import timedelta

from durable_execution_sdk import (
    ChildConfig,
    DurableContext,
    Handle,
    NoRetry,
    durable_execution,
    durable_step,
)

STOCK = {"north": 5, "south": 2}


class OutOfStockError(Exception):
    """A warehouse has less than was ordered."""


@durable_step(retry_strategy=NoRetry())
async def take(warehouse: str, count: int) -> int:
    if count > STOCK[warehouse]:
        raise ValueError(f"{STOCK[warehouse]} left")
    return count


async def pick(child: DurableContext, warehouse: str, count: int) -> str:
    taken = await child.step(take, warehouse, count)
    await child.wait(timedelta(hours=taken), name="pick")
    return f"{taken} from {warehouse}"


@durable_execution
async def split_order(counts: dict[str, int], ctx: DurableContext) -> str:
    def start(warehouse: str) -> Handle[str]:
        config = ChildConfig(error_mapper=lambda error: OutOfStockError(f"{warehouse}: {error}"))
        return ctx.run_in_child_context(
            pick, warehouse, counts[warehouse], name=warehouse, config=config
        )

    try:
        parts = await ctx.all(start("north"), start("south"), name="both")
    except OutOfStockError as error:
        return f"not delivered, {error}"
    return " and ".join(parts)

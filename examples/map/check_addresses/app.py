"""Check a list of addresses, and stop as soon as more than a fifth of them are wrong.

``CompletionConfig`` says when a batch ends: at the first failure, which is the default, after some, at a number of
successes, or with the last item. ``completion_reason`` tells which rule ended it.

Run it with::

    durable run examples/map/check_addresses/app.py --input '["a@x.org", "b@x.org", "c", "d@x.org", "e@x.org"]'
"""

from dataclasses import dataclass

from durable_execution_sdk import (
    CompletionConfig,
    CompletionReason,
    DurableContext,
    MapConfig,
    NoRetry,
    durable_execution,
    durable_step,
)


@dataclass(frozen=True)
class Report:
    is_usable: bool
    good: list[str]
    wrong: list[str]


@durable_step(retry_strategy=NoRetry())
async def verify(address: str) -> str:
    if "@" not in address:
        raise ValueError(f"{address} is no address")
    return address


async def check(ctx: DurableContext, address: str, index: int) -> str:
    return await ctx.step(verify, address)


@durable_execution
async def check_addresses(addresses: list[str], ctx: DurableContext) -> Report:
    config = MapConfig(
        max_concurrency=1, completion=CompletionConfig(tolerated_failure_percentage=20)
    )
    batch = await ctx.map(addresses, check, name="check", config=config)
    return Report(
        is_usable=batch.completion_reason is CompletionReason.ALL_COMPLETED,
        good=batch.results(),
        wrong=[addresses[item.index] for item in batch.failed()],
    )

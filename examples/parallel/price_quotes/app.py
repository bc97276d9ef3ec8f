"""Ask two suppliers for a price, and give each an hour: one that is late has failed, and the other counts.

``branch_timeout`` limits each branch by a durable timer. The branch of ``all_completed`` that failed has its error in
``item.error``: a ``ChildContextTimeoutError`` if it was late.

Run it with::

    durable run examples/parallel/price_quotes/app.py --skip-time --input '"bricks"'
"""

from dataclasses import dataclass
from datetime import timedelta

from durable_execution_sdk import (
    ChildContextTimeoutError,
    CompletionConfig,
    DurableContext,
    ParallelConfig,
    durable_execution,
)

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Quotes:
    offers: list[str]
    late: list[str]


async def read_answer(supplier: str, goods: str) -> str:
    return f"{supplier} delivers {goods}"


@durable_execution
async def quotes(goods: str, ctx: DurableContext) -> Quotes:
    async def quick(branch: DurableContext) -> str:
        await branch.wait(timedelta(minutes=10), name="answer")
        return await branch.step(read_answer, "quick", goods)

    async def slow(branch: DurableContext) -> str:
        await branch.wait(timedelta(days=3), name="answer")
        return await branch.step(read_answer, "slow", goods)

    config = ParallelConfig(branch_timeout=HOUR, completion=CompletionConfig.all_completed())
    batch = await ctx.parallel({"quick": quick, "slow": slow}, name="quotes", config=config)
    late = [item for item in batch.failed() if isinstance(item.error, ChildContextTimeoutError)]
    return Quotes(batch.results(), [item.name or "" for item in late])

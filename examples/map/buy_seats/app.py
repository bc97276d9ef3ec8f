"""End a batch by a rule of your own: stop buying when enough seats are bought, however many offers that takes.

The rule sees the counts and the results so far, and returns ``continue_batch()`` or ``complete_batch()``. It is
workflow code and runs on replay too, so it may depend on its argument only.

Run it with::

    durable run examples/map/buy_seats/app.py --input '[2, 4, 3, 6]'
"""

from durable_execution_sdk import (
    CompletionConfig,
    CompletionDecision,
    CompletionStatus,
    DurableContext,
    MapConfig,
    complete_batch,
    continue_batch,
    durable_execution,
)

NEEDED = 8


def enough(status: CompletionStatus) -> CompletionDecision:
    return complete_batch() if sum(status.results) >= NEEDED else continue_batch()


async def buy(seats: int) -> int:
    return seats


async def accept_offer(ctx: DurableContext, seats: int, index: int) -> int:
    return await ctx.step(buy, seats)


@durable_execution
async def buy_seats(offers: list[int], ctx: DurableContext) -> str:
    completion = CompletionConfig(should_complete=enough)
    config = MapConfig(max_concurrency=1, completion=completion)
    batch = await ctx.map(offers, accept_offer, name="offers", config=config)
    return f"{sum(batch.results())} seats of {len(batch)} offers"

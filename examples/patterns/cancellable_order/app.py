"""Let a customer cancel an order for two hours, and tell those who are later that it is too late.

A cancellation is a message to the inbox ``cancel``. ``close`` ends the time for it: senders after that get a
``NoInboxError``, and a message that was accepted just before is still taken.

Run it with::

    durable run examples/patterns/cancellable_order/app.py --name o-1 --input '"o-1"'
    durable send o-1 cancel '{"reason": "wrong size"}'
"""

from dataclasses import dataclass
from datetime import timedelta

from durable_execution_sdk import DurableContext, InboxTimeoutError, durable_execution


@dataclass(frozen=True)
class Cancel:
    reason: str


def reserve(order: str) -> str:
    return f"{order} is reserved"


def release(order: str) -> str:
    return f"{order} is released"


def ship(order: str) -> str:
    return f"{order} is shipped"


@durable_execution
async def process(order: str, ctx: DurableContext) -> str:
    cancels = ctx.inbox("cancel", Cancel, window=1)
    await ctx.step(reserve, order)
    try:
        cancel = await cancels.get(timeout=timedelta(hours=2))
    except InboxTimeoutError:
        await cancels.close()  # later senders are told that it is too late
        accepted = [cancel async for cancel in cancels]  # just before it was closed
        if not accepted:
            return await ctx.step(ship, order)
        cancel = accepted[0]
    await ctx.step(release, order)
    return f"cancelled: {cancel.reason}"

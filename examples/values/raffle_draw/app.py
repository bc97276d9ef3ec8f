"""Draw lots, make ids and read the clock so that replay finds the same: with the functions of the context.

``random``, ``uuid.uuid4()`` and ``datetime.now()`` give another value at each replay, so after the wait another
person would have won. ``ctx.random()``, ``ctx.uuid4()`` and ``ctx.now()`` repeat themselves, and cost no
operation.

Run it with::

    durable run examples/values/raffle_draw/app.py --skip-time --input '["Ada", "Grace", "Alan"]'
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from durable_execution_sdk import DurableContext, durable_execution


@dataclass(frozen=True)
class Voucher:
    code: str
    winner: str
    valid_until: datetime


def send(voucher: Voucher) -> str:
    return f"{voucher.code} to {voucher.winner}"


@durable_execution
async def raffle(entrants: list[str], ctx: DurableContext) -> Voucher:
    voucher = Voucher(
        code=str(ctx.uuid4())[:8].upper(),
        winner=ctx.random().choice(entrants),
        valid_until=ctx.now() + timedelta(days=90),
    )
    await ctx.wait(timedelta(days=1), name="objections")
    await ctx.step(send, voucher)
    return voucher

"""Catch the exception that a step raised by its own class, with its attributes, on the first run and on every replay.

The error comes from the log: it is a ``CardDeclinedError`` and a ``StepError`` at once. Name the classes that you catch at
the top of the module, so that they are loaded when the error is made again.

Run it with::

    durable run examples/errors/declined_card/app.py --skip-time --input '{"number": "o-1", "card": "stolen"}'
"""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from durable_execution_sdk import DurableContext, NoRetry, durable_execution, durable_step


@dataclass(frozen=True)
class Order:
    number: str
    card: str


class CardDeclinedError(Exception):
    def __init__(self, reason: str, limit: Decimal) -> None:
        super().__init__(f"declined: {reason}")
        self.reason = reason
        self.limit = limit


@durable_step(retry_strategy=NoRetry())
async def charge(order: Order) -> str:
    if order.card == "stolen":
        raise CardDeclinedError("call the bank", Decimal("99.50"))
    return f"paid {order.number}"


async def ask_for_another_card(order: Order, reason: str) -> str:
    return f"another card for {order.number}, please: {reason}"


@durable_execution
async def pay(order: Order, ctx: DurableContext) -> str:
    try:
        return await ctx.step(charge, order)
    except CardDeclinedError as error:
        await ctx.wait(timedelta(hours=1), name="business hours")
        reason = f"{error.reason}, limit {error.limit}"
        return await ctx.step(ask_for_another_card, order, reason)

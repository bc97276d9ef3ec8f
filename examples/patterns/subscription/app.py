"""Bill a subscription each month, for as long as it lasts: each month is an execution of its own.

Without ``ctx.continue_as_new`` one execution would have a log that grows with each month, and would end after a year,
the longest time of an execution. ``--skip-time`` skips the months::

    durable run examples/patterns/subscription/app.py:bill_subscription --skip-time \
        --input '{"customer": "Ada", "months": 3}'
"""

from dataclasses import dataclass, replace
from datetime import timedelta

from durable_execution_sdk import ContinueAsNewError, DurableContext, durable_execution


@dataclass(frozen=True)
class Subscription:
    customer: str
    months: int
    paid: int = 0
    balance: int = 0


def charge(subscription: Subscription) -> int:
    """Charge the price of the next month; the tenth is free."""
    return 0 if subscription.paid % 10 == 9 else 20


def write_to(customer: str, message: str) -> str:
    return f"Dear {customer}, {message}"


@durable_execution
async def bill_subscription(subscription: Subscription, ctx: DurableContext) -> str:
    price = await ctx.step(charge, subscription)
    billed = replace(subscription, paid=subscription.paid + 1, balance=subscription.balance + price)
    if billed.paid < billed.months:
        await ctx.wait(timedelta(days=30), name="a_month")
        try:
            await ctx.continue_as_new(billed)
        except ContinueAsNewError as error:
            ctx.log_error("the next month is not billed", reason=str(error))
            raise
    return await ctx.step(write_to, billed.customer, f"you paid {billed.balance} in all")

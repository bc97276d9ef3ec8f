"""Bill a membership each month, and take commands from outside meanwhile: another plan, or the end.

Run it with::

    durable run examples/patterns/membership/app.py:membership --name ada --input '{"customer": "Ada", "plan": "basic"}'
    durable send ada commands '{"plan": "pro"}'
    durable send ada commands '{"cancel": true}'
"""

from dataclasses import dataclass
from datetime import timedelta

from durable_execution_sdk import (
    DurableContext,
    InboxMessageError,
    InboxTimeoutError,
    durable_execution,
)

MONTH = timedelta(days=30)
PRICES = {"basic": 10, "pro": 25}


@dataclass(frozen=True)
class Membership:
    customer: str
    plan: str


@dataclass(frozen=True)
class Command:
    plan: str | None = None
    cancel: bool = False


def charge(customer: str, plan: str) -> int:
    return PRICES[plan]


@durable_execution
async def membership(order: Membership, ctx: DurableContext) -> list[int]:
    commands = ctx.inbox("commands", Command)
    plan, paid = order.plan, [await ctx.step(charge, order.customer, order.plan)]
    while True:
        try:
            command = await commands.get(timeout=MONTH)
        except InboxTimeoutError:
            paid.append(await ctx.step(charge, order.customer, plan))
            continue
        except InboxMessageError as error:
            ctx.log_warn("a message that is no command", reason=str(error))
            continue
        if command.cancel:
            break
        if command.plan in PRICES:
            plan = command.plan
    # Commands that were accepted before are not lost: the last plan is that of the last bill.
    await commands.close()
    async for command in commands:
        plan = command.plan or plan
    paid.append(await ctx.step(charge, order.customer, plan, name="last_bill"))
    return paid

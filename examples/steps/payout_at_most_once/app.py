"""Pay out at most once through a bank that knows no keys, and look it up if the process died meanwhile.

``AT_MOST_ONCE_PER_RETRY`` without retries runs the body once or not at all. If it is cut off, the step raises
``StepInterruptedError``, and the workflow asks the bank for the truth. Where the bank takes a key, do as
idempotent_payment does: it leaves no case open.

Run it with::

    durable run examples/steps/payout_at_most_once/app.py --input '{"account": "DE-1", "amount": 80}'
"""

from dataclasses import dataclass

from durable_execution_sdk import (
    DurableContext,
    NoRetry,
    StepConfig,
    StepInterruptedError,
    StepSemantics,
    durable_execution,
)


@dataclass(frozen=True)
class Payout:
    account: str
    amount: int


bank: list[Payout] = []
ONCE = StepConfig(semantics=StepSemantics.AT_MOST_ONCE_PER_RETRY, retry_strategy=NoRetry())


async def transfer(payout: Payout) -> str:
    bank.append(payout)
    return "paid"


async def look_up(payout: Payout) -> str:
    return "paid" if payout in bank else "not paid: please check by hand"


@durable_execution
async def pay_out(payout: Payout, ctx: DurableContext) -> str:
    try:
        return await ctx.step(transfer, payout, config=ONCE)
    except StepInterruptedError:
        return await ctx.step(look_up, payout)

"""Pay everybody who can be paid, ask the others for their data, and try those again after three days.

``CompletionConfig.all_completed()`` keeps a failure from ending the batch. A map does not raise: its failures are
in ``batch.failed()``, and ``item.index`` leads back to the input. Give the bank a key for each person and month,
as in ``idempotent_payment``.

Run it with::

    durable run examples/patterns/payroll_run/app.py --skip-time --input '["Ada", "Alan", "Grace"]'
"""

from dataclasses import dataclass
from datetime import timedelta

from durable_execution_sdk import (
    CompletionConfig,
    DurableContext,
    MapConfig,
    NoRetry,
    StepConfig,
    durable_execution,
)

ALL = MapConfig(max_concurrency=10, completion=CompletionConfig.all_completed())
ONCE = StepConfig(retry_strategy=NoRetry())

closed_accounts = {"Alan", "Edsger"}


@dataclass(frozen=True)
class Payroll:
    paid: list[str]
    by_hand: list[str]


def pay(person: str) -> str:
    if person in closed_accounts:
        raise LookupError(f"the account of {person} is closed")
    return person


def ask_for_accounts(people: list[str]) -> str:
    return f"to {', '.join(people)}: please tell us your account"


async def pay_one(item: DurableContext, person: str, index: int) -> str:
    return await item.step(pay, person, config=ONCE)


@durable_execution
async def run_payroll(people: list[str], ctx: DurableContext) -> Payroll:
    first = await ctx.map(people, pay_one, name="payments", config=ALL)
    failed = [people[item.index] for item in first.failed()]
    if not failed:
        return Payroll(first.results(), [])
    await ctx.step(ask_for_accounts, failed)
    await ctx.wait(timedelta(days=3), name="time to answer")
    second = await ctx.map(failed, pay_one, name="second try", config=ALL)
    by_hand = [failed[item.index] for item in second.failed()]
    return Payroll(first.results() + second.results(), by_hand)

"""Remind a manager of a decision each day, and ask the director after two days.

One callback stays open the whole time: the mails of manager and director have the same id, and the first answer
counts. ``ctx.race`` does not say who won, but ``decision.done()`` does.

Run it with::

    durable run examples/patterns/escalated_expense/app.py --name ada \
        --input '{"employee": "Ada", "amount": 900}'
    durable callback succeed ada/decision --data true
"""

from dataclasses import dataclass
from datetime import timedelta

from durable_execution_sdk import CallbackConfig, DurableContext, durable_execution

A_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Expense:
    employee: str
    amount: int


def ask(person: str, callback_id: str) -> str:
    return f"{person}: please decide"


def remind(person: str) -> str:
    return f"{person}: the decision is due"


@durable_execution
async def decide(expense: Expense, ctx: DurableContext) -> bool:
    decision = await ctx.create_callback(name="decision", config=CallbackConfig(result_type=bool))
    await ctx.step(ask, "manager", decision.callback_id)
    for _ in range(2):
        patience = ctx.wait(A_DAY, name="patience")
        await ctx.race(decision, patience, name="answer or a day")
        if decision.done():
            patience.cancel()
            break
        await ctx.step(remind, "manager")
    else:
        await ctx.step(ask, "director", decision.callback_id, name="escalate")
    return await decision  # of either of them: the first answer counts

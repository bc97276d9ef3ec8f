"""Ask a manager about an expense, and wait up to a week for the answer.

``ctx.wait_for_callback`` makes an id, hands it to ``mail_manager`` in a step, and waits until that id is answered.
The answer is read as an ``Answer``. Send a real mail, with a link to a page of yours that calls
``SendDurableExecutionCallbackSuccess`` or ``client.callback(callback_id).succeed(...)``.

Run it with::

    durable run examples/callbacks/expense_approval/app.py --name ada \
        --input '{"employee": "Ada", "amount": 80}'
    durable callback succeed ada/approval --data '{"approved": true, "by": "Grace"}'
"""

from dataclasses import dataclass
from datetime import timedelta

from durable_execution_sdk import (
    CallbackTimeoutError,
    DurableContext,
    WaitForCallbackConfig,
    durable_execution,
)


@dataclass(frozen=True)
class Expense:
    employee: str
    amount: int


@dataclass(frozen=True)
class Answer:
    approved: bool
    by: str


A_WEEK = WaitForCallbackConfig(timeout=timedelta(days=7), result_type=Answer)


def mail_manager(callback_id: str, expense: Expense) -> None:
    # A real one sends a mail, with a link to a page that answers this id.
    print(f"May {expense.employee} spend {expense.amount}? Answer {callback_id}")


@durable_execution
async def approve_expense(expense: Expense, ctx: DurableContext) -> str:
    try:
        answer = await ctx.wait_for_callback(mail_manager, expense, name="approval", config=A_WEEK)
    except CallbackTimeoutError:
        return "expired: nobody answered in a week"
    return f"{'approved' if answer.approved else 'declined'} by {answer.by}"

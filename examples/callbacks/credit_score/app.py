"""Catch the failure that a credit bureau answers with, and tell an unknown customer from other trouble.

A bureau answers with a score, or reports a failure by ``SendDurableExecutionCallbackFailure``, which is raised as
a ``CallbackExternalError``. Its type is a name that the sender chose: compare it by ``is_a``, and let the rest
pass.

Run it with::

    durable run examples/callbacks/credit_score/app.py --name loan \
        --input '{"customer": "Ada", "amount": 50000}'
    durable callback fail loan/score --type UnknownCustomer --message "no such customer"
"""

from dataclasses import dataclass

from durable_execution_sdk import (
    CallbackExternalError,
    DurableContext,
    WaitForCallbackConfig,
    durable_execution,
)


@dataclass(frozen=True)
class Application:
    customer: str
    amount: int


SCORE = WaitForCallbackConfig(result_type=int)


def order_score(callback_id: str, customer: str) -> None:
    print(f"bureau: score {customer}, answer {callback_id}")


@durable_execution
async def decide_loan(application: Application, ctx: DurableContext) -> str:
    try:
        score = await ctx.wait_for_callback(
            order_score, application.customer, name="score", config=SCORE
        )
    except CallbackExternalError as error:
        if error.is_a("UnknownCustomer"):
            return "ask the customer for an identity card"
        raise
    return "granted" if score * 100 >= application.amount else "refused"

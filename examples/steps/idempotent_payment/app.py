"""Charge a card once, although the step that charges it may run twice.

A step runs again if its process dies after the charge and before the checkpoint. The execution and the operation have
the same ids at each attempt and on each replay, so a bank that takes them as an idempotency key charges once. Put the
client of your payment provider in place of ``bank``.

Run it with::

    durable run examples/steps/idempotent_payment/app.py --input '{"number": "o-17", "amount": 120}'
"""

from dataclasses import dataclass

from durable_execution_sdk import DurableContext, StepContext, durable_execution

bank: dict[str, int] = {}  # what the bank has charged, by idempotency key


@dataclass(frozen=True)
class Order:
    number: str
    amount: int


def charge(order: Order) -> str:
    step = StepContext.current()
    bank[f"{step.durable_execution_arn} {step.operation_id}"] = order.amount
    return f"receipt of {order.number}"


@durable_execution
async def pay(order: Order, ctx: DurableContext) -> str:
    return await ctx.step(charge, order)

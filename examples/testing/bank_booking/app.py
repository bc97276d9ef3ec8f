"""Test that money moves once: kill the process in the middle of the booking, and at every other point.

The tests beside this file are what it shows. ``runner.faults`` plans one crash; ``check_crash_safety`` tries all
of them, and compares what the bank holds afterwards. Take the ``key`` away, and it reports where the money moves
twice.

Run it with::

    durable run examples/testing/bank_booking/app.py --input '{"to": "Ada", "cents": 1500}'
"""

from dataclasses import dataclass

from durable_execution_sdk import DurableContext, StepContext, durable_execution

ledger: dict[str, int] = {}  # the bank's: it keeps one booking for each key


@dataclass(frozen=True)
class Transfer:
    to: str
    cents: int


def book(transfer: Transfer) -> str:
    step = StepContext.current()
    key = f"{step.durable_execution_arn} {step.operation_id}"  # the same in each attempt
    ledger[key] = transfer.cents
    return f"{transfer.cents} to {transfer.to}"


def confirm(booking: str) -> str:
    return f"booked: {booking}"


@durable_execution
async def pay(transfer: Transfer, ctx: DurableContext) -> str:
    booking = await ctx.step(book, transfer)
    return await ctx.step(confirm, booking)

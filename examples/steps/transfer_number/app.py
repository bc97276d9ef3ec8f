"""Give a transfer a number and a date that stay the same on every replay.

``uuid.uuid4()`` and ``datetime.now()`` differ each time the workflow is replayed, so code after them would too.
``ctx.uuid4()`` and ``ctx.now()`` give the same again, and cost no operation. Inside of steps the usual functions are right.

Run it with::

    durable run examples/steps/transfer_number/app.py --skip-time --input '250'
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from durable_execution_sdk import DurableContext, durable_execution


@dataclass(frozen=True)
class Transfer:
    number: UUID
    due: datetime
    amount: int


def announce(transfer: Transfer) -> str:
    return f"{transfer.amount} will arrive on {transfer.due:%A}"


def execute(transfer: Transfer) -> UUID:
    return transfer.number


@durable_execution
async def transfer(amount: int, ctx: DurableContext) -> UUID:
    planned = Transfer(ctx.uuid4(), ctx.now() + timedelta(days=2), amount)
    await ctx.step(announce, planned)
    await ctx.wait_until(planned.due, name="due")
    return await ctx.step(execute, planned)

"""Return more from a part of the workflow than the log takes, with a summary in its place for people.

A child context's result above 262,144 bytes is not stored. Replay builds it again from the steps inside, which
are, and the code around it sees no difference. The history shows what ``summary_generator`` says of it.

Run it with::

    durable run examples/values/yearly_statement/app.py --skip-time --input '"IT60"'
"""

from dataclasses import dataclass
from datetime import timedelta

from durable_execution_sdk import ChildConfig, DurableContext, durable_execution


@dataclass(frozen=True)
class Statement:
    account: str
    lines: list[str]


def bookings(account: str, month: int) -> list[str]:
    return [f"2030-{month:02} {account} booking {number:04}" for number in range(1000)]


def summarize(statement: Statement) -> str:
    return f"{len(statement.lines)} lines of {statement.account}"


async def collect(child: DurableContext, account: str) -> Statement:
    months = await child.all(
        *[child.step(bookings, account, month, name=f"month {month}") for month in range(1, 13)]
    )
    return Statement(account, [line for month in months for line in month])


@durable_execution
async def yearly_statement(account: str, ctx: DurableContext) -> str:
    config = ChildConfig(summary_generator=summarize)
    statement = await ctx.run_in_child_context(collect, account, config=config)
    await ctx.wait(timedelta(hours=1), name="the printer is free")
    return f"{len(statement.lines)} lines, the last is {statement.lines[-1]}"

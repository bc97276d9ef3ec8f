"""Send a report at seven each morning, for as long as it is wanted, with a new log each week.

``ctx.now()`` is the time of the log, so replay computes the same mornings. ``ctx.continue_as_new`` hands the count
to a new execution, because a log has an end. For a fixed time zone use ``zoneinfo`` in ``next_morning``.

Run it with::

    durable run examples/patterns/morning_report/app.py --skip-time \
        --input '{"address": "ada@example.com", "mornings": 3}'
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from durable_execution_sdk import DurableContext, durable_execution

A_WEEK = 7


@dataclass(frozen=True)
class Schedule:
    address: str
    mornings: int
    sent: int = 0


def send_report(address: str, day: str) -> str:
    return f"report of {day} to {address}"


def next_morning(now: datetime) -> datetime:
    seven = now.replace(hour=7, minute=0, second=0, microsecond=0)
    return seven if seven > now else seven + timedelta(days=1)


@durable_execution
async def report_daily(schedule: Schedule, ctx: DurableContext) -> int:
    while schedule.sent < schedule.mornings:
        morning = next_morning(ctx.now())
        await ctx.wait_until(morning, name="morning")
        await ctx.step(send_report, schedule.address, f"{morning:%A}")
        schedule = replace(schedule, sent=schedule.sent + 1)
        if schedule.sent % A_WEEK == 0 and schedule.sent < schedule.mornings:
            await ctx.continue_as_new(schedule)  # a log of its own for each week
    return schedule.sent

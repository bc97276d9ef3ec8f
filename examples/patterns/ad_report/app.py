"""Poll an API: order a report, look for it at growing distances, and give up after an hour.

``ctx.wait_for_condition`` runs the check as often as its strategy says, and the execution is suspended in between.
The check gets the state that it returned last. A job that has failed ends the polling too, and is told apart
afterwards.

Run it with::

    durable run examples/patterns/ad_report/app.py --skip-time --input '"spring"'
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from durable_execution_sdk import (
    DurableContext,
    WaitForConditionConfig,
    WaitForConditionTimeoutError,
    durable_execution,
    poll_while,
)


@dataclass(frozen=True)
class Job:
    id: str
    checks: int = 0
    status: Literal["RUNNING", "DONE", "FAILED"] = "RUNNING"


class ReportFailedError(Exception):
    pass


def order_report(campaign: str) -> str:
    return f"job-{campaign}"


def look_up(job: Job) -> Job:
    """Ask the API for the state of the job; here it is done at the fourth check."""
    return Job(job.id, job.checks + 1, "DONE" if job.checks == 3 else "RUNNING")


def download(job: Job) -> str:
    return f"{job.id}.csv"


def is_running(job: Job) -> bool:
    return job.status == "RUNNING"


POLITELY = poll_while(
    is_running,
    initial_delay=timedelta(seconds=10),
    max_delay=timedelta(minutes=5),
)


@durable_execution
async def fetch_report(campaign: str, ctx: DurableContext) -> str:
    job_id = await ctx.step(order_report, campaign)
    polling = WaitForConditionConfig(
        initial_state=Job(job_id), wait_strategy=POLITELY, timeout=timedelta(hours=1)
    )
    try:
        job = await ctx.wait_for_condition(look_up, polling, name="report")
    except WaitForConditionTimeoutError:
        return "no report today"
    if job.status == "FAILED":
        raise ReportFailedError(job.id)
    return await ctx.step(download, job)

"""Import a film: ask another mirror when one does not answer, and convert it only where there is time enough.

The first mirror takes the connection and never sends anything. The timeout ends that attempt, and the next one asks
the next mirror. The conversion takes ten minutes of the function's fifteen: it never begins in an invocation
that has less left.

Run it with::

    durable run examples/steps/step_timeouts/app.py:import_film --input '{"film": "metropolis"}'
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from durable_execution_sdk import (
    DurableContext,
    FixedDelay,
    StepConfig,
    StepContext,
    StepTimeoutError,
    durable_execution,
    durable_step,
)

MIRRORS = ("north", "south", "east")


@dataclass(frozen=True)
class Request:
    film: str


@durable_step(
    timeout=timedelta(milliseconds=50),
    retry_strategy=FixedDelay(max_attempts=len(MIRRORS), delay=timedelta(minutes=5)),
)
async def download(film: str) -> str:
    mirror = MIRRORS[StepContext.current().attempt - 1]
    if mirror == "north":
        await asyncio.Event().wait()  # no answer, and no error either
    return f"{film}.raw from {mirror}"


def convert(raw: str) -> str:
    """Take ten minutes, one may think; nothing of it can be kept if it is cut off."""
    return raw.replace(".raw", ".mp4")


@durable_execution
async def import_film(request: Request, ctx: DurableContext) -> str:
    try:
        raw = await ctx.step(download, request.film)
    except StepTimeoutError:
        return f"no mirror has {request.film}"
    return await ctx.step(convert, raw, config=StepConfig(needs=timedelta(minutes=10)))

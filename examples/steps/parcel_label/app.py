"""Try a carrier again while it is busy, with growing delays, and give up at once when it refuses.

The delays are kept by the service, so nothing runs between two attempts. Change ``PATIENT``: the number of attempts, the
delays, and the exceptions that are worth another attempt.

Run it with::

    durable run examples/steps/parcel_label/app.py --skip-time --input '"p-1"'
"""

from datetime import timedelta

from durable_execution_sdk import (
    DurableContext,
    ExponentialBackoff,
    StepContext,
    durable_execution,
    durable_step,
)


class BusyError(Exception):
    """The carrier has no time now."""


class RefusedError(Exception):
    """The carrier does not take the parcel."""


PATIENT = ExponentialBackoff(
    max_attempts=8,
    initial_delay=timedelta(seconds=30),
    max_delay=timedelta(hours=1),
    retryable=(BusyError,),
)


@durable_step(retry_strategy=PATIENT)
def print_label(parcel: str) -> str:
    if parcel.startswith("heavy"):
        raise RefusedError(f"{parcel} is too heavy")
    if StepContext.current().attempt < 3:
        raise BusyError("call again later")
    return f"label for {parcel}"


@durable_execution
async def label(parcel: str, ctx: DurableContext) -> str:
    try:
        return await ctx.step(print_label, parcel)
    except RefusedError as error:
        return f"no label: {error}"

"""Keep what the workflow needs of an HTTP error: raise an exception of your own with the status as a number.

Attributes that are plain data are recorded with an exception; a response object is left out. So look at the response
inside the step. Here 503 is tried again, and 404 is an answer. Put your HTTP client in place of ``get``.

Run it with::

    durable run examples/errors/carrier_status/app.py --skip-time --input '"p-404"'
"""

from datetime import timedelta

from durable_execution_sdk import (
    DurableContext,
    StepConfig,
    StepContext,
    custom_retry,
    durable_execution,
)


class HttpError(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(f"the carrier answered {status}")
        self.status = status


def while_unavailable(error: Exception, attempt: int) -> timedelta | None:
    if isinstance(error, HttpError) and error.status == 503 and attempt < 6:
        return timedelta(minutes=attempt)
    return None


def get(path: str) -> tuple[int, str]:
    if StepContext.current().attempt == 1:
        return 503, ""
    return (404, "") if path.endswith("404") else (200, "in Oslo")


def locate(parcel: str) -> str:
    status, text = get(f"/parcels/{parcel}")
    if status != 200:
        raise HttpError(status)
    return text


@durable_execution
async def track(parcel: str, ctx: DurableContext) -> str:
    try:
        config = StepConfig(retry_strategy=custom_retry(while_unavailable))
        return await ctx.step(locate, parcel, config=config)
    except HttpError as error:
        if error.status != 404:
            raise
        return f"the carrier does not know {parcel}"

"""Wait exactly as long as an API's Retry-After header says before the next attempt.

``custom_retry`` sees the exception and the number of the attempt, and returns the delay, or ``None`` to give up.
Raise an exception of your own from the response of your HTTP client, with the header as an attribute.

Run it with::

    durable run examples/steps/retry_after/app.py --skip-time --input '"invoices"'
"""

from datetime import timedelta

from durable_execution_sdk import (
    DurableContext,
    StepConfig,
    StepContext,
    custom_retry,
    durable_execution,
)


class TooManyRequestsError(Exception):
    def __init__(self, retry_after: int) -> None:
        super().__init__(f"ask again in {retry_after} s")
        self.retry_after = retry_after


def as_the_server_says(error: Exception, attempt: int) -> timedelta | None:
    if isinstance(error, TooManyRequestsError) and attempt < 5:
        return timedelta(seconds=error.retry_after)
    return None


def fetch(report: str) -> list[str]:
    if StepContext.current().attempt == 1:
        raise TooManyRequestsError(retry_after=90)
    return [f"{report}-1", f"{report}-2"]


@durable_execution
async def download(report: str, ctx: DurableContext) -> list[str]:
    config = StepConfig(retry_strategy=custom_retry(as_the_server_says))
    return await ctx.step(fetch, report, config=config)

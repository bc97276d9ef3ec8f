"""Try a block of several steps again as a whole: a seat whose reservation has expired is reserved anew.

A step that is tried again would confirm the same expired seat. ``ctx.with_retry`` runs the whole block again, each attempt
in a context of its own, with durable delays between them. ``attempt.uuid4()`` is another key in each attempt, and the same
one after a crash.

Run it with::

    durable run examples/children/seat_reservation/app.py --skip-time --input '"Hamlet"'
"""

from datetime import timedelta
from uuid import UUID

from durable_execution_sdk import (
    DurableContext,
    FixedDelay,
    NoRetry,
    WithRetryConfig,
    durable_execution,
    durable_step,
)

seats: dict[UUID, str] = {}  # the theatre: a seat for each key
EXPIRED = {"Hamlet-1"}


class ExpiredError(Exception):
    """The reservation is no longer good."""


async def reserve(play: str, key: UUID) -> str:
    return seats.setdefault(key, f"{play}-{len(seats) + 1}")


@durable_step(retry_strategy=NoRetry())
async def confirm(seat: str) -> str:
    if seat in EXPIRED:
        raise ExpiredError(seat)
    return f"{seat} is yours"


async def reserve_and_confirm(attempt: DurableContext, play: str) -> str:
    seat = await attempt.step(reserve, play, attempt.uuid4())
    return await attempt.step(confirm, seat)


@durable_execution
async def book_seat(play: str, ctx: DurableContext) -> str:
    three_times = FixedDelay(delay=timedelta(minutes=5), max_attempts=3, retryable=(ExpiredError,))
    config = WithRetryConfig(retry_strategy=three_times)
    return await ctx.with_retry(reserve_and_confirm, play, name="book", config=config)

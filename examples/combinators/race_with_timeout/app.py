"""Give a parcel to the first carrier with an offer; after two days without one, the office handles it.

A carrier whose line is busy is asked again later; no code runs between the attempts.

Run it with::

    durable run examples/combinators/race_with_timeout/app.py:book_parcel --input '{"parcel": "p-1"}'
"""

from dataclasses import dataclass
from datetime import timedelta

from durable_execution_sdk import (
    AllFailedError,
    DurableContext,
    ExponentialBackoff,
    StepConfig,
    StepContext,
    durable_execution,
)


@dataclass(frozen=True)
class Request:
    parcel: str


@dataclass(frozen=True)
class Offer:
    carrier: str
    price: int


PATIENT = StepConfig(
    retry_strategy=ExponentialBackoff(
        max_attempts=1000,
        initial_delay=timedelta(minutes=1),
        max_delay=timedelta(hours=4),
        retryable=(ConnectionError,),
    )
)


def ask(carrier: str, parcel: str) -> Offer:
    answers = {"swift": 3, "steady": 2}
    if carrier not in answers:
        raise LookupError(f"{carrier} does not carry {parcel}")
    if StepContext.current().attempt < answers[carrier]:
        raise ConnectionError(f"{carrier}'s line is busy")
    return Offer(carrier, 10 * answers[carrier])


def ask_the_office(parcel: str) -> str:
    return f"the office handles {parcel}"


@durable_execution
async def book_parcel(request: Request, ctx: DurableContext) -> Offer | str:
    carriers = ["local", "swift", "steady"]
    offers = [
        ctx.step(ask, carrier, request.parcel, name=f"ask_{carrier}", config=PATIENT)
        for carrier in carriers
    ]
    try:
        offer = await ctx.race(
            ctx.any(*offers, name="first_offer"),
            ctx.wait(timedelta(days=2), name="deadline"),
        )
    except AllFailedError as refusals:
        ctx.log_warn("all carriers refused", reasons=[str(error) for error in refusals.exceptions])
        offer = None
    if offer is not None:
        return offer
    return await ctx.step(ask_the_office, request.parcel)

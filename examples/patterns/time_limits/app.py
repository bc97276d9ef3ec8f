"""Quote a freight: ask carriers with a limit for each, take the first driver, and check the customs in time.

What takes too long is given up, by timers that hold across suspensions and crashes:

- a carrier that does not answer within an hour is a failed item of the map;
- the drivers that lose the race are told no more: ``cancel_losers``;
- customs are another function, which goes on by itself if it takes more than a day.

Run it with::

    durable run examples/patterns/time_limits/app.py:quote_freight --input '{"parcel": "p-1"}'
"""

from dataclasses import dataclass
from datetime import timedelta

from durable_execution_sdk import (
    ChildConfig,
    ChildContextTimeoutError,
    CompletionConfig,
    DurableContext,
    InvokeConfig,
    InvokeTimeoutError,
    MapConfig,
    durable_execution,
)

HOUR = timedelta(hours=1)
MINUTES_TO_ANSWER = {"swift": 20, "steady": 45, "silent": 60 * 24 * 7}


@dataclass(frozen=True)
class Request:
    parcel: str


@dataclass(frozen=True)
class Quote:
    carrier: str
    driver: str
    late: list[str]
    customs: str


def price_of(carrier: str, parcel: str) -> int:
    return 10 * len(carrier) + len(parcel)


async def ask(ctx: DurableContext, carrier: str, index: int) -> int:
    await ctx.wait(timedelta(minutes=MINUTES_TO_ANSWER[carrier]), name="answer")
    return await ctx.step(price_of, carrier, "parcel")


async def call_driver(ctx: DurableContext, driver: str, minutes: int) -> str:
    await ctx.wait(timedelta(minutes=minutes), name="call")
    return driver


@durable_execution
async def clear_customs(parcel: str, ctx: DurableContext) -> str:
    await ctx.wait(timedelta(days=3), name="inspection")
    return f"{parcel} is cleared"


@durable_execution
async def quote_freight(request: Request, ctx: DurableContext) -> Quote:
    carriers = list(MINUTES_TO_ANSWER)
    offers = await ctx.map(
        carriers,
        ask,
        name="offers",
        config=MapConfig(
            item_timeout=HOUR,
            item_namer=lambda carrier, _: f"ask {carrier}",
            completion=CompletionConfig.all_completed(),
        ),
    )
    late = [
        carrier
        for carrier, offer in zip(carriers, offers, strict=True)
        if isinstance(offer.error, ChildContextTimeoutError)
    ]
    prices = {
        carrier: offer.result
        for carrier, offer in zip(carriers, offers, strict=True)
        if offer.result is not None
    }

    limit = ChildConfig(timeout=HOUR)
    driver = await ctx.any(
        ctx.run_in_child_context(call_driver, "Ada", 90, name="call Ada", config=limit),
        ctx.run_in_child_context(call_driver, "Grace", 30, name="call Grace", config=limit),
        name="first driver",
        cancel_losers=True,
    )

    one_day: InvokeConfig[str] = InvokeConfig(timeout=timedelta(days=1), result_type=str)
    try:
        customs = await ctx.invoke(
            "clear_customs:$LATEST", request.parcel, name="customs", config=one_day
        )
    except InvokeTimeoutError:
        customs = "still under inspection"
    return Quote(min(prices, key=lambda carrier: prices[carrier]), driver, late, customs)

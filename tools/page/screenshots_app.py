"""The functions whose executions the pictures of the page show."""

from __future__ import annotations

import time

from durable_execution_sdk import (
    CallbackConfig,
    CompletionConfig,
    DurableContext,
    Duration,
    FixedDelay,
    MapConfig,
    StepConfig,
    durable_execution,
)

_RETRY = StepConfig(retry_strategy=FixedDelay(delay=Duration.from_seconds(1), max_attempts=3))
_CALLS: dict[str, int] = {}


class CardDeclinedError(Exception):
    """Fails a payment."""


def reserve(item: str) -> dict[str, str]:
    print(f"reserving {item}")
    time.sleep(0.05)
    return {"item": item, "shelf": "B 4"}


def price(sku: int) -> int:
    time.sleep(0.02)
    _CALLS[str(sku)] = _CALLS.get(str(sku), 0) + 1
    if sku % 9 == 4:
        raise CardDeclinedError(f"sku {sku} has no price")
    if sku % 5 == 2 and _CALLS[str(sku)] < 2:
        raise TimeoutError(f"the price of sku {sku} took too long")
    return sku * 3


def charge(amount: int) -> str:
    raise CardDeclinedError(f"The card was declined for {amount} EUR")


async def price_one(ctx: DurableContext, item: int, _index: int) -> int:
    return await ctx.step(price, item, name="price", config=_RETRY)


@durable_execution
async def order(_event: object, ctx: DurableContext) -> dict[str, object]:
    await ctx.step(reserve, "lamp", name="reserve")
    config = MapConfig(completion=CompletionConfig.all_completed())
    prices = await ctx.map(list(range(12)), price_one, name="prices", config=config)
    month: CallbackConfig[object] = CallbackConfig(timeout=Duration.from_days(30))
    approval = await (await ctx.create_callback(name="approval", config=month))
    await ctx.wait(Duration.from_hours(20), name="cooling-off")
    await ctx.step(reserve, "van", name="ship")
    return {"approval": approval, "prices": prices.success_count}


@durable_execution
async def trip(_event: object, ctx: DurableContext) -> None:
    await ctx.step(reserve, "hotel", name="book hotel")
    await ctx.step(reserve, "flight", name="book flight")
    try:
        await ctx.step(charge, 480, name="charge card", config=_RETRY)
    except CardDeclinedError:
        await ctx.step(reserve, "flight", name="cancel flight")
        await ctx.step(reserve, "hotel", name="cancel hotel")
        raise

"""The functions of the suite of commands at an endpoint; `durable dev` loads this file itself."""

from __future__ import annotations

from typing import Any

from durable_execution_sdk import (
    CallbackConfig,
    DurableContext,
    Duration,
    NoRetry,
    StepConfig,
    durable_execution,
)


def charge() -> int:
    return 10


def reserve() -> int:
    raise ValueError("no stock")


@durable_execution
async def orders(event: Any, ctx: DurableContext) -> str:
    await ctx.step(charge, name="charge")
    if "fail" in event:
        await ctx.step(reserve, name="reserve", config=StepConfig(retry_strategy=NoRetry()))
    if "tell" in event:
        ctx.progress(3, 10, label="parcels")
        await ctx.wait(Duration.from_days(1), name="rest")
    if "wait" in event:
        await ctx.wait(Duration.from_days(1), name="cool-off")
    return "shipped"


@durable_execution
async def approvals(event: Any, ctx: DurableContext) -> Any:
    config = CallbackConfig(
        timeout=Duration.from_hours(3), heartbeat_timeout=Duration.from_hours(2)
    )
    return await (await ctx.create_callback(name="approve", config=config))


@durable_execution
async def desk(event: Any, ctx: DurableContext) -> int:
    return await ctx.inbox("tickets", int, window=1).get()

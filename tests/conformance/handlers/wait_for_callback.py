"""Callbacks whose id is handed out by a step."""

from __future__ import annotations

from typing import Any, TypedDict

from durable_execution_sdk import (
    DurableContext,
    Duration,
    FixedDelay,
    WaitForCallbackConfig,
    durable_execution,
)

seconds = Duration.from_seconds


async def submit(callback_id: str) -> None:
    """Hand the id to whoever will answer."""


@durable_execution
async def basic(name: str, ctx: DurableContext) -> Any:
    return await ctx.wait_for_callback(submit, name=name)


@durable_execution
async def anonymous(event: None, ctx: DurableContext) -> Any:
    return await ctx.wait_for_callback(lambda callback_id: None)


@durable_execution
async def timing_out(name: str, ctx: DurableContext) -> Any:
    config: WaitForCallbackConfig[Any] = WaitForCallbackConfig(timeout=seconds(3))
    return await ctx.wait_for_callback(submit, name=name, config=config)


@durable_execution
async def failing_submitter(name: str, ctx: DurableContext) -> Any:
    async def fail(callback_id: str) -> None:
        raise ConnectionError("nobody is there")

    config: WaitForCallbackConfig[Any] = WaitForCallbackConfig(
        retry_strategy=FixedDelay(delay=seconds(1), max_attempts=2)
    )
    return await ctx.wait_for_callback(fail, name=name, config=config)


@durable_execution
async def sequential(event: None, ctx: DurableContext) -> Any:
    await ctx.wait_for_callback(submit, name="first")
    return await ctx.wait_for_callback(submit, name="second")


class Decision(TypedDict):
    status: str


@durable_execution
async def structured(name: str, ctx: DurableContext) -> str:
    config = WaitForCallbackConfig(result_type=Decision)
    decision = await ctx.wait_for_callback(submit, name=name, config=config)
    return decision["status"]


@durable_execution
async def heartbeats(name: str, ctx: DurableContext) -> Any:
    config: WaitForCallbackConfig[Any] = WaitForCallbackConfig(heartbeat_timeout=seconds(10))
    return await ctx.wait_for_callback(submit, name=name, config=config)


HANDLERS = {
    "7-1": basic,
    "7-3": anonymous,
    "7-5": timing_out,
    "7-7": failing_submitter,
    "7-9": sequential,
    "7-11": structured,
    "7-13": heartbeats,
    "7-15": basic,
}

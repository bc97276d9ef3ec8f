"""Callbacks: answers, failures, timeouts, heartbeats, several at a time."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from durable_execution_sdk import (
    CallbackConfig,
    CallbackError,
    DurableContext,
    Duration,
    SerDesContext,
    durable_execution,
)

seconds = Duration.from_seconds


@durable_execution
async def basic(name: str, ctx: DurableContext) -> str:
    callback = await ctx.create_callback(name=name)
    return await callback


@durable_execution
async def timing_out(name: str, ctx: DurableContext) -> str:
    callback = await ctx.create_callback(name=name, config=CallbackConfig(timeout=seconds(5)))
    return await callback


@durable_execution
async def heartbeats(name: str, ctx: DurableContext) -> str:
    config = CallbackConfig(heartbeat_timeout=seconds(10), result_type=str)
    callback = await ctx.create_callback(name=name, config=config)
    return await callback


@durable_execution
async def with_step(name: str, ctx: DurableContext) -> str:
    async def notify(callback_id: str) -> str:
        return f"sent {callback_id}"

    callback = await ctx.create_callback(name=name)
    await ctx.step(notify, callback.callback_id)
    return await callback


@durable_execution
async def answered_during_a_wait(name: str, ctx: DurableContext) -> str:
    callback = await ctx.create_callback(name=name)
    await ctx.wait(seconds(5))
    return await callback


@durable_execution
async def timing_out_during_a_wait(name: str, ctx: DurableContext) -> str:
    callback = await ctx.create_callback(name=name, config=CallbackConfig(timeout=seconds(3)))
    await ctx.wait(seconds(6))
    return await callback


@durable_execution
async def caught(name: str, ctx: DurableContext) -> str:
    callback = await ctx.create_callback(name=name)
    try:
        message = str(await callback)
    except CallbackError as error:
        message = f"callback failed: {error}"
    await ctx.wait(seconds(2))
    return message


class Timestamps:
    """Reads the moment in a notice as a number of seconds."""

    def serialize(self, value: dict[str, Any], context: SerDesContext, /) -> str:
        return json.dumps(value)

    def deserialize(self, payload: str, context: SerDesContext, /) -> dict[str, Any]:
        notice: dict[str, Any] = json.loads(payload)
        notice["timestamp"] = int(datetime.fromisoformat(notice["timestamp"]).timestamp())
        return notice


@durable_execution
async def custom_serdes(name: str, ctx: DurableContext) -> dict[str, Any]:
    callback = await ctx.create_callback(name=name, config=CallbackConfig(serdes=Timestamps()))
    return {"received": await callback}


@durable_execution
async def one_after_the_other(names: list[str], ctx: DurableContext) -> list[str]:
    first = await (await ctx.create_callback(name=names[0]))
    second = await (await ctx.create_callback(name=names[1]))
    return [first, second]


@durable_execution
async def in_reverse(names: list[str], ctx: DurableContext) -> list[str]:
    first = await ctx.create_callback(name=names[0])
    second = await ctx.create_callback(name=names[1])
    return [await second, await first]


HANDLERS = {
    "4-1": basic,
    "4-3": timing_out,
    "4-5": heartbeats,
    "4-7": with_step,
    "4-9": answered_during_a_wait,
    "4-11": timing_out_during_a_wait,
    "4-13": caught,
    "4-15": custom_serdes,
    "4-17": one_after_the_other,
    "4-19": in_reverse,
}

"""Chained invokes, and the functions that they invoke."""

from __future__ import annotations

import json
from typing import Any

from durable_execution_sdk import (
    DurableContext,
    Duration,
    InvokeConfig,
    SerDesContext,
    durable_execution,
)

ECHO = "echo:$LATEST"
FAILING = "failing:$LATEST"
MEASURING = "measuring:$LATEST"
NEAR_THE_LIMIT = 200_000


@durable_execution
async def echo(event: Any, ctx: DurableContext) -> Any:
    return event


@durable_execution
async def failing(event: Any, ctx: DurableContext) -> None:
    raise RuntimeError("the target is broken")


@durable_execution
async def measuring(event: str, ctx: DurableContext) -> dict[str, int]:
    return {"length": len(event)}


@durable_execution
async def basic(event: Any, ctx: DurableContext) -> Any:
    return await ctx.invoke(ECHO, event)


@durable_execution
async def target_fails(event: None, ctx: DurableContext) -> Any:
    return await ctx.invoke(FAILING, event)


@durable_execution
async def large(event: None, ctx: DurableContext) -> dict[str, int]:
    return await ctx.invoke(MEASURING, "x" * NEAR_THE_LIMIT)


@durable_execution
async def cached(event: None, ctx: DurableContext) -> Any:
    result = await ctx.invoke(ECHO, {"from": "cached"})
    await ctx.wait(Duration.from_seconds(1))
    return result


@durable_execution
async def after_a_step(event: None, ctx: DurableContext) -> str:
    async def prepare() -> str:
        return "prepared"

    return await ctx.invoke(ECHO, await ctx.step(prepare), config=InvokeConfig(result_type=str))


@durable_execution
async def in_a_child(event: None, ctx: DurableContext) -> Any:
    async def call(child: DurableContext) -> Any:
        return await child.invoke(ECHO, "from the child")

    return await ctx.run_in_child_context(call)


class Shouting:
    """Writes every text in capitals."""

    def serialize(self, value: Any, context: SerDesContext, /) -> str:
        return json.dumps(value).upper()

    def deserialize(self, payload: str, context: SerDesContext, /) -> Any:
        return json.loads(payload)


@durable_execution
async def custom_payload(event: Any, ctx: DurableContext) -> Any:
    return await ctx.invoke(ECHO, event, config=InvokeConfig(payload_serdes=Shouting()))


TARGETS = {"echo": echo, "failing": failing, "measuring": measuring}

HANDLERS = {
    "5-1": basic,
    "5-3": basic,
    "5-5": target_fails,
    "5-7": large,
    "5-9": cached,
    "5-11": after_a_step,
    "5-13": in_a_child,
    "5-15": custom_payload,
}

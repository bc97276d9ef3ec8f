"""Waits: one, several, a long one."""

from __future__ import annotations

from durable_execution_sdk import DurableContext, Duration, durable_execution


@durable_execution
async def basic(event: None, ctx: DurableContext) -> str:
    await ctx.wait(Duration.from_seconds(2))
    return "waited"


@durable_execution
async def sequential(event: None, ctx: DurableContext) -> dict[str, int]:
    await ctx.wait(Duration.from_seconds(2), name="wait-1")
    await ctx.wait(Duration.from_seconds(2), name="wait-2")
    return {"completedWaits": 2}


@durable_execution
async def an_hour(event: None, ctx: DurableContext) -> str:
    await ctx.wait(Duration.from_hours(1))
    return "waited"


HANDLERS = {"2-1": basic, "2-3": sequential, "2-5": an_hour}

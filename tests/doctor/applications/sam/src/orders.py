"""Workflows of an application without mistakes; the tests plant one at a time."""

import asyncio
import os
import time

from durable_execution_sdk import (
    DurableContext,
    Duration,
    StepContext,
    WaitForCallbackConfig,
    durable_execution,
    durable_step,
)

SHIP_ORDER = os.environ["SHIP_ORDER"]
APPROVAL = WaitForCallbackConfig(timeout=Duration.from_days(7))


@durable_step
async def charge(order: dict) -> str:
    """Take the money."""
    async with asyncio.timeout(30):
        return f"payment of {order['id']} at {time.time()}"


def ask(callback_id: str) -> None:
    """Tell the approver the id."""
    StepContext.current().logger.info("answer %s", callback_id)


async def reserve(ctx: DurableContext, item: int, _index: int) -> int:
    """Reserve one item."""
    return await ctx.step(lambda: item, name="reserve")


async def finish(ctx: DurableContext, order: dict) -> str:
    """Take the money and ship."""
    payment = await ctx.step(charge, order)
    await ctx.wait(Duration.from_hours(1), name="truck")
    await ctx.invoke(SHIP_ORDER, order, name="shipping")
    return payment


@durable_execution
async def process_order(order: dict, ctx: DurableContext) -> str:
    """Have an order approved, reserve its items, take the money and ship."""
    await ctx.wait_for_callback(ask, name="approval", config=APPROVAL)
    await ctx.map(range(100), reserve)
    return await ctx.run_in_child_context(finish, order)


@durable_execution
async def ship_order(order: dict, ctx: DurableContext) -> str:
    """Ship an order."""
    return await ctx.step(lambda: "shipped", name="ship")


async def answer_quickly(order: dict, ctx: DurableContext) -> str:
    """Answer within a request."""
    return await ctx.step(lambda: "quick", name="answer")


quick = durable_execution(answer_quickly)

"""Run several sequences of steps side by side in tasks of a plain ``asyncio.TaskGroup``.

Tasks of the workflow have ids of their own for their operations, so they replay exactly, however they interleave. For
many items, or limits, use ``ctx.map``.

Run it with::

    durable run examples/combinators/order_lines/app.py --skip-time --input '["tea", "cup"]'
"""

import asyncio
from datetime import timedelta

from durable_execution_sdk import DurableContext, durable_execution


async def reserve(article: str) -> str:
    return f"{article} reserved"


async def pack(article: str) -> str:
    return f"{article} packed"


async def prepare(ctx: DurableContext, article: str, minutes: int) -> str:
    await ctx.step(reserve, article)
    await ctx.wait(timedelta(minutes=minutes), name=f"fetch {article}")
    return await ctx.step(pack, article)


@durable_execution
async def prepare_order(articles: list[str], ctx: DurableContext) -> list[str]:
    async with asyncio.TaskGroup() as group:
        lines = [
            group.create_task(prepare(ctx, article, 10 * number))
            for number, article in enumerate(articles, start=1)
        ]
    return [line.result() for line in lines]

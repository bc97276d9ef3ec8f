"""Handle answers as they come, in the order of their arrival, with ``asyncio.as_completed``.

The log fixes the order, so replay sees the same one. Give it a list, and not a set: the order of a set differs from run to
run.

Run it with::

    durable run examples/combinators/live_results/app.py --skip-time --input '{"north": 50, "south": 20, "west": 35}'
"""

import asyncio
from datetime import timedelta

from durable_execution_sdk import DurableContext, durable_execution


async def count_votes(district: str) -> str:
    return f"{district} is counted"


async def district_result(ctx: DurableContext, district: str, minutes: int) -> str:
    await ctx.wait(timedelta(minutes=minutes), name=f"{district} counts")
    return await ctx.step(count_votes, district, name=f"result of {district}")


@durable_execution
async def election_night(minutes: dict[str, int], ctx: DurableContext) -> list[str]:
    districts = [district_result(ctx, district, minutes[district]) for district in minutes]
    shown = []
    for result in asyncio.as_completed(districts):
        shown.append(await result)
        ctx.log_info("shown", result=shown[-1])
    return shown

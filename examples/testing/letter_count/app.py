"""Test steps that run side by side in many orders, and find the same result in each.

The tests beside this file are what it shows. ``check_schedules`` lets steps and calls take turns of random length,
and reports a result, a name or an operation that depends on who was first.

Run it with::

    durable run examples/testing/letter_count/app.py --input '["old", "older"]'
"""

import asyncio

from durable_execution_sdk import DurableContext, durable_execution


async def pages_of(archive: str) -> list[str]:
    return [f"{archive}-{number}" for number in (1, 2)]


async def read(page: str) -> int:
    return len(page)


@durable_execution
async def count_letters(archives: list[str], ctx: DurableContext) -> dict[str, int]:
    async def count(archive: str) -> int:
        pages = await ctx.step(pages_of, archive, name=f"pages of {archive}")
        return sum(await asyncio.gather(*[ctx.step(read, page, name=page) for page in pages]))

    async with asyncio.TaskGroup() as group:
        counts = [group.create_task(count(archive)) for archive in archives]
    # By the order of the archives, and not by the order in which the counts came.
    return {archive: each.result() for archive, each in zip(archives, counts, strict=True)}

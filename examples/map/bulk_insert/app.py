"""Insert rows by the hundred: the function of the map gets a list of items, and returns a list of results.

A group is one operation, however many rows it has, and it is tried again as a whole. ``max_bytes`` limits the groups
by size, too.

Run it with::

    durable run examples/map/bulk_insert/app.py --input '250'
"""

from collections.abc import Sequence

from durable_execution_sdk import DurableContext, ItemBatcher, MapConfig, durable_execution


async def insert(rows: Sequence[str]) -> list[int]:
    return [int(row.removeprefix("row ")) for row in rows]


async def insert_group(ctx: DurableContext, rows: Sequence[str], index: int) -> list[int]:
    return await ctx.step(insert, rows)


@durable_execution
async def bulk_insert(count: int, ctx: DurableContext) -> str:
    rows = [f"row {number}" for number in range(count)]
    config = MapConfig(item_batcher=ItemBatcher(max_items=100), max_concurrency=2)
    batch = await ctx.map(rows, insert_group, name="groups", config=config)
    batch.throw_if_error()
    return f"{len(batch.results())} rows, the last has id {batch.results()[-1]}"

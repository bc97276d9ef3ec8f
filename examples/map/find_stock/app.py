"""Ask warehouses for an article, and take the first that has it.

``CompletionConfig.first_successful()`` ends the batch at the first success and gives up the items that are under way.
Failures do not matter, unless all fail.

Run it with::

    durable run examples/map/find_stock/app.py --input '"lamp"'
"""

from durable_execution_sdk import (
    CompletionConfig,
    DurableContext,
    MapConfig,
    NoRetry,
    StepConfig,
    durable_execution,
)

STOCK = {"north": ["chair"], "south": ["lamp", "chair"], "east": ["lamp"]}
ONCE = StepConfig(retry_strategy=NoRetry())


async def look_up(warehouse: str, article: str) -> str:
    if article not in STOCK[warehouse]:
        raise LookupError(f"no {article} in the {warehouse}")
    return warehouse


@durable_execution
async def find_stock(article: str, ctx: DurableContext) -> str:
    async def ask(branch: DurableContext, warehouse: str, index: int) -> str:
        return await branch.step(look_up, warehouse, article, config=ONCE)

    config = MapConfig(
        max_concurrency=1,
        completion=CompletionConfig.first_successful(),
        item_namer=lambda warehouse, _: f"ask {warehouse}",
    )
    batch = await ctx.map(list(STOCK), ask, name="warehouses", config=config)
    return batch.results()[0] if batch.results() else f"no warehouse has a {article}"

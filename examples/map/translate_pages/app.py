"""Translate the pages of a document side by side, two at a time, and return them in order.

Each page has a context of its own, so its steps are recorded under it. A map does not raise: ``throw_if_error`` does.
Change ``max_concurrency`` to what the other side can take.

Run it with::

    durable run examples/map/translate_pages/app.py --input '["one", "two", "three"]'
"""

from durable_execution_sdk import DurableContext, MapConfig, durable_execution


async def translate(text: str) -> str:
    return text[::-1]


async def proofread(text: str) -> str:
    return text.capitalize()


async def translate_page(ctx: DurableContext, text: str, index: int) -> str:
    draft = await ctx.step(translate, text)
    return await ctx.step(proofread, draft)


@durable_execution
async def translate_document(pages: list[str], ctx: DurableContext) -> list[str]:
    config = MapConfig(max_concurrency=2, item_namer=lambda _, index: f"page {index + 1}")
    batch = await ctx.map(pages, translate_page, name="pages", config=config)
    batch.throw_if_error()
    return batch.results()

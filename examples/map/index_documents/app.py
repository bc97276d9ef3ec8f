"""Index many documents with one operation each, instead of a context and a step for each.

An execution may have 3,000 operations. ``NestingType.FLAT`` makes no operation of an item, only of what it does, so a
map of 2,000 items with one step each fits. For still more, group the items, as bulk_insert does.

Run it with::

    durable run examples/map/index_documents/app.py --input '40'
"""

from durable_execution_sdk import DurableContext, MapConfig, NestingType, durable_execution


async def put_into_index(document: str) -> int:
    return len(document)


async def index_document(ctx: DurableContext, document: str, index: int) -> int:
    return await ctx.step(put_into_index, document, name=f"index {document}")


@durable_execution
async def index_documents(count: int, ctx: DurableContext) -> int:
    documents = [f"doc-{number}" for number in range(count)]
    config = MapConfig(nesting=NestingType.FLAT, max_concurrency=20)
    batch = await ctx.map(documents, index_document, name="documents", config=config)
    batch.throw_if_error()
    return sum(batch.results())

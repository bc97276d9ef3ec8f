"""Map over an async generator: a page of the list is fetched when the map is ready to begin its first entry.

So the list may be longer than memory, and is only read as far as needed. The generator is workflow code: what it
fetches, it fetches in steps.

Run it with::

    durable run examples/map/crawl_pages/app.py --input '"docs"'
"""

from collections.abc import AsyncIterator

from durable_execution_sdk import DurableContext, MapConfig, durable_execution

SITE = {"docs": [["docs/a", "docs/b"], ["docs/c"]]}


async def list_page(site: str, page: int) -> list[str]:
    pages = SITE[site]
    return pages[page] if page < len(pages) else []


async def archive(address: str) -> str:
    return f"{address}.html"


async def addresses(ctx: DurableContext, site: str) -> AsyncIterator[str]:
    page = 0
    while found := await ctx.step(list_page, site, page):
        for address in found:
            yield address
        page += 1


async def archive_page(ctx: DurableContext, address: str, index: int) -> str:
    return await ctx.step(archive, address)


@durable_execution
async def crawl(site: str, ctx: DurableContext) -> list[str]:
    config = MapConfig(max_concurrency=1)
    batch = await ctx.map(addresses(ctx, site), archive_page, name="pages", config=config)
    batch.throw_if_error()
    return batch.results()

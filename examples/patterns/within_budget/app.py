"""Import a catalogue of any length: go on in another execution before this one comes to its quota.

Run it, with a quota of its own so that two executions share the pages::

    durable run examples/patterns/within_budget/app.py:import_catalogue \
        --input '{"page": 0, "pages": 8}' --name catalogue
    durable show catalogue --cost
"""

from dataclasses import dataclass

from durable_execution_sdk import DurableContext, ExecutionLimits, InvokeConfig, durable_execution

# An execution may have 3,000 operations. With 60, a short catalogue shows what a long one does.
LIMITS = ExecutionLimits(operations=60)
# The most that a page takes, and the invoke: the page's step, the map, and two operations for each of five rows.
RESERVE = 1 + 1 + 5 * 2 + 1


@dataclass(frozen=True)
class Progress:
    page: int
    pages: int
    rows: int = 0


# External systems: a supplier that lists its articles by page, and a shop.


def fetch(page: int) -> list[str]:
    return [f"article-{page}-{number}" for number in range(5)]


def save(article: str) -> str:
    return article


# The workflow.


async def save_article(ctx: DurableContext, article: str, _index: int) -> str:
    return await ctx.step(save, article)


@durable_execution(limits=LIMITS)
async def import_catalogue(progress: Progress, ctx: DurableContext) -> Progress:
    rows = progress.rows
    for page in range(progress.page, progress.pages):
        if ctx.budget.operations.left < RESERVE:
            # The rest has limits of its own. This execution waits for it, at no cost, and returns its result.
            rest = Progress(page, progress.pages, rows)
            config = InvokeConfig(result_type=Progress)
            return await ctx.invoke(
                "import_catalogue:$LATEST", rest, name="the rest", config=config
            )
        articles = await ctx.step(fetch, page)
        saved = await ctx.map(articles, save_article, name="save")
        rows += len(saved.results())
    return Progress(progress.pages, progress.pages, rows)

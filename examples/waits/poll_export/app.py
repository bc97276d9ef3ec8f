"""Poll an export until it is ready, with growing delays and no process that waits.

``check(state) -> state`` runs as a step; the strategy looks at the state that it returned. Each check gets the state of
the one before, so counters and page tokens survive. Change ``UNTIL_READY`` for other delays.

Run it with::

    durable run examples/waits/poll_export/app.py --skip-time --input '"customers"'
"""

from dataclasses import dataclass
from datetime import timedelta

from durable_execution_sdk import (
    DurableContext,
    WaitForConditionConfig,
    durable_execution,
    poll_until,
)


@dataclass(frozen=True)
class Export:
    table: str
    percent: int = 0


def is_ready(export: Export) -> bool:
    return export.percent >= 100


UNTIL_READY = poll_until(
    is_ready,
    initial_delay=timedelta(minutes=1),
    max_delay=timedelta(hours=1),
    backoff_rate=2,
    max_attempts=100,
)


def look(export: Export) -> Export:
    """Ask the database how far it is; this one does a quarter between two looks."""
    return Export(export.table, export.percent + 25)


def download(export: Export) -> str:
    return f"{export.table}.csv"


@durable_execution
async def export_table(table: str, ctx: DurableContext) -> str:
    config = WaitForConditionConfig(initial_state=Export(table), wait_strategy=UNTIL_READY)
    finished = await ctx.wait_for_condition(look, config, name="export")
    return await ctx.step(download, finished)

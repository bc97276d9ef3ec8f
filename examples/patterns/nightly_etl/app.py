"""Load 2,000 files in a night, ten groups at a time, and report the damaged ones.

An execution has 3,000 operations, so a step loads a group of 50 files: 2,000 files take 83 operations. A process
that dies repeats the groups under way, so loading a file again must replace its rows, as it does in ``warehouse``.

Run it with::

    durable run examples/patterns/nightly_etl/app.py --input '{"date": "2030-01-31", "files": 200}'
"""

from dataclasses import dataclass

from durable_execution_sdk import (
    CompletionConfig,
    DurableContext,
    MapConfig,
    durable_execution,
)

warehouse: dict[str, int] = {}  # rows by file: a file that is loaded again replaces its rows


@dataclass(frozen=True)
class Night:
    date: str
    files: int
    per_group: int = 50


@dataclass(frozen=True)
class Loaded:
    rows: int
    damaged: list[str]


def list_files(night: Night) -> list[list[str]]:
    names = [f"{night.date}/{number:04}.csv" for number in range(night.files)]
    return [names[at : at + night.per_group] for at in range(0, night.files, night.per_group)]


def load(names: list[str]) -> Loaded:
    good = [name for name in names if not name.endswith("7.csv")]
    for name in good:
        warehouse[name] = 10
    return Loaded(10 * len(good), [name for name in names if name not in good])


async def load_group(item: DurableContext, names: list[str], index: int) -> Loaded:
    return await item.step(load, names)


def publish(night: Night, total: Loaded) -> str:
    return f"{night.date}: {total.rows} rows, {len(total.damaged)} files are damaged"


@durable_execution
async def run_night(night: Night, ctx: DurableContext) -> str:
    groups = await ctx.step(list_files, night)
    config = MapConfig(max_concurrency=10, completion=CompletionConfig.all_completed())
    batch = await ctx.map(groups, load_group, name="groups", config=config)
    batch.throw_if_error()
    rows = sum(loaded.rows for loaded in batch.results())
    damaged = [name for loaded in batch.results() for name in loaded.damaged]
    return await ctx.step(publish, night, Loaded(rows, damaged))

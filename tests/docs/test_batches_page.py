"""Every row of the table on when a batch ends is true, and so is the sentence on what a crash repeats."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from typing import Any

import pytest
from tests.docs.tables import DOCS

from durable_execution_sdk import (
    CompletionConfig,
    CompletionOutcome,
    DurableContext,
    MapConfig,
    complete_batch,
    durable_execution,
)
from durable_execution_sdk.testing import LocalDurableTestRunner, UnusedFaultError

TEXT = (DOCS / "batches.md").read_text(encoding="utf-8")
LINES = TEXT.split("| `completion=` |")[1].split("\n\n")[0].splitlines()[2:]
ROWS = [[cell.strip() for cell in line.split("|")[1:-1]] for line in LINES]

# For each row: the items that succeed (+) and fail (-), in order, and how many are started.
ITEMS = [
    ("+-+", 2),
    ("--+", 3),
    ("-++", 2),
    ("+-+-++", 5),
    ("-+--+", 4),
    ("-" + "+" * 8 + "-+" + "+" * 9 + "-+", 21),
    ("+-++", 2),
]


def test_the_table_has_its_rows() -> None:
    assert len(ROWS) == len(ITEMS)


@pytest.mark.parametrize(("row", "items"), [*zip(ROWS, ITEMS, strict=True)])
def test_when_a_batch_ends(row: list[str], items: tuple[str, int]) -> None:
    signs, started = items
    configs: list[Any] = [None] if row[0].startswith("nothing") else []
    for code in re.findall(r"`(CompletionConfig.*?)`", row[0]):
        for outcome in CompletionOutcome if "rule" in code else [None]:

            def rule(status: Any, outcome: Any = outcome) -> Any:
                return status.failure_count > 0 and complete_batch(outcome)

            configs.append(eval(code, {"CompletionConfig": CompletionConfig, "rule": rule}))
    reasons = {ended(config, signs, started) for config in configs}
    assert reasons == set(re.findall(r"`(.*?)`", row[2]))


def ended(completion: CompletionConfig | None, signs: str, started: int) -> str:
    @durable_execution
    async def workflow(event: Any, ctx: DurableContext) -> list[Any]:
        async def item(inner: DurableContext, sign: str, index: int) -> str:
            if sign == "-":
                raise LookupError(index)
            return sign

        config = MapConfig(max_concurrency=1, completion=completion)
        batch = await ctx.map(list(signs), item, config=config)
        return [len(batch), str(batch.completion_reason)]

    count, reason = LocalDurableTestRunner(workflow).run_sync(None).result
    assert count == started
    return reason


def repeated_by_a_crash(checkpoint: int) -> list[int] | None:
    """Return the items whose step runs twice; ``None`` if the run has no such checkpoint."""
    runs: Counter[int] = Counter()

    async def body(item: int) -> int:
        runs[item] += 1
        await asyncio.sleep(0)
        return item

    async def step(ctx: DurableContext, item: int, index: int) -> int:
        return await ctx.step(body, item, name="step")

    @durable_execution
    async def workflow(event: None, ctx: DurableContext) -> int:
        batch = await ctx.map([*range(8)], step, config=MapConfig(max_concurrency=2))
        return len(batch.results())

    runner = LocalDurableTestRunner(workflow)
    runner.faults.crash_at(checkpoint=checkpoint, when="before")
    try:
        assert runner.run_sync(None).result == 8
    except UnusedFaultError:
        return None
    assert set(runs.values()) <= {1, 2}
    return [item for item, count in runs.items() if count == 2]


def test_a_crash_repeats_steps_of_as_many_items_as_run_at_a_time() -> None:
    every = [repeated_by_a_crash(checkpoint) for checkpoint in range(1, 20)]
    counts = [len(each) for each in every if each is not None]
    assert len(counts) < len(every)
    assert max(counts) == 2

"""A map says how many of its branches are done, how many failed, and how long the others may take."""

from __future__ import annotations

import io
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tests.cli.command import Durable, Write
from tests.cli.process import running
from tests.cli.test_executions import documented
from tests.cli.test_terminal import run_in_terminal, screen
from tests.dev.test_command import durable as durable_process
from tests.rig import Rig

from durable_execution_sdk import (
    CompletionConfig,
    DurableContext,
    Duration,
    MapConfig,
    NestingType,
    durable_execution,
)
from durable_execution_sdk.cli.output.branch_totals import CountedTotals
from durable_execution_sdk.cli.output.progress import LiveTree
from durable_execution_sdk.cli.store_file import Place
from durable_execution_sdk.dev.logs.log_store import logs_path
from durable_execution_sdk.rendering.batch_progress import BatchProgress, batch_text, family_batches
from durable_execution_sdk.rendering.documents import execution_document
from durable_execution_sdk.rendering.family import family

TOLERANT = MapConfig(completion=CompletionConfig(tolerated_failure_count=10))


async def each(ctx: DurableContext, seconds: int, index: int) -> int:
    if seconds < 0:
        raise ValueError("no")
    await ctx.wait(Duration.from_seconds(seconds))
    return seconds


@durable_execution
async def items(event: list[int], ctx: DurableContext) -> object:
    batch = await ctx.map(event, each, name="items", config=TOLERANT)
    return batch.total_count


@durable_execution
async def streamed(event: list[int], ctx: DurableContext) -> object:
    async def supply() -> AsyncIterator[int]:
        for item in event:
            yield item

    batch = await ctx.map(supply(), each, name="items", config=TOLERANT)
    return batch.total_count


@durable_execution
async def outer(event: list[int], ctx: DurableContext) -> Any:
    return await ctx.invoke("inner:$LATEST", event, name="inner")


EVENT = [10, 20, -1, 100]


def counted(workflow: Any, **others: Any) -> tuple[Rig, CountedTotals]:
    totals = CountedTotals()
    return Rig(
        totals.counting(workflow), {name: totals.counting(each) for name, each in others.items()}
    ), totals


def drawn(rig: Rig, arn: str, totals: CountedTotals) -> str:
    out = io.StringIO()
    console = Console(file=out, width=120, height=40, force_terminal=True, color_system=None)
    with LiveTree(console, lambda: None, totals)(rig.emulator, arn, Place(None)):
        pass
    return out.getvalue()


def test_a_running_map_says_how_many_of_how_many_and_how_long_it_may_take() -> None:
    rig, totals = counted(items)
    arn = rig.start(EVENT)
    rig.drive(arn, until=rig.clock.now() + 50_000)
    batches = family_batches(family(rig.emulator, arn), totals)[arn]
    [batch] = batches.values()
    assert (batch.total, batch.started, batch.succeeded, batch.failed) == (4, 4, 2, 1)
    # Three of four took twenty seconds.
    assert batch.ends_at is not None
    began = int(rig.emulator.describe(arn).start_timestamp)
    assert 26_000 <= batch.ends_at - began < 28_000
    left = batch_text(batch, began + 20_000)
    assert re.fullmatch(r"3 of 4 done, 1 failed, about [67](\.\d)? s left", left)
    # The estimate was wrong, so there is none.
    assert batch_text(batch, began + 30_000) == "3 of 4 done, 1 failed"
    assert "▸ items  Map  3 of 4 done, 1 failed" in drawn(rig, arn, totals)
    rig.drive(arn)
    assert "✔ items  Map  4 of 4 done, 1 failed" in drawn(rig, arn, totals)


def test_a_map_whose_number_of_items_is_not_known_says_what_is() -> None:
    rig, totals = counted(streamed)
    arn = rig.start(EVENT)
    rig.drive(arn, until=rig.clock.now() + 50_000)
    assert "▸ items  Map  3 done, 1 failed\n" in re.sub(r" *\r?\n", "\n", drawn(rig, arn, totals))
    document: Any = execution_document(rig.emulator, arn, [], None, totals)
    assert list(document["operations"][0]["progress"]) == documented("progress")
    assert document["operations"][0]["progress"] == {
        "total": None,
        "started": 4,
        "succeeded": 2,
        "failed": 1,
        "estimated_end_timestamp": None,
    }
    assert document["operations"][1]["progress"] is None


def test_the_map_of_an_invoked_execution_counts_too() -> None:
    rig, totals = counted(outer, inner=items)
    arn = rig.start(EVENT)
    rig.drive(arn, until=rig.clock.now() + 50_000)
    assert "items  Map  3 of 4 done, 1 failed" in drawn(rig, arn, totals)


def test_branches_without_contexts_are_not_counted() -> None:
    @durable_execution
    async def flat(event: list[int], ctx: DurableContext) -> object:
        config = MapConfig(nesting=NestingType.FLAT)
        return (await ctx.map(event, each, name="items", config=config)).total_count

    rig, totals = counted(flat)
    arn = rig.start([1, 1])
    rig.drive(arn)
    assert totals(arn) == {}
    assert family_batches(family(rig.emulator, arn), totals) == {arn: {}}


@pytest.mark.parametrize(
    ("batch", "text"),
    [
        (BatchProgress(total=3, started=0, succeeded=0, failed=0, ends_at=None), "0 of 3 done"),
        (BatchProgress(total=None, started=2, succeeded=1, failed=0, ends_at=None), "1 done"),
        (
            BatchProgress(total=9, started=4, succeeded=2, failed=1, ends_at=61_000.0),
            "3 of 9 done, 1 failed, about 1 min left",
        ),
    ],
)
def test_words(batch: BatchProgress, text: str) -> None:
    assert batch_text(batch, 1_000) == text


APP = """
    async def each(ctx, item, index):
        if item == 2:
            raise ValueError("no")
        if item == 3:
            return await ctx.wait_for_callback(lambda callback_id: None, name="approval")
        return await ctx.step(lambda: item, name="price")

    @durable_execution
    async def order(event, ctx: DurableContext):
        config = MapConfig(completion=CompletionConfig(tolerated_failure_count=10))
        batch = await ctx.map([1, 2, 3, 4], each, name="items", config=config)
        return batch.total_count
"""


def test_a_run_knows_the_number_of_its_branches_and_a_later_look_does_not(
    write: Write, place: Path, durable: Durable
) -> None:
    file = write(APP)
    code, text = run_in_terminal(place, "run", file, "--name", "n", "--no-wait")
    assert code == 3
    # Estimates depend on the speed of the machine.
    assert any("items  Map  3 of 4 done, 1 failed" in line for line in screen(text))
    assert not logs_path(place / ".durable" / "executions.db").exists()
    assert "items  Map  3 done, 1 failed\n" in durable("show", "n").out
    # Those that are left out count.
    failed = durable("show", "n", "--failed").out
    assert "items  Map  3 done, 1 failed\n" in failed
    assert "price" not in failed


@pytest.mark.dev
def test_what_a_server_runs_is_shown_with_its_total(write: Write, place: Path) -> None:
    file = write(APP)
    with running(place, "dev", file, "--port", "0") as server:
        server.until("start one with")
        assert durable_process(place, "start", "order", "--name", "n").returncode == 0
        server.until("answer with")
        assert durable_process(place, "callback", "succeed", "n/approval").returncode == 0
        server.until("n: ExecutionSucceeded")
        server.interrupt()
        assert server.end() == 0
    assert "items  Map  4 of 4 done, 1 failed" in durable_process(place, "show", "n").stdout
    followed = durable_process(place, "show", "n", "--follow", "--json").stdout
    assert '"total": 4' in followed
    # Damaged logs hide the total only.
    logs_path(place / ".durable" / "executions.db").write_bytes(b"no database" * 1_000)
    assert "items  Map  4 done, 1 failed" in durable_process(place, "show", "n").stdout

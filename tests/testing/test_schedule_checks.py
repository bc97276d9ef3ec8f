"""check_schedules finds workflows that depend on order, and check_replay finds changed code."""

from __future__ import annotations

import asyncio
import functools
import json
import random
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from tests.testing.test_crash_safety import everything

from durable_execution_sdk import DurableContext, Duration, durable_execution
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.ports import DataPlane
from durable_execution_sdk.protocol.data_plane import StatePage, StateRequest
from durable_execution_sdk.testing import (
    HarmError,
    LocalDurableTestRunner,
    Wrappers,
    check_replay,
    check_replay_sync,
    check_schedules,
    check_schedules_sync,
    save_history,
)


def in_loop(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run a coroutine as the plugins for async tests do."""

    @functools.wraps(test)
    def run() -> None:
        asyncio.run(test())

    return run


async def note(value: int) -> int:
    await asyncio.sleep(0)
    return value


async def settled(event: int, ctx: DurableContext) -> list[int]:
    """Run steps concurrently; return their results in the order of the arguments."""

    async def branch(inner: DurableContext, n: int, index: int) -> int:
        await inner.step(note, n)
        await inner.wait(Duration.from_seconds(1 + n % 2))
        return await inner.step(note, n * 10)

    batch = await ctx.map(range(4), branch)
    more = await asyncio.gather(*(ctx.step(note, n) for n in range(4)))
    return [*batch.results(), *more]


async def racing(event: int, ctx: DurableContext) -> list[int]:
    """Return the results in the order in which steps end."""
    order: list[int] = []

    async def one(n: int) -> None:
        order.append(await ctx.step(note, n, name=f"n{n}"))

    await asyncio.gather(*(one(n) for n in range(4)))
    return order


async def numbered(event: int, ctx: DurableContext) -> int:
    """Name operations by a counter that tasks share, so that the names depend on the order of ends."""
    count = 0

    async def one(n: int) -> None:
        nonlocal count
        await ctx.step(note, n, name="work")
        count += 1
        await ctx.step(note, n, name=f"report {count}")

    await asyncio.gather(*(one(n) for n in range(3)))
    return count


@pytest.mark.parametrize(("workflow", "event"), [(settled, 1), (everything, "7")])
def test_a_workflow_that_depends_on_no_order_passes(workflow: Any, event: Any) -> None:
    report = check_schedules_sync(durable_execution(workflow), event, seeds=range(12))
    assert report.ok, str(report)
    assert str(report) == f"{workflow.__name__}: 12 schedules, no harm"


def test_a_result_in_the_order_of_completion_is_found_with_seeds_that_show_it_again() -> None:
    handler = durable_execution(racing)
    report = check_schedules_sync(handler, 1)
    assert not report
    assert all(harm.what.startswith("the result is [0,1,2,3]") for harm in report.harms)
    first = int(report.harms[0].where.removeprefix("seed "))
    again = check_schedules_sync(handler, 1, seeds=[first])
    assert again.harms == report.harms[:1]
    with pytest.raises(HarmError, match="20 schedules, harm at"):
        report.raise_if_failed()
    assert "allow it: same_result=False" in str(report)
    assert check_schedules_sync(handler, 1, same_result=False)


def test_names_that_follow_the_order_of_completion_are_found() -> None:
    report = check_schedules_sync(durable_execution(numbered), 1)
    assert any("where the log had step 'report" in harm.what for harm in report.harms)
    assert not any("result is" in harm.what for harm in report.harms)


def test_every_other_schedule_reads_the_log_in_the_smallest_pages() -> None:
    pages: list[int] = []

    class Counting:
        def __init__(self, plane: DataPlane) -> None:
            self.plane = plane
            self.checkpoint = plane.checkpoint
            self.now = plane.now

        async def get_state(self, request: StateRequest) -> StatePage:
            page = await self.plane.get_state(request)
            pages.append(len(page.operations))
            return page

    runner = LocalDurableTestRunner(
        durable_execution(settled), wrappers=Wrappers(data_plane=Counting)
    )
    assert check_schedules_sync(runner, 1, seeds=[0, 2])
    assert not pages
    assert check_schedules_sync(runner, 1, seeds=[1])
    assert len(pages) > 10
    assert max(pages) == 1


def test_an_execution_that_gets_stuck_under_some_schedule_is_found() -> None:
    asked: list[str] = []

    @durable_execution
    async def flow(event: Any, ctx: DurableContext) -> Any:
        async def ask(name: str) -> None:
            await asyncio.sleep(0)
            asked.append(name)

        await asyncio.gather(*(ctx.step(ask, name) for name in "ab"))
        return await (await ctx.create_callback(name=asked[0]))

    def play(runner: LocalDurableTestRunner[Any]) -> Any:
        runner.sync.start()
        runner.sync.wait_for_callback("a").succeed("yes")
        return runner.sync.complete()

    report = check_schedules_sync(flow, play=play, setup=asked.clear)
    assert any("not for the callback 'a'" in harm.what for harm in report.harms)


@in_loop
async def test_it_runs_in_async_tests_plays_and_observes() -> None:
    world: list[int] = []

    @durable_execution
    async def flow(event: int, ctx: DurableContext) -> int:
        async def put(n: int) -> None:
            world.append(n)

        await asyncio.gather(*(ctx.step(put, n) for n in range(3)))
        return event

    async def play(runner: LocalDurableTestRunner[int]) -> Any:
        return await runner.run(3)

    assert await check_schedules(flow, 3, setup=world.clear)
    report = await check_schedules(
        LocalDurableTestRunner(flow), play=play, setup=world.clear, observe=lambda: world
    )
    assert any("the external state is [0, 1, 2] undisturbed" in str(harm) for harm in report.harms)
    with pytest.raises(ConfigError, match="not both"):
        await check_schedules(flow, 3, play=play)
    for none in (0, [], "12"):
        with pytest.raises(ConfigError, match="seeds= is one number or more"):
            await check_schedules(flow, 3, seeds=none)  # type: ignore[arg-type]


@in_loop
async def test_a_history_is_checked_against_the_code_in_a_test() -> None:
    def flow(name: str) -> Any:
        @durable_execution
        async def order(event: int, ctx: DurableContext) -> str:
            await ctx.step(note, event, name=name)
            await ctx.wait(Duration.from_days(1))
            return str(ctx.uuid4())

        return order

    result = await LocalDurableTestRunner(flow("charge")).run(7)
    assert await check_replay(flow("charge"), result)
    assert await check_replay(flow("charge"), result.history, execution_arn=result.arn)
    report = await check_replay(flow("pay"), result)
    assert report.divergence is not None
    assert report.divergence.actual == "step 'pay' (another name)"
    assert repr(report) == str(report)
    assert not check_replay_sync(flow("pay"), result)


def test_a_history_that_was_kept_in_a_file_replays_with_its_arn(tmp_path: Path) -> None:
    @durable_execution
    async def order(event: int, ctx: DurableContext) -> str:
        await ctx.step(note, event)
        return str(ctx.uuid4())

    result = LocalDurableTestRunner(order).run_sync(7)
    save_history(result, tmp_path / "order.json")
    assert check_replay_sync(order, tmp_path / "order.json")
    kept = json.loads((tmp_path / "order.json").read_text())
    assert kept["DurableExecutionArn"] == result.arn
    assert len(kept["Events"]) == len(result.history)


def test_an_unseeded_generator_in_workflow_code_is_found() -> None:
    generator = random.Random(5)

    @durable_execution
    async def flow(event: int, ctx: DurableContext) -> int:
        await ctx.step(note, 1, name=f"shard {generator.randrange(1000)}")
        return 1

    result = LocalDurableTestRunner(flow).run_sync(1)
    assert not check_replay_sync(flow, result)

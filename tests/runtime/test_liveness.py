"""Liveness: no workflow code keeps an invocation busy for ever; code that spins is held, and reported."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest import mock

import anyio
import pytest
from tests.rig import rig_of, run_workflow
from tests.sampling import name_of, one_each, thinned

from durable_execution_sdk import (
    CheckpointingMode,
    DurableContext,
    Duration,
    StepConfig,
    durable_execution,
)
from durable_execution_sdk.retry import FixedDelay
from durable_execution_sdk.runtime.event_loop.environment import environment
from durable_execution_sdk.runtime.external_wakeups import Outside
from durable_execution_sdk.runtime.tasks import WorkflowTasks, spinning
from durable_execution_sdk.testing import check_crash_safety_sync, check_schedules_sync

SECOND = Duration.from_seconds(1)
HERE = Path(__file__).relative_to(Path.cwd())
HOUR = Duration.from_hours(1)


async def echo(value: Any) -> Any:
    return value


async def spin_on_sleep(ctx: DurableContext, handle: Any) -> None:
    while not handle.done():
        await asyncio.sleep(0)


async def spin_on_a_wait_without_time(ctx: DurableContext, handle: Any) -> None:
    while not handle.done():
        await asyncio.wait([handle], timeout=0)


async def spin_on_a_timeout_without_time(ctx: DurableContext, handle: Any) -> None:
    while not handle.done():
        try:
            async with asyncio.timeout(0):
                await asyncio.shield(handle)
        except TimeoutError:
            continue


async def spin_on_tasks(ctx: DurableContext, handle: Any) -> None:
    while not handle.done():
        await asyncio.create_task(echo(1))


async def spin_between_two_tasks(ctx: DurableContext, handle: Any) -> None:
    ours, theirs = asyncio.Event(), asyncio.Event()

    async def answer() -> None:
        while not handle.done():
            await theirs.wait()
            theirs.clear()
            ours.set()

    answering = asyncio.create_task(answer())
    while not handle.done():
        theirs.set()
        await ours.wait()
        ours.clear()
    theirs.set()
    await answering


async def spin_in_a_new_task_each_time(ctx: DurableContext, handle: Any) -> None:
    over = asyncio.Event()
    tasks: set[asyncio.Task[None]] = set()

    async def look() -> None:
        if handle.done():
            over.set()
        else:
            task = asyncio.create_task(look())
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    await look()
    await over.wait()


async def spin_in_a_task(ctx: DurableContext, handle: Any) -> None:
    await asyncio.create_task(spin_on_sleep(ctx, handle))


async def spin_in_two_tasks(ctx: DurableContext, handle: Any) -> None:
    await asyncio.gather(spin_on_sleep(ctx, handle), spin_on_sleep(ctx, handle))


async def spin_on_an_event(ctx: DurableContext, handle: Any) -> None:
    over = asyncio.Event()

    async def tell() -> None:
        await handle
        over.set()

    telling = asyncio.create_task(tell())
    while not over.is_set():
        await asyncio.sleep(0)
    await telling


async def spin_on_callbacks(ctx: DurableContext, handle: Any) -> None:
    loop = asyncio.get_running_loop()
    over = loop.create_future()

    def look() -> None:
        if handle.done() and not over.done():
            over.set_result(None)
        elif not over.done():
            loop.call_soon(look)

    look()
    await over


async def spin_with_anyio(ctx: DurableContext, handle: Any) -> None:
    while not handle.done():
        await anyio.lowlevel.checkpoint()


Spin = Callable[[DurableContext, Any], Coroutine[Any, Any, None]]
SPINS: list[Spin] = [
    spin_on_sleep,
    spin_on_a_wait_without_time,
    spin_on_a_timeout_without_time,
    spin_on_tasks,
    spin_between_two_tasks,
    spin_in_a_new_task_each_time,
    spin_in_a_task,
    spin_in_two_tasks,
    spin_on_an_event,
    spin_on_callbacks,
    spin_with_anyio,
]


@pytest.fixture(autouse=True)
def short_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule about spinning with smaller numbers, so that each round is quick."""
    monkeypatch.setattr(spinning, "_LONG_MOVES", 2_000)
    monkeypatch.setattr(spinning, "_MOVES_OF_ALL", 8_000)
    monkeypatch.setattr(spinning, "_ENDLESS_MOVES", 50_000)


@pytest.mark.parametrize(
    ("spin", "mode"), thinned(one_each(SPINS, CheckpointingMode), first=2), ids=name_of
)
def test_a_workflow_may_spin_until_a_step_has_ended(spin: Spin, mode: CheckpointingMode) -> None:
    observed: list[list[str]] = []

    async def workflow(event: Any, ctx: DurableContext) -> list[str]:
        seen: list[str] = []
        observed.append(seen)

        async def beside() -> None:
            for n in range(3):
                seen.append(await ctx.step(echo, f"beside {n}"))

        task = asyncio.create_task(beside())
        await spin(ctx, ctx.step(echo, "polled"))
        seen.append("polled")
        await task
        seen.append(await ctx.step(echo, "last"))
        await ctx.wait(SECOND)
        return seen

    ran = rig_of(workflow, options={"checkpointing": mode}).run()
    assert ran.status == "SUCCEEDED", ran.error
    first, replayed = observed
    assert first == replayed == ran.result
    assert ran.result[-1] == "last"
    assert ran.types().count("StepStarted") == 5


@pytest.mark.parametrize("spin", thinned(SPINS, first=1))
def test_a_workflow_that_spins_on_a_wait_is_suspended(spin: Spin) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        await spin(ctx, ctx.wait(HOUR))
        return await ctx.step(echo, "done")

    ran = run_workflow(workflow)
    assert (ran.result, ran.invocations) == ("done", 2), ran.error


@pytest.mark.parametrize("spin", thinned(SPINS))
def test_a_workflow_that_spins_on_a_step_waits_for_its_retry(spin: Spin) -> None:
    tries: list[int] = []

    async def flaky() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise ConnectionError("again")
        return "done"

    async def workflow(event: Any, ctx: DurableContext) -> str:
        config = StepConfig(retry_strategy=FixedDelay(delay=HOUR, max_attempts=5))
        handle = ctx.step(flaky, config=config)
        await spin(ctx, handle)
        return await handle

    ran = run_workflow(workflow)
    assert (ran.result, ran.invocations, len(tries)) == ("done", 3, 3), ran.error


def test_branches_and_children_may_spin() -> None:
    async def branch(inner: DurableContext, item: int, index: int) -> int:
        handle = inner.step(echo, item)
        await spin_on_sleep(inner, handle)
        await spin_on_sleep(inner, inner.wait(SECOND))
        return await handle

    async def child(inner: DurableContext) -> int:
        return await branch(inner, 7, 0)

    async def workflow(event: Any, ctx: DurableContext) -> list[int]:
        own = ctx.run_in_child_context(child)
        batch = ctx.map(range(5), branch)
        await spin_on_sleep(ctx, batch)
        return [*(await batch).results(), await own]

    ran = run_workflow(workflow)
    assert ran.result == [0, 1, 2, 3, 4, 7], ran.error
    assert ran.invocations <= 3  # not all waits begin in the same millisecond


def test_a_loop_that_only_takes_long_goes_on() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        for _ in range(10_000):
            await asyncio.sleep(0)
        done = await ctx.step(echo, "done")
        await ctx.wait(SECOND)
        return done

    ran = run_workflow(workflow)
    assert (ran.result, ran.invocations) == ("done", 2), ran.error


def test_a_long_loop_goes_on_after_the_completion_that_it_delays() -> None:
    observed: list[list[str]] = []

    async def workflow(event: Any, ctx: DurableContext) -> None:
        seen: list[str] = []
        observed.append(seen)

        async def long() -> None:
            for _ in range(5_000):
                await asyncio.sleep(0)
            seen.append(await ctx.step(echo, "long"))

        async def waits() -> None:
            await ctx.wait(HOUR)
            seen.append("waited")

        await asyncio.gather(long(), waits())
        await ctx.wait(SECOND)

    ran = run_workflow(workflow)
    assert ran.status == "SUCCEEDED", ran.error
    assert observed == [[], ["waited", "long"], ["waited", "long"]]


def test_a_loop_that_is_not_long_comes_before_a_completion_that_is_due() -> None:
    observed: list[list[str]] = []

    async def workflow(event: Any, ctx: DurableContext) -> None:
        seen: list[str] = []
        observed.append(seen)

        async def waits() -> None:
            await ctx.wait(SECOND)
            seen.append("waited")

        task = asyncio.create_task(waits())
        for _ in range(1_500):
            await asyncio.sleep(0)
        seen.append("long")
        await task

    run_workflow(workflow)
    assert observed == [["long"], ["long", "waited"]]


async def spin_for_ever(ctx: DurableContext) -> None:
    while True:
        await asyncio.sleep(0)  # the line that spins


async def spin_for_ever_between_two(ctx: DurableContext) -> None:
    over = asyncio.Event()
    await spin_between_two_tasks(ctx, asyncio.create_task(over.wait()))


async def spin_for_ever_in_callbacks(ctx: DurableContext) -> None:
    loop = asyncio.get_running_loop()
    never = loop.create_future()

    def again() -> None:
        if not never.done():  # as it is when the workflow has been cancelled
            loop.call_soon(again)

    again()
    await never


@pytest.mark.parametrize(
    "spin", [spin_for_ever, spin_for_ever_between_two, spin_for_ever_in_callbacks]
)
def test_code_that_spins_for_ever_is_a_deadlock(spin: Any) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(echo, 1)
        await spin(ctx)

    ran = rig_of(workflow, options={"foreign_wait": 0.05}).run()
    assert ran.error.error_type == "DeadlockError"
    assert ran.invocations == 1


def test_the_line_that_spins_is_named() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        await asyncio.create_task(spin_for_ever(ctx))

    line = spin_for_ever.__code__.co_firstlineno + 2
    error = run_workflow(workflow).error
    assert error.error_type == "DeadlockError"
    assert f"spin_for_ever spins at {HERE}:{line}, without waiting" in error.error_message
    assert "workflow waits for the task 'spin_for_ever' at" in error.error_message


def test_code_that_spins_beside_a_wait_is_told_of_when_that_is_over() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        await asyncio.gather(spin_for_ever(ctx), ctx.wait(HOUR))

    ran = run_workflow(workflow)
    assert (ran.error.error_type, ran.invocations) == ("DeadlockError", 2)


def test_a_task_that_spins_in_the_background_hinders_nothing() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> int:
        background = asyncio.create_task(spin_for_ever(ctx))
        total = 0
        for n in range(8):
            total += await ctx.step(echo, n)
            await ctx.wait(SECOND)
        background.cancel()
        await asyncio.wait([background])
        return total

    ran = run_workflow(workflow)
    assert (ran.result, ran.invocations) == (28, 9), ran.error


def test_a_held_task_can_be_cancelled_beside_something_pending() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        ctx.wait(HOUR, name="not awaited")
        background = asyncio.create_task(spin_for_ever(ctx))
        for _ in range(1_900):  # the last turns before it would be held itself
            await asyncio.sleep(0)
        await asyncio.create_task(asyncio.sleep(0))
        for _ in range(3):
            await asyncio.gather(*(echo(n) for n in range(100)))
        background.cancel()
        await asyncio.wait([background])
        return "cancelled" if background.cancelled() else "not"

    ran = run_workflow(workflow)
    assert (ran.result, ran.invocations) == ("cancelled", 1), ran.error


def test_a_body_and_a_workflow_may_spin_at_once() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        async def body() -> str:
            for _ in range(5_000):
                await asyncio.sleep(0)
            return "done"

        handle = ctx.step(body)
        await spin_on_sleep(ctx, handle)
        return await handle

    assert run_workflow(workflow).result == "done"


@pytest.mark.parametrize("is_pending", [False, True])
def test_a_workflow_may_spin_until_a_thread_has_ended(is_pending: bool) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        if is_pending:
            ctx.wait(HOUR)
        working = asyncio.get_running_loop().run_in_executor(None, time.sleep, 0.05)
        await spin_on_sleep(ctx, working)
        return await ctx.step(echo, "done")

    ran = run_workflow(workflow)
    assert (ran.result, ran.invocations) == ("done", 1), ran.error


@pytest.mark.parametrize("mode", list(CheckpointingMode))
@pytest.mark.parametrize("delay", [None, HOUR])
def test_a_saga_in_a_cancelled_scope_of_anyio_is_undone(
    mode: CheckpointingMode, delay: Duration | None
) -> None:
    undone: list[int] = []

    async def undo(value: int) -> None:
        undone.append(value)
        if delay is not None and len(undone) < 2:
            raise ConnectionError("again")

    async def workflow(event: Any, ctx: DurableContext) -> str:
        config = StepConfig(retry_strategy=FixedDelay(delay=delay or SECOND, max_attempts=3))
        with anyio.CancelScope() as scope:
            async with ctx.saga() as saga:
                await saga.step(echo, 1, compensate=undo, compensation_config=config)
                scope.cancel()
                await ctx.wait(Duration.from_hours(2))
        return str(scope.cancelled_caught)

    rig = rig_of(workflow, options={"checkpointing": mode})
    ran = rig.drive(rig.start(), until=rig.clock.now() + 10_000_000)
    assert (ran.result, len(undone)) == ("True", 1 if delay is None else 2), ran.error


async def _gathered_by_many_ways(ctx: DurableContext) -> list[asyncio.Task[Any]]:
    """Make pairs of tasks, each of which gathers the pair below: as many ways down as 2 to the power of 60."""

    async def below(tasks: list[asyncio.Task[Any]]) -> None:
        if tasks:
            await asyncio.gather(*tasks)
        else:
            await ctx.wait(HOUR)

    tasks: list[asyncio.Task[Any]] = []
    for _ in range(60):
        tasks = [asyncio.create_task(below(tasks)) for _ in range(2)]
    return tasks


async def cancel_what_is_gathered_by_many_ways(event: Any, ctx: DurableContext) -> int:
    tasks = await _gathered_by_many_ways(ctx)
    await ctx.wait(SECOND)
    for task in tasks:
        task.cancel()
    return len(await asyncio.gather(*tasks, return_exceptions=True))


async def time_out_what_is_gathered_by_many_ways(event: Any, ctx: DurableContext) -> int:
    tasks = await _gathered_by_many_ways(ctx)
    with suppress(TimeoutError):
        async with asyncio.timeout(1):
            await asyncio.gather(*tasks)
    return len(tasks)


async def leave_what_is_gathered_by_many_ways(event: Any, ctx: DurableContext) -> int:
    tasks = await _gathered_by_many_ways(ctx)
    await ctx.wait(SECOND)
    return len(tasks)


@pytest.mark.parametrize(
    "workflow",
    [
        cancel_what_is_gathered_by_many_ways,
        time_out_what_is_gathered_by_many_ways,
        leave_what_is_gathered_by_many_ways,
    ],
)
def test_a_cancellation_goes_through_each_gathered_task_once(workflow: Any) -> None:
    assert run_workflow(workflow).result == 2


def test_code_that_spins_keeps_no_cpu_busy_while_a_body_runs() -> None:
    turns: list[int] = []

    async def workflow(event: Any, ctx: DurableContext) -> None:
        async def body() -> None:
            await asyncio.sleep(0.2)

        handle = ctx.step(body)
        count = 0
        while not handle.done():
            await asyncio.sleep(0)
            count += 1
        turns.append(count)

    run_workflow(workflow)
    run_workflow(workflow)
    assert turns[0] == turns[1] < 10_000


def test_a_crash_anywhere_does_no_harm_to_code_that_spins() -> None:
    report = check_crash_safety_sync(durable_execution(spins_and_waits), None)
    assert report.ok, report


def test_no_schedule_does_harm_to_code_that_spins() -> None:
    report = check_schedules_sync(durable_execution(spins_and_waits), None, seeds=range(5))
    assert report.ok, report


async def spins_and_waits(event: Any, ctx: DurableContext) -> list[Any]:
    seen: list[Any] = []

    async def beside(n: int) -> None:
        handle = ctx.step(echo, n)
        await spin_on_sleep(ctx, handle)
        seen.append(await ctx.step(echo, f"after {n}"))

    await asyncio.gather(*(beside(n) for n in range(2)), ctx.wait(SECOND))
    await spin_on_sleep(ctx, ctx.wait(SECOND))
    seen.append(await ctx.step(echo, "last"))
    return [seen[-1], sorted(map(str, seen))]


def test_a_patience_that_is_over_but_for_a_rounding_error_is_over() -> None:
    # The loop fires a timer that is so close at once. A clock that then has not moved made it spin.
    loop = environment().loop
    outside = Outside(WorkflowTasks(loop), loop, foreign_wait=30.0)
    with mock.patch.object(time, "monotonic", lambda: 1041.9999999999864):
        assert not outside._looks_again(1042.0)
        assert outside._looks_again(1042.5)
    outside.leave()

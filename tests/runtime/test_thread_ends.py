"""Calls in threads of workflow code: their ends have a place in the log, and no code is stuck in them for ever."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import io
import logging
import random
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import anyio
import anyio.to_thread
import pytest
from tests.replay.corpus import seconds
from tests.rig import Ran, Rig, run_workflow
from tests.runtime.test_threads import join_steps
from tests.sampling import rotated
from tests.virtual_time import Gate, virtual_time

from durable_execution_sdk import (
    CheckpointingMode,
    DurableContext,
    FixedDelay,
    MapConfig,
    NestingType,
    StepConfig,
    StepContext,
    durable_execution,
)
from durable_execution_sdk.testing import (
    LocalDurableTestRunner,
    check_crash_safety,
    check_replay,
)

Call = Callable[[Callable[[], Any]], Awaitable[Any]]


async def by_to_thread(call: Callable[[], Any]) -> Any:
    return await asyncio.to_thread(call)


async def by_anyio(call: Callable[[], Any]) -> Any:
    return await anyio.to_thread.run_sync(call)


async def by_wrap_future(call: Callable[[], Any]) -> Any:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return await asyncio.wrap_future(pool.submit(call))


async def by_a_thread(call: Callable[[], Any]) -> Any:
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    thread = threading.Thread(
        target=lambda: loop.call_soon_threadsafe(future.set_result, call()), name="library"
    )
    thread.start()
    try:
        return await future
    finally:
        thread.join()


WAYS = [by_to_thread, by_anyio, by_wrap_future, by_a_thread]


@pytest.mark.parametrize(("way", "mode"), rotated(WAYS, CheckpointingMode))
def test_replay_sees_the_end_of_a_thread_where_the_first_run_saw_it(
    way: Call, mode: CheckpointingMode
) -> None:
    """It is slow on replay where it was quick, and the other way round."""
    observed: list[list[str]] = []

    async def workflow(event: Any, ctx: DurableContext) -> list[str]:
        seen: list[str] = []
        observed.append(seen)
        chance = random.Random(len(observed))

        async def calls(label: str) -> None:
            pause = chance.random() / 50
            seen.append(await way(lambda: time.sleep(pause) or label))

        async def steps(label: str) -> None:
            for n in range(4):
                await ctx.step(time.sleep, 0.004)
                seen.append(f"{label} {n}")

        await asyncio.gather(calls("a"), steps("step"), calls("b"))
        await ctx.wait(seconds(1))
        await asyncio.gather(calls("c"), calls("d"))
        await ctx.wait(seconds(1))
        return seen

    for _ in range(3):
        observed.clear()
        ran = Rig(durable_execution(checkpointing=mode)(workflow)).run()
        assert ran.status == "SUCCEEDED", ran.error
        first, second, third = observed
        assert second[: len(first)] == first
        assert third == second == ran.result


def test_the_end_of_a_thread_costs_one_record() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        await asyncio.to_thread(int)
        await ctx.wait(seconds(1))

    ran = run_workflow(workflow)
    assert [each.event_type for each in ran.events if each.name == "asyncio thread"] == [
        "StepSucceeded"
    ]


def test_a_call_that_no_longer_ends_fails_the_execution_though_nothing_is_missed() -> None:
    """The log holds an end after which a step ended; now nothing brings the end, and no time limit tells."""
    runs: list[int] = []

    async def workflow(event: Any, ctx: DurableContext) -> None:
        runs.append(1)
        future = asyncio.get_running_loop().create_future()
        if len(runs) == 1:
            asyncio.get_running_loop().call_soon_threadsafe(future.set_result, None)
        await asyncio.wait([future, ctx.step(lambda: 1)])
        await ctx.wait(seconds(1))

    ran = Rig(durable_execution(foreign_wait=0.05)(workflow)).run()
    assert ran.error.error_type == "DeterminismError", ran.error
    assert "had ended here" in ran.error.error_message


@pytest.mark.parametrize("mode", list(CheckpointingMode))
@pytest.mark.parametrize("way", WAYS)
def test_a_call_that_runs_again_is_no_sign_of_a_crash(way: Call, mode: CheckpointingMode) -> None:
    """A suspended invocation has written the line after the call, so the next one does not."""
    lines = io.StringIO()
    logger = logging.getLogger(f"tests.threads.{way.__name__}.{mode.value}")
    logger.setLevel(logging.INFO)
    logger.addHandler(logging.StreamHandler(lines))

    async def flaky() -> None:
        if StepContext.current().attempt < 3:
            raise OSError

    async def workflow(event: Any, ctx: DurableContext) -> None:
        async def calls() -> None:
            await way(int)
            ctx.logger.info("the call has ended")

        retried = StepConfig(retry_strategy=FixedDelay(max_attempts=3, delay=seconds(2)))
        await asyncio.gather(calls(), ctx.step(flaky, config=retried))

    ran = Rig(durable_execution(checkpointing=mode, logger=logger)(workflow)).run()
    assert (ran.status, ran.invocations) == ("SUCCEEDED", 3)
    assert lines.getvalue() == "the call has ended\n"


def test_replay_does_not_wait_for_a_call_that_code_has_left(gate: Gate) -> None:
    """It ended while it was being left, so its end is recorded; now it hangs."""
    runs: list[int] = []

    async def workflow(event: Any, ctx: DurableContext) -> str:
        runs.append(1)
        loop = asyncio.get_running_loop()
        call: Any = loop.run_in_executor(None, int if len(runs) == 1 else gate.wait)
        step = ctx.step(lambda: "done")
        while len(runs) == 1 and call.end is None:
            await asyncio.sleep(0)
        call.cancel()
        result = await step
        await ctx.wait(seconds(1))
        return result

    ran = Rig(durable_execution(foreign_wait=0.05)(workflow), timeout=20).run()
    assert ran.result == "done", ran.error
    assert names_of_threads(ran) == ["asyncio thread"]


@pytest.mark.parametrize("nesting", list(NestingType))
def test_calls_in_contexts_that_have_ended_do_not_run_again(nesting: NestingType) -> None:
    calls: list[int] = []

    async def item(ctx: DurableContext, value: int, index: int) -> int:
        await asyncio.to_thread(calls.append, value)
        return await ctx.step(lambda: value)

    async def child(ctx: DurableContext) -> Any:
        await asyncio.to_thread(calls.append, 3)
        items = await ctx.map(range(3), item, config=MapConfig(nesting=nesting))
        await ctx.wait(seconds(1))
        return items.results()

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        results = await ctx.run_in_child_context(child)
        await ctx.wait(seconds(1))
        await ctx.step(lambda: 2)
        await ctx.wait(seconds(1))
        return results

    ran = Rig(durable_execution(foreign_wait=0.05)(workflow), timeout=20).run()
    assert ran.result == [0, 1, 2], ran.error
    # The child's function runs twice, those of the items once.
    assert sorted(calls) == [0, 1, 2, 3, 3]
    assert len(names_of_threads(ran)) == 4


def test_nothing_is_recorded_of_threads_that_steps_use() -> None:
    async def body() -> int:
        return await asyncio.to_thread(int) + await anyio.to_thread.run_sync(int)

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(body)
        await ctx.step(int)
        await ctx.wait(seconds(1))

    assert names_of_threads(run_workflow(workflow)) == []


def test_a_call_that_nothing_waits_for_does_not_hold_the_end(gate: Gate) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        asyncio.get_running_loop().run_in_executor(None, gate.wait)
        return await ctx.step(lambda: "done")

    ran = run_workflow(workflow)
    assert ran.result == "done"
    assert names_of_threads(ran) == []


async def all_that_threads_end_beside(event: Any, ctx: DurableContext) -> None:
    """Threads in a group with steps, in a generator, in a child context, and with timeouts."""

    async def numbers() -> AsyncIterator[int]:
        for n in range(3):
            yield await asyncio.to_thread(int, n)

    async def consume() -> None:
        assert [n async for n in numbers()] == [0, 1, 2]

    async def steps() -> None:
        for n in range(3):
            await ctx.step(int, n, name=f"step {n}")

    async def child(ctx: DurableContext) -> None:
        await asyncio.to_thread(int)
        await ctx.step(int, name="in the child")

    async def timed() -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.to_thread(time.sleep, 0.02), 0.01)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.01):
                await asyncio.shield(asyncio.to_thread(time.sleep, 0.02))
        await ctx.step(int, name="after the timeouts")

    await asyncio.gather(consume(), steps(), timed(), ctx.run_in_child_context(child))
    await ctx.wait(seconds(1))
    for each in asyncio.as_completed([asyncio.to_thread(int), ctx.step(int, name="last")]):
        await each


@pytest.mark.parametrize("mode", list(CheckpointingMode))
def test_checks_know_the_ends_of_threads(mode: CheckpointingMode) -> None:
    """A history may end while a call in a thread runs, and its rehearsal then ends at once."""
    handler = durable_execution(checkpointing=mode)(all_that_threads_end_beside)

    async def check() -> None:
        ran = await LocalDurableTestRunner(handler).run()
        assert await check_replay(handler, ran, timeout=20)
        report = await check_crash_safety(handler, max_points=8, same_log=False)
        assert report, report

    asyncio.run(check())


def names_of_threads(ran: Ran) -> list[str]:
    """Return the name of each recorded end of a call in a thread."""
    return [str(each.name) for each in ran.events if each.name == "asyncio thread"]


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A gate for threads that would not end otherwise."""
    gate = Gate()
    yield gate
    gate.set()
    join_steps()


def run_for_hours(workflow: Any, gate: Gate) -> Ran:
    with virtual_time() as clock:
        gate.clock = clock
        rig = Rig(durable_execution(workflow), timeout=20)
        return rig.drive(rig.start(), until=rig.clock.now() + 5 * 3_600_000)


def test_changed_code_that_waits_in_a_thread_is_told_in_the_end(gate: Gate) -> None:
    invocations: list[int] = []
    runs: list[str] = []

    async def workflow(event: Any, ctx: DurableContext) -> None:
        invocations.append(1)
        if len(invocations) == 1:
            await ctx.step(runs.append, "old", name="old")
            await ctx.wait(seconds(1))

        async def new() -> None:
            await ctx.step(runs.append, "new", name="new")

        await asyncio.gather(asyncio.to_thread(gate.wait), new())

    ran = run_for_hours(workflow, gate)
    assert (ran.status, ran.error.error_type) == ("FAILED", "DeterminismError")
    assert "that the code did not ask for" in ran.error.error_message
    assert "in each invocation of the last hour" in ran.error.error_message
    assert runs == ["old"]
    assert len(invocations) > 3


def test_code_that_never_ends_in_a_thread_is_told_in_the_end(gate: Gate) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        await asyncio.to_thread(gate.wait)

    ran = run_for_hours(workflow, gate)
    assert (ran.status, ran.error.error_type) == ("FAILED", "DeadlockError")
    assert "Put it into a step" in ran.error.error_message
    assert ran.invocations > 3


def test_a_slow_call_in_a_thread_does_not_fail_an_execution_that_goes_on(gate: Gate) -> None:
    invocations: list[int] = []

    async def workflow(event: Any, ctx: DurableContext) -> str:
        invocations.append(1)
        if len(invocations) == 6:
            gate.set()
        await asyncio.to_thread(gate.wait)
        return await ctx.step(lambda: "done")

    assert run_for_hours(workflow, gate).result == "done"

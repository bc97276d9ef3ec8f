"""Calls in threads of workflow code: their ends have a place in the log, and no code is stuck in them for ever."""

from __future__ import annotations

import asyncio
import concurrent.futures
import random
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import anyio
import anyio.to_thread
import pytest
from tests.replay.corpus import seconds
from tests.rig import Ran, Rig, run_workflow
from tests.runtime.test_threads import join_steps
from tests.virtual_time import Gate, virtual_time

from durable_execution_sdk import CheckpointingMode, DurableContext, durable_execution

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


@pytest.mark.parametrize("mode", list(CheckpointingMode))
@pytest.mark.parametrize("way", WAYS)
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

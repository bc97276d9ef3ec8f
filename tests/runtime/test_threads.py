"""Threads of plain functions: as many as the work needs, and none that delays the answer."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.replay.corpus import seconds
from tests.rig import Rig, rig_of, run_workflow
from tests.runtime.test_deadline import invoke
from tests.virtual_time import Gate, virtual_time

from durable_execution_sdk import (
    CompletionConfig,
    ConfigError,
    DurableContext,
    FixedDelay,
    NoRetry,
    ParallelConfig,
    StepConfig,
    StepContext,
    WaitDecision,
    WaitForConditionConfig,
    durable_execution,
)
from durable_execution_sdk.runtime.event_loop.threads import LEFT_RUNNING, ThreadPool, close_pools
from durable_execution_sdk.runtime.settings import DEFAULT_MAX_THREADS

SOON = 0.02
# The end of a thread takes real time, in which virtual time may use up any number of attempts.
OFTEN = FixedDelay(max_attempts=10_000)
LONGEST = 60.0
# What tasks take that have been killed.
A_TURN = 0.05


def join_steps() -> None:
    """Wait for all plain functions, also for disowned ones."""
    close_pools()
    for thread in threading.enumerate():
        if thread.name == "durable-step":
            thread.join()


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A gate for threads that would not end otherwise."""
    gate = Gate()
    yield gate
    gate.set()
    join_steps()
    assert not LEFT_RUNNING


def timed(gate: Gate, run: Callable[[], Any]) -> tuple[Any, float]:
    """Run in virtual time, which passes for threads that wait at the gate too."""
    with virtual_time() as clock:
        gate.clock = clock
        began = clock.now
        return run(), clock.now - began


# The number of threads.


def test_sixty_plain_steps_may_meet() -> None:
    barrier = threading.Barrier(60, timeout=30)

    async def workflow(event: Any, ctx: DurableContext) -> int:
        return len(await asyncio.gather(*(ctx.step(barrier.wait, name="meet") for _ in range(60))))

    assert run_workflow(workflow).result == 60


def test_the_default_is_documented() -> None:
    assert DEFAULT_MAX_THREADS >= 64
    assert f"{DEFAULT_MAX_THREADS} by default" in (durable_execution.__doc__ or "")


def test_max_threads_limits_the_functions_that_run_at_once() -> None:
    running: list[int] = []
    most: list[int] = []

    def work() -> None:
        running.append(1)
        most.append(len(running))
        time.sleep(0.001)
        running.pop()

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await asyncio.gather(*(ctx.step(work) for _ in range(20)))

    assert rig_of(workflow, options={"max_threads": 3}).run().status == "SUCCEEDED"
    assert max(most) <= 3
    assert len(most) == 20


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "8", True, None])
def test_max_threads_is_a_number(wrong: Any) -> None:
    with pytest.raises(ConfigError, match=r"max_threads=\.\.\.\) takes a number of threads"):
        durable_execution(max_threads=wrong)


def test_functions_that_need_more_threads_than_allowed_are_told_so(
    gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    meet = threading.Barrier(3)

    def meets() -> None:
        with gate.passing():
            meet.wait()

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await asyncio.gather(*(ctx.step(meets, name="meet") for _ in range(3)))

    def run() -> None:
        assert gate.clock is not None
        gate.clock.idles(1)  # the function that gets no thread
        outcome = invoke(workflow, milliseconds=300, margin=0.1, max_threads=2)
        assert outcome["Status"] == "PENDING"

    try:
        timed(gate, run)
    finally:
        meet.abort()
        join_steps()
    assert (
        "wait for one of the 2 threads that durable_execution(max_threads=...) allows: 1"
        in caplog.text
    )


@pytest.mark.parametrize("nested", [1, 2])
def test_functions_in_nested_maps_wait_for_one_another_up_to_the_maximum(nested: int) -> None:
    meet = threading.Barrier(6 * nested, timeout=LONGEST)

    async def inner(ctx: DurableContext, item: int, index: int) -> None:
        await ctx.step(meet.wait, name="meet")

    async def outer(ctx: DurableContext, item: int, index: int) -> None:
        await ctx.map(range(6), inner)

    async def workflow(event: Any, ctx: DurableContext) -> str:
        await ctx.map(range(nested), outer)
        return "met"

    ran = rig_of(workflow, options={"max_threads": 6 * nested}).run()
    assert ran.result == "met"


def test_invocations_with_other_maxima_have_pools_of_their_own() -> None:
    meet = threading.Barrier(4, timeout=LONGEST)

    async def workflow(event: Any, ctx: DurableContext) -> str:
        await asyncio.gather(*(ctx.step(meet.wait, name="meet") for _ in range(2)))
        return "met"

    results: list[str] = []

    def run(most: int) -> None:
        results.append(rig_of(workflow, options={"max_threads": most}).run().result)

    threads = [threading.Thread(target=run, args=[most]) for most in (2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == ["met", "met"]


def test_a_function_sees_the_context_variables_of_its_call_and_leaves_none_behind() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

    def look(value: str | None) -> str:
        found = variable.get()
        if value is not None:
            variable.set(value)
        return found

    async def workflow(event: Any, ctx: DurableContext) -> list[str]:
        variable.set("workflow")
        return [await ctx.step(look, "body"), await ctx.step(look, None), variable.get()]

    assert run_workflow(workflow).result == ["workflow"] * 3


def test_a_function_may_fork() -> None:
    def body() -> int:
        child = os.fork()
        if child == 0:
            ran = run_workflow(once)
            os._exit(7 if ran.result == "in the child" else 1)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    async def once(event: Any, ctx: DurableContext) -> str:
        return await ctx.step(lambda: "in the child")

    async def workflow(event: Any, ctx: DurableContext) -> int:
        return await ctx.step(body, config=StepConfig(retry_strategy=NoRetry()))

    assert run_workflow(workflow).result == 7


def test_invocations_share_their_threads() -> None:
    """Two invocations at the same time have no more threads than one may have."""
    running: list[int] = []
    most: list[int] = []

    def work() -> None:
        running.append(1)
        most.append(len(running))
        time.sleep(0.001)
        running.pop()

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await asyncio.gather(*(ctx.step(work) for _ in range(20)))

    def run() -> None:
        assert rig_of(workflow, options={"max_threads": 4}).run().status == "SUCCEEDED"

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 60
    assert max(most) <= 4


def test_warm_invocations_use_the_threads_of_earlier_ones() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> list[int]:
        meet = threading.Barrier(9, timeout=LONGEST)

        def ident() -> int:
            meet.wait()
            return threading.get_ident()

        return await asyncio.gather(*(ctx.step(ident, name="n") for _ in range(9)))

    close_pools()
    first, second = run_workflow(workflow).result, run_workflow(workflow).result
    assert set(first) == set(second)
    close_pools()
    assert not [each for each in threading.enumerate() if each.ident in set(first)]
    assert len(set(run_workflow(workflow).result)) == 9


def test_steps_in_sequence_need_one_thread() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> int:
        return len({await ctx.step(threading.get_ident, name="n") for _ in range(50)})

    close_pools()
    assert run_workflow(workflow).result == 1


def test_threads_end_with_the_process() -> None:
    script = """
import atexit, threading
def report():
    print([each.name for each in threading.enumerate() if each.name == "durable-step"])
atexit.register(report)
from tests.rig import run_workflow
async def workflow(event, ctx):
    return await ctx.step(lambda: "done")
print(run_workflow(workflow).result)
"""
    command = [sys.executable, "-c", script]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.split("\n")[:2] == ["done", "[]"]


def test_threads_of_the_pool_are_no_unknown_source_and_all_others_are() -> None:
    script = """
import threading
from durable_execution_sdk.runtime.event_loop.threads import InvocationThreads
from durable_execution_sdk.runtime.external_wakeups import Outside
def is_watching():
    return Outside(None, None, foreign_wait=0.0).is_watching
def walks():
    walked.append(1)
    return enumerate_all()
walked, enumerate_all = [], threading.enumerate
threading.enumerate = walks
pool = InvocationThreads(3)
meet = threading.Barrier(3, timeout=60)
for each in [pool.submit(meet.wait) for _ in range(3)]:
    each.result(60)
print(is_watching(), len(walked))
print(pool.submit(is_watching).result(60))
go = threading.Event()
threading.Thread(target=go.wait).start()
print(is_watching())
go.set()
"""
    command = [sys.executable, "-c", script]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    # Of the pool's own threads alone; in one of them, to which the main thread is unknown; beside another one.
    assert ran.stdout.split("\n")[:3] == ["False 0", "True", "True"]


def test_a_pool_has_a_thread_for_each_call_however_calls_and_ends_meet() -> None:
    """If a thread counted as idle while it gets a call, the next call would be left without a thread."""
    pool = ThreadPool(64)
    for _ in range(300):
        for each in [pool.submit(int) for _ in range(4)]:
            each.result(LONGEST)
        meet = threading.Barrier(8, timeout=LONGEST)
        for each in [pool.submit(meet.wait) for _ in range(8)]:
            each.result(LONGEST)
    pool.close()


def test_a_process_without_more_threads_makes_do_with_those_it_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool = ThreadPool(8)
    pool.submit(int).result(LONGEST)
    begun = threading.Event()

    def no_more(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", no_more)
    first = pool.submit(begun.wait)
    others = [pool.submit(int) for _ in range(3)]
    begun.set()
    assert [each.result(LONGEST) for each in (first, *others)] == [True, 0, 0, 0]
    pool.close()
    with pytest.raises(RuntimeError, match="can't start new thread"):
        pool.submit(int).result(LONGEST)


def test_a_disowned_thread_keeps_no_process_from_ending() -> None:
    script = """
import asyncio, threading
from tests.rig import run_workflow
async def workflow(event, ctx):
    ctx.step(threading.Event().wait, name="for ever")
    return "done"
print(run_workflow(workflow).result)
"""
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert ran.stdout == "done\n"


# Threads that do not end.


async def times_out(ctx: DurableContext, body: Any) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(SOON):
            await ctx.step(body, name="slow")


async def races(ctx: DurableContext, body: Any) -> None:
    await ctx.race(ctx.step(body, name="slow"), ctx.step(lambda: 1, name="quick"))


async def races_and_cancels(ctx: DurableContext, body: Any) -> None:
    slow, quick = ctx.step(body, name="slow"), ctx.step(lambda: 1, name="quick")
    await ctx.race(slow, quick, cancel_losers=True)


async def fails_in_a_group(ctx: DurableContext, body: Any) -> None:
    async def slow() -> None:
        await ctx.step(body, name="slow")

    async def fails() -> None:
        raise LookupError

    with pytest.raises(ExceptionGroup):
        async with asyncio.TaskGroup() as group:
            group.create_task(slow())
            group.create_task(fails())


async def first_successful(ctx: DurableContext, body: Any) -> None:
    async def slow(inner: DurableContext) -> None:
        await inner.step(body, name="slow")

    async def quick(inner: DurableContext) -> None:
        await inner.step(lambda: 1, name="quick")

    config = ParallelConfig(completion=CompletionConfig.first_successful())
    await ctx.parallel([slow, quick], config=config)


async def is_not_awaited(ctx: DurableContext, body: Any) -> None:
    ctx.step(body, name="slow")
    await ctx.step(lambda: 1, name="quick")


WAYS = [
    times_out,
    races,
    races_and_cancels,
    fails_in_a_group,
    first_successful,
    is_not_awaited,
]


def bodies(gate: Gate) -> dict[str, Any]:
    async def in_a_thread() -> None:
        await asyncio.to_thread(gate.wait)

    async def ignores_it() -> None:
        while not gate.is_set():
            try:
                await asyncio.sleep(0.005)
            except asyncio.CancelledError:
                pass

    return {"plain": gate.wait, "to_thread": in_a_thread, "ignores": ignores_it}


@pytest.mark.parametrize("kind", ["plain", "to_thread", "ignores"])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_the_answer_leaves_before_the_margin_whatever_still_runs(
    way: Any, kind: str, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        await way(ctx, bodies(gate)[kind])
        return "done"

    answer, took = timed(gate, lambda: invoke(workflow, milliseconds=800, margin=0.3))
    assert answer["Result"] == '"done"'
    assert took < 0.8 - 0.3 + A_TURN
    assert "'slow'" in caplog.text


@pytest.mark.parametrize("kind", ["plain", "to_thread", "ignores"])
@pytest.mark.parametrize("way", [times_out, races_and_cancels, fails_in_a_group])
def test_what_was_given_up_holds_no_invocation_open(way: Any, kind: str, gate: Gate) -> None:
    runs: list[int] = []

    async def workflow(event: Any, ctx: DurableContext) -> str:
        body = bodies(gate)[kind]

        async def counted() -> None:
            runs.append(1)
            await body()

        def plain() -> None:
            runs.append(1)
            body()

        await way(ctx, plain if kind == "plain" else counted)
        await ctx.wait(seconds(86_400))
        return "done"

    ran, took = timed(gate, lambda: Rig(durable_execution(workflow), timeout=2).run())
    assert (ran.result, ran.invocations, runs) == ("done", 2, [1])
    assert took < 5


def test_a_body_at_the_deadline_does_not_hold_up_the_answer(gate: Gate) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(gate.wait, name="slow")

    def run() -> None:
        assert invoke(workflow, milliseconds=600, margin=0.3)["Status"] == "PENDING"

    _, took = timed(gate, run)
    assert took < 0.6


def test_no_later_attempt_starts_while_an_earlier_one_lives(
    gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    runs: list[bool] = []

    def body() -> str:
        runs.append(gate.is_set())
        gate.wait()
        return "came"

    invocations: list[int] = []

    async def workflow(event: Any, ctx: DurableContext) -> str:
        invocations.append(1)
        if len(invocations) == 3:
            gate.set()
        return await ctx.step(body, name="slow")

    rig = Rig(durable_execution(deadline_margin=0.05, default_retry=OFTEN)(workflow), timeout=0.15)
    ran, _ = timed(gate, rig.run)
    assert ran.result == "came"
    assert ran.invocations > 2
    # The second one began when the first had ended.
    assert runs == [False, True]
    assert "step 'slow'" in caplog.text
    assert "which an earlier invocation gave up, still runs" in caplog.text


async def steps(ctx: DurableContext, body: Callable[[], str]) -> str:
    return await ctx.step(body, name="slow")


async def polls(ctx: DurableContext, body: Callable[[], str]) -> str:
    def check(_state: str) -> str:
        return body()

    config = WaitForConditionConfig(
        initial_state="", wait_strategy=lambda _state, _attempt: WaitDecision.stop()
    )
    return await ctx.wait_for_condition(check, config=config, name="slow")


@pytest.mark.parametrize("operation", [steps, polls])
def test_the_end_of_an_earlier_attempt_has_no_place_in_the_log(operation: Any, gate: Gate) -> None:
    def body() -> str:
        gate.wait()
        return "came"

    invocations: list[int] = []

    async def workflow(event: Any, ctx: DurableContext) -> str:
        invocations.append(1)
        if len(invocations) == 3:
            gate.set()
        text: str = await operation(ctx, body)
        # What is replayed after this has no thread to wait for.
        await ctx.wait(seconds(60))
        return text

    rig = Rig(durable_execution(deadline_margin=0.05, default_retry=OFTEN)(workflow), timeout=0.15)
    ran, _ = timed(gate, rig.run)
    assert ran.result == "came", ran
    assert ran.invocations > 3
    assert "asyncio thread" not in {event.name for event in ran.events}


def test_each_later_invocation_names_the_step(gate: Gate, caplog: pytest.LogCaptureFixture) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        await times_out(ctx, gate.wait)
        return "done"

    async def another(event: Any, ctx: DurableContext) -> str:
        return "another"

    assert run_workflow(workflow).result == "done"
    for _ in range(2):
        caplog.clear()
        assert run_workflow(another).result == "another"
        assert caplog.text.count("the thread of step 'slow'") == 1
    gate.set()
    join_steps()
    caplog.clear()
    assert run_workflow(another).result == "another"
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


def test_a_disowned_thread_makes_room_for_another(gate: Gate) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        for _ in range(3):
            await times_out(ctx, gate.wait)
        return "done"

    async def another(event: Any, ctx: DurableContext) -> str:
        return await ctx.step(lambda: "another")

    assert rig_of(workflow, options={"max_threads": 3}).run().result == "done"
    assert rig_of(another, options={"max_threads": 3}).run().result == "another"


def test_a_thread_that_looks_at_is_cancelled_ends() -> None:
    seen: list[str] = []

    def body() -> None:
        context = StepContext.current()
        while not context.is_cancelled:
            time.sleep(0.001)
        seen.append("ended")

    async def workflow(event: Any, ctx: DurableContext) -> str:
        await times_out(ctx, body)
        ctx.step(body, name="at the end")
        await ctx.step(lambda: 1)
        return "done"

    ran = run_workflow(workflow)
    assert (ran.result, seen) == ("done", ["ended"] * 2)
    assert not LEFT_RUNNING


def test_a_disowned_thread_records_nothing(gate: Gate) -> None:
    ended = threading.Event()

    def body() -> str:
        gate.wait()
        ended.set()
        return "too late"

    async def workflow(event: Any, ctx: DurableContext) -> str:
        await times_out(ctx, body)
        await ctx.wait(seconds(60))
        gate.set()
        ended.wait(LONGEST)
        await ctx.wait(seconds(60))
        return "done"

    ran = run_workflow(workflow)
    assert ran.result == "done"
    of_step = [event.event_type for event in ran.events if event.name == "slow"]
    assert of_step == ["StepStarted", "StepFailed"]


def test_what_has_not_begun_when_it_is_given_up_never_does(gate: Gate) -> None:
    runs: list[int] = []

    async def workflow(event: Any, ctx: DurableContext) -> str:
        first = ctx.step(gate.wait, name="first")
        await times_out(ctx, lambda: runs.append(1))
        gate.set()
        await first
        await ctx.step(lambda: 1)
        return "done"

    assert rig_of(workflow, options={"max_threads": 1}).run().result == "done"
    assert runs == []


def test_a_step_that_fails_in_a_thread_is_tried_again() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        def body() -> str:
            if StepContext.current().attempt < 3:
                raise ConnectionError
            return threading.current_thread().name

        retry = FixedDelay(delay=seconds(1), max_attempts=3)
        return await ctx.step(body, config=StepConfig(retry_strategy=retry))

    assert run_workflow(workflow).result == "durable-step"


def test_an_exit_in_a_thread_ends_the_process() -> None:
    def body() -> None:
        raise SystemExit(3)

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(body, config=StepConfig(retry_strategy=NoRetry()))

    with pytest.raises(SystemExit):
        invoke(workflow, milliseconds=5_000)

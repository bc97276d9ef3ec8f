"""A process that has threads of other libraries: workflow code waits for them only where they may wake it."""

from __future__ import annotations

import asyncio
import gc
import math
import threading
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import pytest
from tests.generated.clock import VirtualClock
from tests.replay.corpus import seconds
from tests.rig import run_workflow
from tests.sampling import rotated, thinned
from tests.virtual_time import foreign_thread, virtual_time

from durable_execution_sdk import CheckpointingMode, DurableContext
from durable_execution_sdk.runtime import external_wakeups

# Of the 30 seconds for what is not known.
AT_ONCE = 1.0


@pytest.fixture
def clock() -> Iterator[VirtualClock]:
    """Virtual time, in a process that has a thread of a library."""
    with foreign_thread(), virtual_time() as clock:
        yield clock


def in_a_task(coroutine: Any) -> asyncio.Task[Any]:
    return asyncio.create_task(coroutine)


async def sleep(ctx: DurableContext) -> None:
    await asyncio.sleep(3600)


async def sleep_in_anyio(ctx: DurableContext) -> None:
    await anyio.sleep(3600)


async def timeout(ctx: DurableContext) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(100):
            await asyncio.sleep(math.inf)


async def timeout_of_an_operation(ctx: DurableContext) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(100):
            await ctx.wait(seconds(3600))


async def anyio_timeout(ctx: DurableContext) -> None:
    with anyio.move_on_after(100):
        await anyio.sleep_forever()


async def wait_for(ctx: DurableContext) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.sleep(7200), 3600)


async def wait_for_a_condition(ctx: DurableContext) -> None:
    condition = asyncio.Condition()
    async with condition:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(condition.wait(), 3600)


async def wait_for_what_cleans_up(ctx: DurableContext) -> None:
    async def cleans_up() -> None:
        try:
            await asyncio.sleep(math.inf)
        finally:
            await ctx.wait(seconds(3600))

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(cleans_up(), 100)


async def wait(ctx: DurableContext) -> None:
    await asyncio.wait([in_a_task(asyncio.sleep(3600))], timeout=7200)


async def wait_that_times_out(ctx: DurableContext) -> None:
    await asyncio.wait([in_a_task(asyncio.sleep(3600)), ctx.wait(seconds(7200))], timeout=100)


async def call_later(ctx: DurableContext) -> None:
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    loop.call_later(3600, future.set_result, None)
    await future


async def gather_of_a_call_later(ctx: DurableContext) -> None:
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    loop.call_at(loop.time() + 3600, future.set_result, None)
    await asyncio.gather(ctx.wait(seconds(60)), asyncio.shield(future))


async def gather(ctx: DurableContext) -> None:
    await asyncio.gather(ctx.wait(seconds(100)), asyncio.sleep(3600), asyncio.sleep(50))


async def shield(ctx: DurableContext) -> None:
    await asyncio.shield(asyncio.sleep(3600))


async def shield_of_an_operation(ctx: DurableContext) -> None:
    await asyncio.shield(asyncio.gather(ctx.wait(seconds(60)), ctx.wait(seconds(90))))


async def as_completed(ctx: DurableContext) -> None:
    for each in asyncio.as_completed([asyncio.sleep(50), ctx.wait(seconds(3600))], timeout=7200):
        await each


async def task_group(ctx: DurableContext) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.sleep(3600))


async def anyio_task_group(ctx: DurableContext) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, 3600)


async def anyio_start(ctx: DurableContext) -> None:
    async def starts(*, task_status: Any) -> None:
        await ctx.wait(seconds(3600))
        task_status.started()

    async with anyio.create_task_group() as group:
        await group.start(starts)


async def set_by_a_task(ctx: DurableContext, wait: Any, wake: Any) -> None:
    async def sets() -> None:
        await ctx.wait(seconds(3600))
        result = wake()
        if asyncio.iscoroutine(result):
            await result

    task = in_a_task(sets())
    await wait()
    await task


async def event(ctx: DurableContext) -> None:
    event = asyncio.Event()
    await set_by_a_task(ctx, event.wait, event.set)


async def anyio_event(ctx: DurableContext) -> None:
    event = anyio.Event()
    await set_by_a_task(ctx, event.wait, event.set)


async def queue(ctx: DurableContext) -> None:
    queue: asyncio.Queue[int] = asyncio.Queue()
    await set_by_a_task(ctx, queue.get, lambda: queue.put_nowait(1))


async def queue_with_a_timeout(ctx: DurableContext) -> None:
    queue: asyncio.Queue[int] = asyncio.Queue()
    await set_by_a_task(
        ctx, lambda: asyncio.wait_for(queue.get(), 7200), lambda: queue.put_nowait(1)
    )


async def full_queue(ctx: DurableContext) -> None:
    queue: asyncio.Queue[int] = asyncio.Queue(1)
    queue.put_nowait(1)
    await set_by_a_task(ctx, lambda: queue.put(2), queue.get_nowait)


async def lock(ctx: DurableContext) -> None:
    lock = asyncio.Lock()
    await lock.acquire()
    await set_by_a_task(ctx, lock.acquire, lock.release)


async def anyio_lock(ctx: DurableContext) -> None:
    lock = anyio.Lock()

    async def holds() -> None:
        async with lock:
            await ctx.wait(seconds(3600))

    task = in_a_task(holds())
    await asyncio.sleep(0)
    async with lock:
        await task


async def anyio_semaphore(ctx: DurableContext) -> None:
    semaphore = anyio.Semaphore(1)
    semaphore.acquire_nowait()
    await set_by_a_task(ctx, semaphore.acquire, semaphore.release)


async def anyio_stream(ctx: DurableContext) -> None:
    send, receive = anyio.create_memory_object_stream[int]()
    async with send, receive:
        await set_by_a_task(ctx, receive.receive, lambda: send.send(1))


async def barrier(ctx: DurableContext) -> None:
    barrier = asyncio.Barrier(2)
    await set_by_a_task(ctx, barrier.wait, barrier.wait)


async def race(ctx: DurableContext) -> None:
    await ctx.race(ctx.wait(seconds(60)), ctx.wait(seconds(3600)))


async def child_that_sleeps(ctx: DurableContext) -> None:
    async def sleeps(inner: DurableContext) -> None:
        await asyncio.sleep(3600)

    await ctx.run_in_child_context(sleeps)


WAITS = [
    sleep,
    sleep_in_anyio,
    timeout,
    timeout_of_an_operation,
    anyio_timeout,
    wait_for,
    wait_for_a_condition,
    wait_for_what_cleans_up,
    wait,
    wait_that_times_out,
    call_later,
    gather_of_a_call_later,
    gather,
    shield,
    shield_of_an_operation,
    as_completed,
    task_group,
    anyio_task_group,
    anyio_start,
    event,
    anyio_event,
    queue,
    queue_with_a_timeout,
    full_queue,
    lock,
    anyio_lock,
    anyio_semaphore,
    anyio_stream,
    barrier,
    race,
    child_that_sleeps,
]


@pytest.mark.parametrize("waits", WAITS, ids=lambda waits: waits.__name__)
def test_what_the_workflow_itself_completes_is_not_waited_for(
    waits: Any, clock: VirtualClock
) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        await waits(ctx)
        return "done"

    began = clock.now
    ran = run_workflow(workflow)
    assert ran.result == "done", ran.error
    assert ran.invocations > 1
    assert clock.now - began < AT_ONCE


async def in_wait(future: Any) -> None:
    await asyncio.wait([future], timeout=600)
    future.result()


async def in_a_timeout(future: Any) -> None:
    async with asyncio.timeout(600):
        await future


async def with_a_timer_of_its_own(future: Any) -> None:
    timer = asyncio.get_running_loop().call_later(600, future.set_exception, TimeoutError())
    await future
    timer.cancel()


async def with_a_timer_given_up(future: Any) -> None:
    timer = asyncio.get_running_loop().call_later(600, future.set_result, "too late")
    timer.cancel()
    await future


@pytest.mark.parametrize(
    "waits",
    [
        in_wait,
        in_a_timeout,
        with_a_timer_of_its_own,
        with_a_timer_given_up,
        lambda future: asyncio.wait_for(future, 600),
        lambda future: asyncio.gather(future, asyncio.sleep(0.01)),
        lambda future: asyncio.shield(future),
    ],
    ids=["wait", "timeout", "timer", "no timer", "wait_for", "gather", "shield"],
)
def test_what_a_thread_may_complete_is_waited_for_though_there_is_a_timeout(
    waits: Any, clock: VirtualClock
) -> None:
    """Suspended at once, it would only ever time out: the next invocation asks the thread anew."""

    async def workflow(event: Any, ctx: DurableContext) -> str:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        # As a thread would, in its time; a timer of the process stands for it.
        asyncio.BaseEventLoop.call_at(
            loop, clock.now + 5, lambda: future.done() or future.set_result("came")
        )
        await waits(future)
        return str(future.result())

    ran = run_workflow(workflow)
    assert ran.result == "came", ran.error
    assert clock.now - 1000 < 30


WAITS: dict[str, Any] = {
    "wait": lambda ctx: ctx.wait(seconds(20_000)),
    "sleep": lambda ctx: asyncio.sleep(20_000),
    "wait_for": lambda ctx: asyncio.wait_for(ctx.wait(seconds(30_000)), 20_000),
    "asyncio.wait": lambda ctx: asyncio.wait([ctx.wait(seconds(20_000))]),
    "gather": lambda ctx: asyncio.gather(ctx.wait(seconds(20_000)), asyncio.sleep(10)),
    "shield": lambda ctx: asyncio.shield(ctx.wait(seconds(20_000))),
    "race": lambda ctx: ctx.race(ctx.wait(seconds(20_000)), ctx.wait(seconds(30_000))),
    "event": lambda ctx: asyncio.Event().wait(),
    "queue": lambda ctx: asyncio.Queue().get(),
    "anyio": lambda ctx: anyio.sleep(20_000),
    "future": lambda ctx: asyncio.get_running_loop().create_future(),
}


@pytest.mark.parametrize(("waits", "where"), thinned(rotated(WAITS, ["task", "child"])))
def test_what_swallows_its_cancellation_takes_rounds_and_no_time(
    waits: str, where: str, clock: VirtualClock
) -> None:
    is_over = False  # or the coroutine would swallow the end of the interpreter, too

    async def background(ctx: DurableContext) -> None:
        while not is_over:
            try:
                await WAITS[waits](ctx)
            except:  # noqa: E722
                pass

    async def workflow(event: Any, ctx: DurableContext) -> str:
        if where == "task":
            running: Any = asyncio.create_task(background(ctx))
        else:
            running = ctx.run_in_child_context(background)
        await ctx.wait(seconds(50_000))
        return str(running.done())

    began = clock.now
    ran = run_workflow(workflow)
    assert ran.result == "False", ran.error
    # What nothing is known of is waited for before each suspension, and only then.
    waited = 30 * (ran.invocations - 1) if waits == "future" else 0
    assert clock.now - began - waited < AT_ONCE
    is_over = True
    gc.collect()


def test_clean_up_that_waits_for_a_thread_gets_its_time(clock: VirtualClock) -> None:
    seen: list[str] = []

    async def background() -> None:
        loop = asyncio.get_running_loop()
        try:
            await asyncio.sleep(20_000)
        finally:
            for n in range(3):
                future = loop.create_future()
                asyncio.BaseEventLoop.call_at(
                    loop, clock.now + 0.5, lambda each=future: each.set_result(None)
                )
                await future
                seen.append(f"closed {n}")

    async def workflow(event: Any, ctx: DurableContext) -> str:
        running = asyncio.create_task(background())
        await ctx.wait(seconds(10_000))
        return str(running.done())

    assert run_workflow(workflow).result == "False"
    assert seen == [f"closed {n}" for n in range(3)] * 2


# A thread that is no executor's schedules a callback after the loop was found idle, and ends before it is looked for.


Begin = Callable[[Callable[[], object]], None]


@pytest.fixture
def begin(monkeypatch: pytest.MonkeyPatch) -> Iterator[Begin]:
    """Yield a function that gives the loop a callback from a thread, which ends as the SDK looks for such threads."""
    may_end: list[tuple[threading.Event, threading.Thread]] = []
    look = external_wakeups._has_foreign_threads

    def end_and_look() -> bool:
        while may_end:
            event, thread = may_end.pop()
            event.set()
            thread.join()
        return look()

    def begin(callback: Callable[[], object]) -> None:
        loop, event = asyncio.get_running_loop(), threading.Event()

        def call() -> None:
            event.wait()
            loop.call_soon_threadsafe(callback)

        thread = threading.Thread(target=call, name="library")
        may_end.append((event, thread))
        thread.start()

    monkeypatch.setattr(external_wakeups, "_has_foreign_threads", end_and_look)
    yield begin
    assert not may_end


async def one() -> int:
    return 1


@pytest.mark.parametrize("mode", CheckpointingMode)
@pytest.mark.parametrize("what", ["a future", "an event"])
def test_a_thread_that_ends_as_it_is_looked_for_has_brought_its_callback(
    what: str, mode: CheckpointingMode, begin: Begin
) -> None:
    """The log holds an operation that the code asks for after the callback, and one that ended after that."""
    observed: list[list[str]] = []

    async def workflow(event: Any, ctx: DurableContext) -> list[str]:
        seen: list[str] = []
        observed.append(seen)

        async def calls() -> None:
            future, event = asyncio.get_running_loop().create_future(), asyncio.Event()
            begin(event.set if what == "an event" else lambda: future.set_result(None))
            await (event.wait() if what == "an event" else future)
            seen.append("called")
            await ctx.step(one)
            seen.append("stepped")

        async def waits() -> None:
            for n in range(2):
                await ctx.wait(seconds(1))
                seen.append(f"waited {n}")

        await asyncio.gather(calls(), waits())
        await ctx.wait(seconds(1))
        return seen

    ran = run_workflow(workflow, options={"checkpointing": mode})
    assert ran.status == "SUCCEEDED", ran.error
    assert len(observed) == ran.invocations > 2
    assert sorted(ran.result) == ["called", "stepped", "waited 0", "waited 1"]
    for seen in observed:
        assert seen == ran.result[: len(seen)]


def test_a_thread_that_ends_as_it_is_looked_for_is_no_reason_for_a_deadlock(begin: Begin) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        called = asyncio.Event()
        begin(called.set)
        await called.wait()
        return "called"

    ran = run_workflow(workflow)
    assert ran.result == "called", ran.error


@pytest.mark.parametrize("what", ["a future", "an event"])
def test_a_thread_that_ends_as_it_is_looked_for_leads_to_what_the_gate_misses(
    what: str, begin: Begin
) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        future, called = asyncio.get_running_loop().create_future(), asyncio.Event()
        begin(called.set if what == "an event" else lambda: future.set_result(None))
        await (called.wait() if what == "an event" else future)
        await ctx.step(one)
        await ctx.wait(seconds(1))
        return "done"

    ran = run_workflow(workflow)
    assert (ran.result, ran.invocations) == ("done", 2), ran.error


def test_what_a_thread_decides_is_seen_before_what_ended_later() -> None:
    """On replay the race is asked for and ends once the thread does; the step, whose end is due, is recorded later."""
    invocations: list[list[str]] = []

    async def workflow(event: Any, ctx: DurableContext) -> None:
        seen: list[str] = []
        invocations.append(seen)
        loop, is_replay = asyncio.get_running_loop(), len(invocations) > 1
        race_seen, step_seen = asyncio.Event(), threading.Event()
        decided: asyncio.Future[None] = (
            asyncio.Future()
        )  # the end of one that the loop makes would be recorded

        def decide() -> None:
            if is_replay:
                step_seen.wait(0.3)  # long enough for the step to be seen first, if it may
            loop.call_soon_threadsafe(decided.set_result, None)

        async def decision() -> None:
            await decided

        async def race() -> None:
            await ctx.race(asyncio.create_task(decision()), ctx.wait(seconds(3600)))
            seen.append("race")
            race_seen.set()

        async def step() -> None:
            await ctx.step(race_seen.wait)
            seen.append("step")
            step_seen.set()

        threading.Thread(target=decide).start()
        pause = ctx.wait(
            seconds(1)
        )  # asked for at the start, so that replay soon has asked for all
        await asyncio.gather(race(), step())
        await pause

    run_workflow(workflow)
    assert invocations == [["race", "step"]] * 2


def test_what_a_thread_lets_a_context_return_is_seen_before_what_ended_later() -> None:
    """A result that is too large to record is computed again: on replay it is there only once the thread ends."""
    invocations: list[list[str]] = []

    async def workflow(event: Any, ctx: DurableContext) -> None:
        seen: list[str] = []
        invocations.append(seen)
        loop, is_replay = asyncio.get_running_loop(), len(invocations) > 1
        context_seen, step_seen = asyncio.Event(), threading.Event()
        decided: asyncio.Future[None] = asyncio.Future()

        def decide() -> None:
            if is_replay:
                step_seen.wait(0.3)  # long enough for the step to be seen first, if it may
            loop.call_soon_threadsafe(decided.set_result, None)

        async def large(_: DurableContext) -> str:
            await decided
            return "x" * 300_000

        async def context() -> None:
            await ctx.run_in_child_context(large)
            seen.append("context")
            context_seen.set()

        async def step() -> None:
            await ctx.step(context_seen.wait)
            seen.append("step")
            step_seen.set()

        threading.Thread(target=decide).start()
        pause = ctx.wait(seconds(1))
        await asyncio.gather(context(), step())
        await pause

    run_workflow(workflow)
    assert invocations == [["context", "step"]] * 2

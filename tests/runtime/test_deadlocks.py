"""Deadlocks: reported at once if nothing outside can wake a task, and after a time if something may."""

from __future__ import annotations

import asyncio
import concurrent.futures
import queue
import re
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from unittest import mock

import anyio
import anyio.to_thread
import pytest
from tests.rig import Ran, rig_of, run_workflow
from tests.virtual_time import virtual_time

from durable_execution_sdk import ConfigError, DurableContext, Duration, durable_execution
from durable_execution_sdk.runtime.tasks import WorkflowTask

SECOND = Duration.from_seconds(1)
HERE = Path(__file__).relative_to(Path.cwd())
LINE = "# here"
PAUSE = 0.03


async def echo(value: Any) -> Any:
    return value


# Work that something outside the workflow completes.


class Connection:
    """A database client that has a thread and a queue, as aiosqlite has."""

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="connection")
        self._thread.start()

    def _run(self) -> None:
        while (job := self._work.get()) is not None:
            future, function = job
            time.sleep(PAUSE)
            future.get_loop().call_soon_threadsafe(future.set_result, function())

    async def execute(self, function: Callable[[], Any]) -> Any:
        future = asyncio.get_running_loop().create_future()
        self._work.put((future, function))
        return await future

    def close(self) -> None:
        self._work.put(None)
        self._thread.join()


async def in_a_thread_of_anyio() -> None:
    await anyio.to_thread.run_sync(time.sleep, PAUSE)


async def in_a_connection() -> None:
    connection = Connection()
    try:
        assert await connection.execute(lambda: 1) == 1
        assert await connection.execute(lambda: 2) == 2
    finally:
        connection.close()


async def in_a_concurrent_future() -> None:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        await asyncio.wrap_future(pool.submit(time.sleep, PAUSE))


async def in_a_pool_of_several() -> None:
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        work = [asyncio.wrap_future(pool.submit(time.sleep, PAUSE)) for _ in range(2)]
        await asyncio.gather(*work)
        await asyncio.wait([asyncio.wrap_future(pool.submit(time.sleep, PAUSE))])
        await asyncio.shield(asyncio.wrap_future(pool.submit(time.sleep, PAUSE)))


async def in_a_thread_that_sets_an_event() -> None:
    event, loop = asyncio.Event(), asyncio.get_running_loop()
    thread = threading.Timer(PAUSE, lambda: loop.call_soon_threadsafe(event.set))
    thread.start()
    await event.wait()
    thread.join()


async def in_a_thread_that_fills_a_queue() -> None:
    items: asyncio.Queue[int] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    thread = threading.Timer(PAUSE, lambda: loop.call_soon_threadsafe(items.put_nowait, 1))
    thread.start()
    assert await items.get() == 1
    thread.join()


async def in_a_coroutine_that_a_thread_starts() -> None:
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    async def outside() -> None:
        done.set()

    thread = threading.Timer(
        PAUSE, lambda: asyncio.run_coroutine_threadsafe(outside(), loop).result(5)
    )
    thread.start()
    await done.wait()
    await asyncio.to_thread(thread.join)


async def in_a_subprocess() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", f"import time; time.sleep({PAUSE})"
    )
    assert await process.wait() == 0


async def in_a_subprocess_with_output() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "print('hello')", stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert output == b"hello\n"


OUTSIDE = [
    in_a_thread_of_anyio,
    in_a_connection,
    in_a_concurrent_future,
    in_a_pool_of_several,
    in_a_thread_that_sets_an_event,
    in_a_thread_that_fills_a_queue,
    in_a_coroutine_that_a_thread_starts,
    in_a_subprocess,
    in_a_subprocess_with_output,
]
FUTURES = [
    each
    for each in OUTSIDE
    if each
    not in (
        in_a_thread_that_sets_an_event,
        in_a_thread_that_fills_a_queue,
        in_a_coroutine_that_a_thread_starts,
    )
]


@pytest.mark.parametrize("work", OUTSIDE)
def test_a_wake_up_from_outside_is_waited_for(work: Any) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        await work()
        done = await ctx.step(echo, "done")
        await ctx.wait(SECOND)
        return done

    ran = run_workflow(workflow)
    assert (ran.result, ran.invocations) == ("done", 2), ran.error


@pytest.mark.parametrize("work", FUTURES)
def test_a_wake_up_from_outside_is_waited_for_beside_a_wait(work: Any) -> None:
    observed: list[list[str]] = []

    async def workflow(event: Any, ctx: DurableContext) -> None:
        seen: list[str] = []
        observed.append(seen)

        async def beside() -> None:
            await work()
            seen.append(await ctx.step(echo, "outside"))

        async def waits() -> None:
            await ctx.wait(SECOND)
            seen.append("waited")

        await asyncio.gather(beside(), waits())
        await ctx.wait(SECOND)

    ran = run_workflow(workflow)
    assert ran.status == "SUCCEEDED", ran.error
    assert observed == [["outside"], ["outside", "waited"], ["outside", "waited"]]


@pytest.mark.parametrize("work", FUTURES)
def test_clean_up_may_wait_for_a_wake_up_from_outside(work: Any) -> None:
    cleaned: list[int] = []

    async def workflow(event: Any, ctx: DurableContext) -> None:
        try:
            await ctx.wait(SECOND)
        finally:
            await work()
            cleaned.append(1)

    ran = run_workflow(workflow)
    assert (ran.status, len(cleaned)) == ("SUCCEEDED", 2), ran.error


@pytest.fixture
def a_thread() -> Any:
    """Run an unknown thread in the process, which does nothing."""
    over = threading.Event()
    thread = threading.Thread(target=over.wait, name="another one's")
    thread.start()
    yield
    over.set()
    thread.join()


@pytest.mark.usefixtures("a_thread")
@pytest.mark.parametrize("kind", ["event", "future", "concurrent future"])
def test_a_wait_for_a_thread_that_never_wakes_it_is_a_deadlock_in_the_end(kind: str) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(echo, 1)
        if kind == "event":
            await asyncio.Event().wait()
        elif kind == "future":
            await asyncio.get_running_loop().create_future()
        else:
            await asyncio.wrap_future(concurrent.futures.Future())

    began = time.monotonic()
    ran = rig_of(workflow, options={"foreign_wait": 0.1}).run()
    assert time.monotonic() - began >= 0.1
    assert (ran.error.error_type, ran.invocations) == ("DeadlockError", 1)
    assert re.search(r"Nothing woke a task in 0\.\d s", ran.error.error_message)
    assert "a thread" in ran.error.error_message
    assert "step" in ran.error.error_message


@pytest.mark.usefixtures("a_thread")
@pytest.mark.parametrize(
    ("kind", "least"), [("event", 0), ("future", 0.1), ("concurrent future", 0.1)]
)
def test_a_wake_up_that_never_comes_delays_a_suspension_for_a_limited_time(
    kind: str, least: float
) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        if kind == "event":
            waits: Any = asyncio.Event().wait()
        elif kind == "future":
            waits = asyncio.get_running_loop().create_future()
        else:
            waits = asyncio.wrap_future(concurrent.futures.Future())

        async def beside() -> None:
            await waits

        task = asyncio.create_task(beside())
        await ctx.wait(SECOND)
        task.cancel()
        return "done"

    with virtual_time() as clock:
        began = clock.now
        ran = rig_of(workflow, options={"foreign_wait": 0.1 if least else 60}).run()
        took = clock.now - began
    assert (ran.result, ran.invocations) == ("done", 2), ran.error
    assert least <= took < 5


@pytest.mark.usefixtures("a_thread")
def test_code_that_polls_for_a_thread_goes_on_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("durable_execution_sdk.runtime.tasks.spinning._ENDLESS_MOVES", 100_000)

    async def workflow(event: Any, ctx: DurableContext) -> str:
        over = threading.Event()
        thread = threading.Timer(0.4, over.set)
        thread.start()
        while not over.is_set():
            await asyncio.sleep(0)
        thread.join()
        return await ctx.step(echo, "done")

    assert run_workflow(workflow).result == "done"


def test_the_numbers_that_hold_code_that_polls_are_not_too_large() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        waiting = ctx.wait(Duration.from_hours(1))
        while not waiting.done():
            await asyncio.sleep(0)
        for _ in range(60_000):
            await asyncio.sleep(0)
        return await ctx.step(echo, "done")

    # Of the processor's time: nothing in it waits.
    began = time.process_time()
    ran = run_workflow(workflow)
    assert (ran.result, ran.invocations) == ("done", 2), ran.error
    assert time.process_time() - began < 10


@pytest.mark.usefixtures("a_thread")
def test_the_end_of_the_invocations_time_ends_the_waiting_too() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        await asyncio.Event().wait()

    rig = rig_of(workflow, options={"deadline_margin": 0.1}, timeout=0.5)
    with virtual_time():
        ran = rig.run()
    assert (ran.error.error_type, ran.invocations) == ("DeadlockError", 1)


def test_threads_of_ours_and_callers_that_wait_come_with_nothing() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(time.sleep, 0)  # starts a thread
        await asyncio.Event().wait()

    outcomes: list[Ran] = []
    began = time.monotonic()

    async def in_a_loop() -> None:
        # The handler is called in a running loop, so it runs in a thread of its own.
        outcomes.append(run_workflow(workflow))

    asyncio.run(in_a_loop())
    assert outcomes[0].error.error_type == "DeadlockError"
    assert time.monotonic() - began < 25  # of the 30 seconds for what is not known


# The description of a deadlock.


async def on_a_lock(ctx: DurableContext) -> None:
    lock = asyncio.Lock()
    await lock.acquire()
    async with lock:  # here
        pass


async def on_an_event(ctx: DurableContext) -> None:
    ready = asyncio.Event()
    await ready.wait()  # here


async def on_an_item(ctx: DurableContext) -> None:
    jobs: asyncio.PriorityQueue[int] = asyncio.PriorityQueue()
    await asyncio.wait_for(jobs.get(), None)  # here


async def on_a_place(ctx: DurableContext) -> None:
    jobs: asyncio.Queue[int] = asyncio.Queue(1)
    await jobs.put(1)
    await jobs.put(2)  # here


async def on_the_work(ctx: DurableContext) -> None:
    jobs: asyncio.Queue[int] = asyncio.Queue()
    jobs.put_nowait(1)
    await jobs.join()  # here


async def on_a_semaphore(ctx: DurableContext) -> None:
    places = asyncio.BoundedSemaphore(1)
    async with places:
        async with places:  # here
            pass


async def on_a_condition(ctx: DurableContext) -> None:
    changed = asyncio.Condition()
    async with changed:
        await changed.wait_for(lambda: False)  # here


async def on_a_barrier(ctx: DurableContext) -> None:
    all_there = asyncio.Barrier(2)
    await all_there.wait()  # here


async def on_a_task(ctx: DurableContext) -> None:
    task = asyncio.create_task(on_an_event(ctx))
    await task


async def on_a_gather(ctx: DurableContext) -> None:
    await asyncio.gather(on_an_event(ctx), on_a_place(ctx))


async def on_a_wait(ctx: DurableContext) -> None:
    await asyncio.wait([asyncio.create_task(on_an_event(ctx))])


async def on_a_group(ctx: DurableContext) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(on_an_event(ctx))


async def on_a_shield(ctx: DurableContext) -> None:
    await asyncio.shield(asyncio.create_task(on_an_event(ctx)))


async def on_the_first_completed(ctx: DurableContext) -> None:
    for first in asyncio.as_completed([on_an_event(ctx)]):
        await first


async def on_a_future(ctx: DurableContext) -> None:
    await asyncio.get_running_loop().create_future()  # here


async def in_an_async_generator(ctx: DurableContext) -> None:
    async def numbers() -> AsyncIterator[int]:
        empty = asyncio.Event()
        await empty.wait()
        yield 1

    async for _ in numbers():
        pass


class Machine:
    """A class with an attribute to wait for."""

    def __init__(self) -> None:
        self.idle = asyncio.Event()

    async def run(self) -> None:
        await self.idle.wait()


async def on_an_attribute(ctx: DurableContext) -> None:
    await Machine().run()


async def on_an_event_of_anyio(ctx: DurableContext) -> None:
    await anyio.Event().wait()  # here


async def on_a_lock_of_anyio(ctx: DurableContext) -> None:
    lock = anyio.Lock()

    async def takes_it() -> None:
        async with lock:
            await asyncio.Event().wait()

    task = asyncio.create_task(takes_it())
    await asyncio.sleep(0)
    async with lock:  # here
        await task


async def on_a_place_of_anyio(ctx: DurableContext) -> None:
    room = anyio.CapacityLimiter(1)
    await room.acquire_on_behalf_of("another")
    async with room:  # here
        pass


async def on_an_item_of_a_stream(ctx: DurableContext) -> None:
    send, receive = anyio.create_memory_object_stream[int](1)
    async with send, receive:
        await receive.receive()  # here


async def on_a_place_in_a_stream(ctx: DurableContext) -> None:
    send, receive = anyio.create_memory_object_stream[int](0)
    async with send, receive:
        await send.send(1)  # here


async def on_a_group_of_anyio(ctx: DurableContext) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(on_an_event, ctx)


async def on_groups_of_anyio(ctx: DurableContext) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(on_a_group_of_anyio, ctx)


async def on_a_start_in_anyio(ctx: DurableContext) -> None:
    async def starts(task_status: Any) -> None:
        await asyncio.Event().wait()

    async with anyio.create_task_group() as group:
        await group.start(starts)  # here


async def for_ever_in_anyio(ctx: DurableContext) -> None:
    await anyio.sleep_forever()  # here


def line_of(function: Any) -> int:
    lines = Path(__file__).read_text().splitlines()
    first = function.__code__.co_firstlineno
    return next(n for n in range(first, len(lines)) if lines[n - 1].endswith(LINE))


@pytest.mark.parametrize(
    ("code", "description"),
    [
        (on_a_lock, "on_a_lock waits for asyncio.Lock 'lock' at HERE"),
        (on_an_event, "on_an_event waits for asyncio.Event 'ready' at HERE"),
        (on_an_item, "on_an_item waits for an item of asyncio.PriorityQueue 'jobs' at HERE"),
        (on_a_place, "on_a_place waits for a free place in asyncio.Queue 'jobs' at HERE"),
        (on_the_work, "on_the_work waits for the work to be done of asyncio.Queue 'jobs' at HERE"),
        (on_a_semaphore, "on_a_semaphore waits for asyncio.BoundedSemaphore 'places' at HERE"),
        (on_a_condition, "on_a_condition waits for asyncio.Condition 'changed' at HERE"),
        (on_a_barrier, "on_a_barrier waits for asyncio.Barrier 'all_there' at HERE"),
        (on_a_task, "on_a_task waits for the task 'on_an_event' at"),
        (
            on_a_gather,
            "on_a_gather waits for asyncio.gather of the task 'on_a_place', the task 'on_an_event' at",
        ),
        (on_a_wait, "on_a_wait waits for asyncio.wait of the task 'on_an_event' at"),
        (
            on_a_group,
            "on_a_group waits for the tasks of an asyncio.TaskGroup: the task 'on_an_event' at",
        ),
        (on_a_shield, "on_a_shield waits for asyncio.shield of the task 'on_an_event' at"),
        (on_the_first_completed, "on_the_first_completed waits for asyncio.as_completed at"),
        (
            on_a_future,
            "on_a_future waits for a future that neither an operation nor a task completes at HERE",
        ),
        (in_an_async_generator, "in_an_async_generator waits for asyncio.Event 'empty' at"),
        (on_an_attribute, "on_an_attribute waits for asyncio.Event 'self.idle' at"),
        (on_an_event_of_anyio, "on_an_event_of_anyio waits for anyio.Event at HERE"),
        (on_a_lock_of_anyio, "on_a_lock_of_anyio waits for anyio.Lock 'lock' at HERE"),
        (
            on_a_place_of_anyio,
            "on_a_place_of_anyio waits for anyio.CapacityLimiter 'room' at HERE",
        ),
        (
            on_an_item_of_a_stream,
            "on_an_item_of_a_stream waits for an item of anyio.MemoryObjectReceiveStream 'receive' at HERE",
        ),
        (
            on_a_place_in_a_stream,
            "on_a_place_in_a_stream waits for a free place in anyio.MemoryObjectSendStream 'send' at HERE",
        ),
        (
            on_a_group_of_anyio,
            "on_a_group_of_anyio waits for the tasks of an anyio.TaskGroup: the task 'on_an_event' at",
        ),
        (
            on_groups_of_anyio,
            "waits for the tasks of an anyio.TaskGroup: the task 'on_a_group_of_anyio' at",
        ),
        (
            on_a_start_in_anyio,
            "on_a_start_in_anyio waits for a task to be started in anyio.TaskGroup 'group' at HERE",
        ),
        (for_ever_in_anyio, "for_ever_in_anyio waits for anyio.sleep_forever at HERE"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_deadlock_names_the_line_and_what_it_waits_for(code: Any, description: str) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        await asyncio.create_task(code(ctx))

    if "HERE" in description:
        description = description.replace("HERE", f"{HERE}:{line_of(code)}")
    error = rig_of(workflow, options={"foreign_wait": 0.1}).run().error
    assert error.error_type == "DeadlockError"
    assert description in error.error_message
    assert f"workflow waits for the task '{code.__name__}' at {HERE}:" in error.error_message
    assert "<locals>" not in error.error_message
    assert "Future pending" not in error.error_message


def test_a_deadlock_in_a_child_names_the_child() -> None:
    async def child(inner: DurableContext) -> None:
        await asyncio.Event().wait()

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.run_in_child_context(child, name="inner")

    message = run_workflow(workflow).error.error_message
    assert "child in the child context 'inner' waits for asyncio.Event at" in message
    assert "workflow waits for child context 'inner' at" in message


def test_a_deadlock_of_very_many_tasks_shows_some() -> None:
    async def stuck() -> None:
        await asyncio.Event().wait()

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await asyncio.gather(*(stuck() for _ in range(100)))

    message = run_workflow(workflow).error.error_message
    assert "and 81 more tasks" in message
    assert len(message) < 4_000


@pytest.mark.parametrize("value", [-1, "30", None, float("nan")])
def test_the_foreign_wait_is_checked(value: Any) -> None:
    with pytest.raises(ConfigError, match="foreign_wait"):
        durable_execution(foreign_wait=value)


async def two_that_await_each_other(ctx: DurableContext) -> None:
    async def job(other: int) -> None:
        await asyncio.sleep(0)
        await tasks[other]

    tasks = [asyncio.create_task(job(1)), asyncio.create_task(job(0))]
    await asyncio.wait(tasks)


async def three_that_gather_the_others(ctx: DurableContext) -> None:
    async def job() -> None:
        others = [each for each in tasks if each is not asyncio.current_task()]
        await asyncio.gather(*others, return_exceptions=True)

    tasks = [asyncio.create_task(job()) for _ in range(3)]
    await asyncio.gather(*tasks)


async def one_that_gathers_itself(ctx: DurableContext) -> None:
    async def job() -> None:
        await asyncio.gather(task)

    task = asyncio.create_task(job())
    await task


async def one_that_awaits_its_maker(ctx: DurableContext) -> None:
    async def job() -> None:
        assert main is not None
        await main

    main = asyncio.current_task()
    await asyncio.create_task(job())


async def two_in_a_child(ctx: DurableContext) -> None:
    async def inner(child: DurableContext) -> None:
        await two_that_await_each_other(child)

    await ctx.run_in_child_context(inner)


CIRCLES = [
    two_that_await_each_other,
    three_that_gather_the_others,
    one_that_gathers_itself,
    one_that_awaits_its_maker,
    two_in_a_child,
]


@pytest.mark.parametrize("circle", CIRCLES, ids=lambda each: each.__name__)
def test_tasks_that_await_each_other_are_a_deadlock(circle: Any) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        await circle(ctx)

    ran = run_workflow(workflow)
    assert (ran.error.error_type, ran.invocations) == ("DeadlockError", 1)
    assert "job" in ran.error.error_message


@pytest.mark.parametrize("circle", CIRCLES, ids=lambda each: each.__name__)
def test_a_timeout_ends_tasks_that_await_each_other(circle: Any) -> None:
    """Under plain asyncio, the cancellation recurses until the stack is full."""

    async def workflow(event: Any, ctx: DurableContext) -> str:
        async def work() -> None:
            await circle(ctx)

        task = asyncio.create_task(work())
        await ctx.wait(Duration.from_seconds(5))
        task.cancel()
        await asyncio.wait([task])
        for other in asyncio.all_tasks() - {asyncio.current_task()}:
            other.cancel()
        return await ctx.step(echo, "on")

    assert run_workflow(workflow).result == "on"


async def gathers_a_direct_task() -> None:
    async def job() -> None:
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))

    await asyncio.gather(asyncio.Task(job()))


async def awaits_a_direct_task() -> None:
    (main,) = asyncio.all_tasks()

    async def job() -> None:
        await main

    await asyncio.Task(job())


@pytest.mark.parametrize(
    ("circle", "is_abandoned"), [(gathers_a_direct_task, False), (awaits_a_direct_task, True)]
)
def test_a_circle_that_a_direct_task_closes_is_a_deadlock_too(
    circle: Any, is_abandoned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        await circle()

    cancels = mock.patch.object(
        WorkflowTask, "cancel", autospec=True, side_effect=WorkflowTask.cancel
    )
    with cancels as cancel:
        ran = run_workflow(workflow)
    assert (ran.error.error_type, ran.invocations) == ("DeadlockError", 1)
    assert cancel.call_count < 50
    assert ("were abandoned" in caplog.text) == is_abandoned

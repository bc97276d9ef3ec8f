"""A program for each row of the table of asyncio and anyio that replays exactly or is refused."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
from tests.replay.corpus import ONE_TRY, Probe, Workflow, seconds

from durable_execution_sdk import DurableContext

HOUR = 3600
EXACT: dict[str, Callable[[Probe], Workflow]] = {}
REFUSED: dict[str, Workflow] = {}
COLOUR: contextvars.ContextVar[str] = contextvars.ContextVar("COLOUR", default="none")

Act = Callable[[Probe, DurableContext], Awaitable[Any]]


def exact(row: str) -> Callable[[Act], Act]:
    """Register the program of a row; it suspends at the end, so that its log is replayed."""

    def keep(act: Act) -> Act:
        def build(probe: Probe) -> Workflow:
            async def run(event: Any, ctx: DurableContext) -> Any:
                probe.see("made", await act(probe, ctx))
                await ctx.wait(seconds(5))
                return probe.see("end", await ctx.step(probe.body, "end"))

            return run

        build.__name__ = act.__name__
        EXACT[row] = build
        return act

    return keep


def refused(row: str) -> Callable[[Workflow], Workflow]:
    def keep(workflow: Workflow) -> Workflow:
        REFUSED[row] = workflow
        return workflow

    return keep


async def nothing() -> None:
    """Do nothing."""


# asyncio


@exact("`asyncio.gather(...)`")
async def gather(probe: Probe, ctx: DurableContext) -> Any:
    async def two(label: str) -> str:
        await ctx.wait(seconds(len(label)))
        return str(await ctx.step(probe.body, label, name="work"))

    pair = asyncio.gather(two("a"), two("bb"))
    task = asyncio.create_task(two("ccc"))
    results = await asyncio.gather(
        pair, task, ctx.step(probe.fails, "d", config=ONE_TRY), return_exceptions=True
    )
    return [str(result) for result in results]


@exact("`asyncio.TaskGroup()`")
async def task_group(probe: Probe, ctx: DurableContext) -> Any:
    failed: list[bool] = []

    async def waits() -> None:
        try:
            await ctx.wait(seconds(HOUR))
        except asyncio.CancelledError:
            if failed:  # and not the end of the invocation
                probe.see("cancelled")
            raise

    async def fails() -> None:
        await ctx.wait(seconds(2))
        failed.append(True)
        raise LookupError("no")

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(waits())
            group.create_task(fails())
            group.create_task(waits())
    except* LookupError as errors:
        probe.see("failed", [str(error) for error in errors.exceptions])


@exact("`asyncio.create_task(...)`, `ensure_future(...)`")
async def create_task(probe: Probe, ctx: DurableContext) -> Any:
    async def work(label: str) -> None:
        probe.see("work", await ctx.step(probe.body, label, name="work"))

    async def left_alone() -> None:
        await ctx.wait(seconds(HOUR))

    kept = [asyncio.create_task(left_alone())]
    one, two = asyncio.create_task(work("a")), asyncio.ensure_future(work("b"))
    await two
    await one
    return kept[0].done()


@exact("`task.cancel()`, `handle.cancel()`")
async def cancel(probe: Probe, ctx: DurableContext) -> Any:
    async def waits(handle: Any) -> None:
        await handle

    limit = ctx.wait(seconds(HOUR), name="limit")
    task = asyncio.create_task(waits(limit))
    await ctx.wait(seconds(2))
    task.cancel()
    await asyncio.wait([task])
    limit.cancel()
    probe.see("limit", await limit)
    return [task.cancelled(), limit.done()]


@exact("`asyncio.wait([...])` of tasks and operations")
async def wait(probe: Probe, ctx: DurableContext) -> Any:
    async def work(label: str) -> str:
        return str(await ctx.step(probe.body, label, name="work"))

    things = [ctx.step(probe.body, each, name="work") for each in "abc"]
    done, _ = await asyncio.wait([*things, *(asyncio.create_task(work(each)) for each in "def")])
    for each in done:
        probe.see("done", await ctx.step(probe.body, str(each.result()), name="note"))
    pauses = [ctx.wait(seconds(n)) for n in (9, 2, 5)]
    done, pending = await asyncio.wait(pauses, return_when=asyncio.FIRST_COMPLETED)
    return [[pauses.index(each) for each in some] for some in (done, pending)]


@exact("`asyncio.wait([...])` of gathers and shields")
async def wait_for_gathers(probe: Probe, ctx: DurableContext) -> Any:
    def work(label: str) -> Any:
        return ctx.step(probe.body, label, name="work")

    pairs = [asyncio.gather(work(each), work(each.upper())) for each in "abcd"]
    shields = [asyncio.shield(ctx.wait(seconds(n))) for n in (2, 3)]
    done, _ = await asyncio.wait([*pairs, *shields])
    for each in done:
        probe.see("done", await ctx.step(probe.body, str(each.result()), name="note"))


@exact("`asyncio.as_completed([...])`")
async def as_completed(probe: Probe, ctx: DurableContext) -> Any:
    async def work(length: int) -> int:
        await ctx.wait(seconds(length))
        return int(await ctx.step(probe.body, f"{length}", length))

    for handle in asyncio.as_completed({ctx.step(probe.body, each, name="set") for each in "abcd"}):
        probe.see("handle", await handle)
    for task in asyncio.as_completed({asyncio.create_task(work(each)) for each in (2, 1)}):
        probe.see("task", await task)
    return [await each for each in asyncio.as_completed([work(3), work(1), ctx.wait(seconds(2))])]


@exact("sets of tasks and operations, `gather(*tasks)`")
async def sets(probe: Probe, ctx: DurableContext) -> Any:
    async def item(inner: DurableContext, n: int, index: int) -> int:
        return int(await inner.step(probe.body, f"{n}", n, name="work"))

    async def work(label: str) -> str:
        return str(await ctx.step(probe.body, label, name="work"))

    await ctx.map(range(3), item)
    background = {asyncio.create_task(work(each)) for each in "abcde"}
    probe.see("tasks", await asyncio.gather(*background))
    for handle in {ctx.step(probe.body, each, name="work") for each in "fghi"}:
        probe.see("handle", await handle)


@exact("`asyncio.timeout(3600)`, `asyncio.wait_for(..., 3600)`")
async def timeout(probe: Probe, ctx: DurableContext) -> Any:
    async with asyncio.timeout(HOUR):
        probe.see("in time", await ctx.step(probe.body, "a"))
    try:
        async with asyncio.timeout(HOUR):
            await ctx.wait(seconds(2 * HOUR))
    except TimeoutError:
        probe.see("late", await ctx.step(probe.body, "b"))
    try:
        await asyncio.wait_for(asyncio.Event().wait(), HOUR)
    except TimeoutError:
        return "later"


@exact("`asyncio.timeout(0)`, a deadline that has passed")
async def timeout_that_has_passed(probe: Probe, ctx: DurableContext) -> Any:
    loop = asyncio.get_running_loop()
    words = []
    for limit in (asyncio.timeout(0), asyncio.timeout_at(loop.time() - 1), asyncio.timeout(-5)):
        try:
            async with limit:
                words.append(await ctx.wait(seconds(3)) or "in time")
        except TimeoutError:
            words.append("too late")
        probe.see("word", await ctx.step(probe.body, words[-1], name="tell"))
    return words


@exact("`asyncio.timeout(deadline - loop.time())`")
async def budget(probe: Probe, ctx: DurableContext) -> Any:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + 10
    words = []
    for length in (3, 4, 9, 1):
        try:
            async with asyncio.timeout(deadline - loop.time()):
                await ctx.wait(seconds(length))
                words.append("in time")
        except TimeoutError:
            words.append("too late")
    return words


@exact("`asyncio.timeout(...)` around a step that is slow")
async def timeout_around_a_step(probe: Probe, ctx: DurableContext) -> Any:
    async def never_ends() -> None:
        await asyncio.Event().wait()

    try:
        async with asyncio.timeout(0.01):
            await ctx.step(never_ends, config=ONE_TRY)
    except TimeoutError:
        probe.see("late", await ctx.step(probe.body, "after"))


@exact("`asyncio.shield(...)`")
async def shield(probe: Probe, ctx: DurableContext) -> Any:
    async def work() -> str:
        await ctx.wait(seconds(20))
        return str(await ctx.step(probe.body, "work"))

    task = asyncio.create_task(work())
    try:
        async with asyncio.timeout(5):
            await asyncio.shield(task)
    except TimeoutError:
        probe.see("late", await ctx.step(probe.body, "late"))
    return await task


@exact("`asyncio.sleep(...)`, `loop.call_later(...)`")
async def sleep(probe: Probe, ctx: DurableContext) -> Any:
    loop = asyncio.get_running_loop()
    rung = asyncio.Event()
    loop.call_later(30, rung.set)
    await asyncio.sleep(10)
    probe.see("slept", await asyncio.sleep(0, "turn"))
    await rung.wait()
    return loop.time() >= 30


@exact("`loop.call_soon(...)`, `add_done_callback(...)`")
async def callbacks(probe: Probe, ctx: DurableContext) -> Any:
    calls: list[str] = []
    loop = asyncio.get_running_loop()
    for label in "ab":
        loop.call_soon(calls.append, "soon")
        step = ctx.step(probe.body, label, name="work")
        step.add_done_callback(lambda done: calls.append(f"done {done.result()}"))
        probe.see("calls", [await step, *calls])
    return calls


@exact("`asyncio.Queue()`")
async def queue(probe: Probe, ctx: DurableContext) -> Any:
    jobs: asyncio.Queue[str] = asyncio.Queue(2)

    async def worker(n: int) -> None:
        while True:
            job = await jobs.get()
            probe.see("job", [n, await ctx.step(probe.body, job, name="job")])
            await ctx.wait(seconds(n))
            jobs.task_done()

    workers = [asyncio.create_task(worker(n)) for n in (1, 3)]
    for label in "abcdef":
        await jobs.put(label)
    await jobs.join()
    for each in workers:
        each.cancel()


@exact("`asyncio.Lock()`, `Semaphore(...)`")
async def locks(probe: Probe, ctx: DurableContext) -> Any:
    lock, room = asyncio.Lock(), asyncio.Semaphore(2)

    async def work(n: int) -> None:
        async with room:
            await ctx.wait(seconds(1 + n % 3))
            async with lock:
                probe.see("work", await ctx.step(probe.body, f"{n}", name="work"))

    await asyncio.gather(*(work(n) for n in range(5)))


@exact("`asyncio.Event()`, `Condition()`, `Barrier(...)`")
async def events(probe: Probe, ctx: DurableContext) -> Any:
    opened, changed, meeting = asyncio.Event(), asyncio.Condition(), asyncio.Barrier(2)
    count = 0

    async def follows(label: str) -> None:
        await opened.wait()
        async with changed:
            await changed.wait_for(lambda: count >= 2)
        probe.see(label, await ctx.step(probe.body, label, name="work"))
        await meeting.wait()

    async def leads() -> None:
        nonlocal count
        opened.set()
        for _ in range(2):
            await ctx.wait(seconds(2))
            async with changed:
                count += 1
                changed.notify_all()

    await asyncio.gather(follows("a"), follows("b"), leads())


@exact("`loop.create_future()`")
async def create_future(probe: Probe, ctx: DurableContext) -> Any:
    futures = [asyncio.get_running_loop().create_future() for _ in range(3)]

    async def sets(n: int) -> None:
        await ctx.wait(seconds(3 - n))
        futures[n].set_result(n)

    tasks = [asyncio.create_task(sets(n)) for n in range(3)]
    done, _ = await asyncio.wait(futures)
    await asyncio.gather(*tasks)
    return [each.result() for each in done]


@exact("async generators, `contextlib.aclosing(...)`")
async def generators(probe: Probe, ctx: DurableContext) -> Any:
    async def pages() -> AsyncIterator[str]:
        try:
            for n in range(9):
                yield str(await ctx.step(probe.body, f"page {n}", name="page"))
        finally:
            probe.see("closed", await ctx.step(probe.body, "closed"))

    read = []
    async with contextlib.aclosing(pages()) as source:
        async for page in source:
            read.append(page)
            if len(read) == 3:
                break

    async def numbers() -> AsyncIterator[int]:
        for n in range(3):
            yield int(await ctx.step(probe.body, f"number {n}", n, name="number"))

    left = numbers()  # unfinished, and closed with the invocation
    probe.see("first", await anext(left))
    return read


@exact("`contextvars`")
async def context_variables(probe: Probe, ctx: DurableContext) -> Any:
    async def paints(colour: str) -> str:
        COLOUR.set(colour)
        await ctx.step(probe.body, colour, name="paint")
        return COLOUR.get()

    COLOUR.set("red")
    painted = await asyncio.gather(paints("blue"), paints("green"))
    return [*painted, COLOUR.get()]


@exact("`asyncio.current_task()`, `asyncio.all_tasks()`")
async def all_tasks(probe: Probe, ctx: DurableContext) -> Any:
    async def waits() -> None:
        await ctx.wait(seconds(HOUR))

    async def of_a_context(ctx: DurableContext, *_: object) -> int:
        tasks = [asyncio.create_task(ctx_wait(ctx)) for _ in range(2)]
        await ctx.wait(seconds(2))
        return len(asyncio.all_tasks() & {*tasks, asyncio.current_task()})

    async def ctx_wait(ctx: DurableContext) -> None:
        await ctx.wait(seconds(HOUR))

    made = [asyncio.create_task(waits(), name=f"task {n}") for n in range(3)]
    child, batch = ctx.run_in_child_context(of_a_context), ctx.map([1, 2], of_a_context)
    await ctx.wait(seconds(1))
    probe.see("beside contexts", len(asyncio.all_tasks()))
    probe.see("in them", [await child, (await batch).results()])
    probe.see("after them", len(asyncio.all_tasks()))
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for each in others:
        probe.see("cancels", each.get_name())
        each.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    return [each.cancelled() for each in made]


@exact("`while not handle.done(): await asyncio.sleep(0)`")
async def spins(probe: Probe, ctx: DurableContext) -> Any:
    for handle in (ctx.step(probe.body, "a"), ctx.wait(seconds(3))):
        async with asyncio.timeout(HOUR):
            while not handle.done():
                await asyncio.sleep(0)
        probe.see("came", handle.result())


# anyio


@exact("`anyio.create_task_group()`")
async def anyio_group(probe: Probe, ctx: DurableContext) -> Any:
    over: list[bool] = []

    async def work(label: str) -> None:
        with anyio.CancelScope():
            try:
                await ctx.step(probe.body, label, name="work")
                await anyio.sleep(HOUR)
            finally:
                if over:  # and not the end of the invocation
                    probe.see("ends", label)

    async with anyio.create_task_group() as group:
        for label in "abcde":
            group.start_soon(work, label)
        await ctx.wait(seconds(3))
        over.append(True)
        group.cancel_scope.cancel()


@exact("`anyio.CancelScope()`, `move_on_after(...)`, `fail_after(...)`")
async def anyio_scopes(probe: Probe, ctx: DurableContext) -> Any:
    caught = []
    for delay in (0, 2, HOUR):
        with anyio.move_on_after(delay) as scope:
            probe.see("came", await ctx.wait(seconds(4)))
        caught.append(scope.cancelled_caught)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await ctx.wait(seconds(4))
    caught.append(scope.cancelled_caught)
    try:
        with anyio.fail_after(2):
            await ctx.wait(seconds(4))
    except TimeoutError:
        probe.see("failed", await ctx.step(probe.body, "after"))
    return caught


@exact("`anyio.Event()`, `Lock()`, `CapacityLimiter(...)`, object streams")
async def anyio_means(probe: Probe, ctx: DurableContext) -> Any:
    send, receive = anyio.create_memory_object_stream[str](1)
    lock, room, ended = anyio.Lock(), anyio.CapacityLimiter(2), anyio.Event()

    async def consumes(n: int) -> None:
        async for job in receive:
            async with room, lock:
                probe.see("job", [n, await ctx.step(probe.body, job, name="job")])
        ended.set()

    async with send, receive, anyio.create_task_group() as group:
        for n in range(2):
            group.start_soon(consumes, n)
        for label in "abcd":
            await send.send(label)
        await send.aclose()
        await ended.wait()


@exact("a saga in a cancelled scope of anyio")
async def anyio_saga(probe: Probe, ctx: DurableContext) -> Any:
    async def undo(result: str) -> None:
        await probe.body(f"undo {result}")

    with anyio.CancelScope() as scope:
        async with ctx.saga() as saga:
            await saga.step(probe.body, "book", compensate=undo)
            scope.cancel()
            await ctx.wait(seconds(10))
    return scope.cancelled_caught


# Refused


@refused("`asyncio.as_completed({...})` of coroutines")
async def as_completed_of_a_set(event: Any, ctx: DurableContext) -> Any:
    coroutines = {nothing() for _ in range(3)}
    try:
        for each in asyncio.as_completed(coroutines):
            await each
    finally:
        for coroutine in coroutines:
            coroutine.close()


@refused("`asyncio.Future(...)` in `asyncio.wait`")
async def plain_futures(event: Any, ctx: DurableContext) -> Any:
    loop = asyncio.get_running_loop()
    futures: list[asyncio.Future[None]] = [asyncio.Future(loop=loop) for _ in range(2)]
    for future in futures:
        loop.call_soon(future.set_result, None)
    await asyncio.wait(futures)


@refused("`asyncio.Task(...)`")
async def task_made_directly(event: Any, ctx: DurableContext) -> Any:
    async def pay() -> None:
        await ctx.step(nothing)

    await asyncio.Task(pay())


@refused("`loop.set_task_factory(...)`")
async def task_factory(event: Any, ctx: DurableContext) -> Any:
    asyncio.get_running_loop().set_task_factory(None)


@refused("a step that cancels or awaits the workflow's tasks")
async def step_that_cancels(event: Any, ctx: DurableContext) -> Any:
    async def others() -> None:
        for each in asyncio.all_tasks() - {asyncio.current_task()}:
            each.cancel()

    await ctx.step(others)


@refused("a step that awaits an operation")
async def step_that_awaits(event: Any, ctx: DurableContext) -> Any:
    slow = ctx.wait(seconds(10), name="slow")

    async def waits() -> None:
        await slow

    await ctx.step(waits, config=ONE_TRY)


@refused("an async generator that is left unfinished, with operations in `finally`")
async def generator_left_unfinished(event: Any, ctx: DurableContext) -> Any:
    async def pages() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            await ctx.step(nothing)

    async for _ in pages():
        break
    await ctx.wait(seconds(5))


@refused("a context in a step")
async def context_in_a_step(event: Any, ctx: DurableContext) -> Any:
    async def body() -> None:
        await ctx.step(nothing)

    await ctx.step(body)


@refused("a context in a thread")
async def context_in_a_thread(event: Any, ctx: DurableContext) -> Any:
    await asyncio.to_thread(lambda: ctx.step(nothing))


@refused("a context in a callback that a thread gives to `loop.call_soon_threadsafe(...)`")
async def context_in_a_handed_over_callback(event: Any, ctx: DurableContext) -> Any:
    loop = asyncio.get_running_loop()
    started = loop.create_future()

    def start() -> None:
        try:
            started.set_result(ctx.step(nothing))
        except Exception as error:
            started.set_exception(error)

    await asyncio.to_thread(lambda: loop.call_soon_threadsafe(start))
    await (await started)


@refused("`loop.add_signal_handler(...)`, `anyio.open_signal_receiver(...)`")
async def signal_handler(event: Any, ctx: DurableContext) -> Any:
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, ctx.log_info, "it came")


@refused("a future, a lock or an event that nothing sets")
async def deadlock(event: Any, ctx: DurableContext) -> Any:
    await asyncio.Event().wait()

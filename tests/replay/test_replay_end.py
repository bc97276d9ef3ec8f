"""Replay ends where the last invocation stopped: lines are logged once, and twice around a crash."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import msgspec
import pytest
from tests.memory_service import MemoryService
from tests.replay.play import Watched
from tests.rig import Ran, Rig, rig_of
from tests.sampling import one_each, rotated, thinned

from durable_execution_sdk import (
    CheckpointingMode,
    ChildConfig,
    DurableContext,
    Duration,
    MapConfig,
    NestingType,
    ParallelConfig,
    StepConfig,
    StepContext,
    StepSemantics,
    durable_execution,
)
from durable_execution_sdk.emulator.clock import VirtualClock
from durable_execution_sdk.emulator.faults.injection import FaultyPlane
from durable_execution_sdk.emulator.faults.plan import When
from durable_execution_sdk.emulator.function_caller import Wrappers
from durable_execution_sdk.engine.limits import DEFAULT_LIMITS, Limits
from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.ports import DataPlane
from durable_execution_sdk.protocol.data_plane import (
    CheckpointRequest,
    CheckpointResponse,
    StatePage,
    StateRequest,
)
from durable_execution_sdk.protocol.operations import OperationStatus
from durable_execution_sdk.protocol.updates import OperationAction
from durable_execution_sdk.retry import FixedDelay
from durable_execution_sdk.testing.faults import Faults

Workflow = Callable[[Any, DurableContext], Any]

SMALL_PAGES = Limits(first_page_items=1)


class OneByOne(Watched):
    """A data plane whose pages hold one operation."""

    async def get_state(self, request: StateRequest) -> StatePage:
        return await self.plane.get_state(msgspec.structs.replace(request, max_items=1))


class Keeping(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture
def kept() -> Iterator[Keeping]:
    handler = Keeping()
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield handler
    root.removeHandler(handler)
    root.setLevel(level)


def seconds(length: float) -> Duration:
    return Duration.from_seconds(length)


async def one() -> int:
    return 1


# Workflows, and the lines that an execution of each logs.


async def after_a_race(event: Any, ctx: DurableContext) -> None:
    await ctx.race(ctx.step(one), ctx.wait(Duration.from_days(1)))
    for n in range(20):
        ctx.log_info(f"round {n}")
        await ctx.wait(seconds(10))


async def branches_of_a_gather(event: Any, ctx: DurableContext) -> None:
    ctx.log_info("before the first operation")

    async def branch(n: int) -> None:
        ctx.log_info(f"in {n}")
        await ctx.step(one)
        ctx.log_info(f"stepped {n}")
        await ctx.wait(seconds(10 * n + 10))
        ctx.log_info(f"waited {n}")

    await asyncio.gather(*(branch(n) for n in range(3)))
    ctx.log_info("end")


async def branches_of_equal_length(event: Any, ctx: DurableContext) -> None:
    async def branch(n: int) -> None:
        await ctx.step(one)
        ctx.log_info(f"stepped {n}")
        await ctx.wait(seconds(10))
        ctx.log_info(f"waited {n}")

    await asyncio.gather(*(branch(n) for n in range(3)))


async def branches_of_uneven_length(event: Any, ctx: DurableContext) -> None:
    async def branch(n: int) -> None:
        for k in range(n + 1):
            await ctx.step(one)
            ctx.log_info(f"stepped {n} {k}")
        await ctx.wait(seconds(10))
        ctx.log_info(f"waited {n}")

    await asyncio.gather(*(branch(n) for n in range(3)))


async def handles_awaited_in_turn(event: Any, ctx: DurableContext) -> None:
    handles = [ctx.wait(seconds(10 * n + 10)) for n in range(3)]
    for n, handle in enumerate(handles):
        await handle
        ctx.log_info(f"waited {n}")
    ctx.log_info("end")


async def a_background_task(event: Any, ctx: DurableContext) -> None:
    async def beat() -> None:
        for n in range(4):
            ctx.log_info(f"beat {n}")
            await ctx.wait(seconds(7))

    task = asyncio.create_task(beat())
    for n in range(2):
        ctx.log_info(f"main {n}")
        await ctx.step(one)
        await asyncio.sleep(9)
    await task
    ctx.log_info("end")


async def contexts(event: Any, ctx: DurableContext, config: ChildConfig | None = None) -> None:
    async def child(inner: DurableContext, name: str) -> None:
        inner.log_info(f"{name} in")
        await inner.step(one)
        inner.log_info(f"{name} middle")
        await inner.wait(seconds(10))
        ctx.log_info(f"{name} out")

    ctx.log_info("start")
    await asyncio.gather(
        ctx.run_in_child_context(child, "a", config=config),
        ctx.run_in_child_context(child, "b", config=config),
    )
    ctx.log_info("between")
    await ctx.run_in_child_context(child, "c", config=config)
    ctx.log_info("end")


async def nested_contexts(event: Any, ctx: DurableContext) -> None:
    async def child(inner: DurableContext) -> None:
        await contexts(event, inner)
        inner.log_info("inner end")

    await ctx.run_in_child_context(child)
    ctx.log_info("outer end")


async def items(event: Any, ctx: DurableContext, config: MapConfig | None = None) -> None:
    async def item(inner: DurableContext, n: int, index: int) -> None:
        inner.log_info(f"in {n}")
        await inner.step(one)
        inner.log_info(f"stepped {n}")
        await inner.wait(seconds(10 * n + 10))
        inner.log_info(f"waited {n}")

    await ctx.map(range(4), item, config=config)
    ctx.log_info("end")


async def retries(event: Any, ctx: DurableContext) -> None:
    async def flaky() -> None:
        if StepContext.current().attempt < 3:
            raise LookupError("not yet")

    ctx.log_info("start")
    config = StepConfig(retry_strategy=FixedDelay(delay=seconds(5), max_attempts=5))
    other = ctx.wait(seconds(20))
    await ctx.step(flaky, config=config)
    ctx.log_info("passed")
    await other
    ctx.log_info("end")


async def timers(event: Any, ctx: DurableContext) -> None:
    for n in range(3):
        ctx.log_info(f"round {n}")
        async with asyncio.timeout(60):
            await asyncio.gather(asyncio.sleep(10), ctx.step(one))
    ctx.log_info("end")


def left_behind(ctx: DurableContext) -> None:
    """Call operations that no code awaits, so that the end of the context leaves them as they are."""

    async def blocks() -> None:
        await asyncio.Event().wait()

    async def child(inner: DurableContext) -> None:
        await inner.step(blocks)

    once, once_for_all, due = (StepConfig(semantics=each, retry_strategy=by) for each, by in LEFT)
    ctx.step(blocks, name="once", config=once)
    ctx.step(blocks, name="once for all", config=once_for_all)
    ctx.step(blocks, name="again")
    ctx.step(fails_at_once, name="due", config=due)
    ctx.run_in_child_context(child)
    asyncio.gather(asyncio.sleep(30))


async def fails_at_once() -> None:
    raise LookupError


RETRIED = FixedDelay(delay=seconds(5), max_attempts=2)
LEFT = (
    (StepSemantics.AT_MOST_ONCE_PER_RETRY, RETRIED),
    (StepSemantics.AT_MOST_ONCE_PER_RETRY, FixedDelay(delay=seconds(5), max_attempts=1)),
    (StepSemantics.AT_LEAST_ONCE_PER_RETRY, RETRIED),
)


async def branches_that_leave_operations(event: Any, ctx: DurableContext) -> None:
    async def at_once(inner: DurableContext) -> None:
        left_behind(inner)
        inner.log_info("at once")

    async def after_a_step(inner: DurableContext) -> None:
        left_behind(inner)
        await inner.step(one, name="beside")
        inner.log_info("after a step")

    async def cancelled(inner: DurableContext) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0):
                left_behind(inner)
                await asyncio.Event().wait()
        inner.log_info("cancelled")

    async def stays(inner: DurableContext) -> None:
        for n in range(3):
            await inner.wait(seconds(5 * n + 3))
            inner.log_info(f"waited {n}")

    flat = ParallelConfig(nesting=NestingType.FLAT)
    await ctx.parallel([at_once, after_a_step, cancelled, stays], config=flat)
    ctx.log_info("end")


async def a_virtual_context_that_leaves_operations(event: Any, ctx: DurableContext) -> None:
    async def child(inner: DurableContext) -> None:
        left_behind(inner)
        await inner.step(one, name="beside")
        inner.log_info("in")

    waits = [ctx.wait(seconds(10 * n + 10)) for n in range(3)]
    await ctx.run_in_child_context(child, config=ChildConfig(virtual=True))
    for n, wait in enumerate(waits):
        ctx.log_info(f"before {n}")
        await wait
    ctx.log_info("end")


async def a_context_that_leaves_a_thread(
    event: Any, ctx: DurableContext, config: ChildConfig | None = None
) -> None:
    """The call runs while later invocations come to rest, and the task that it might wake holds none of them open."""
    may_end = threading.Event()

    async def child(inner: DurableContext) -> None:
        await inner.step(one)
        asyncio.get_running_loop().run_in_executor(None, may_end.wait)
        inner.log_info("in")

    blocked = asyncio.create_task(asyncio.Event().wait())
    waits = [ctx.wait(seconds(10 * n + 10)) for n in range(3)]
    try:
        await ctx.run_in_child_context(child, config=config)
        if not ctx.is_replaying:
            may_end.set()  # an invocation that suspends waits for it
        for n, wait in enumerate(waits):
            ctx.log_info(f"before {n}")
            await wait
            may_end.set()
    finally:
        may_end.set()
    blocked.cancel()
    ctx.log_info("end")


async def call_of_a_pool(call: Callable[[], Any], ends_first: bool) -> None:
    await run_in_a_pool(call, ends_first, asyncio.get_running_loop().run_in_executor)


async def wrapped_call(call: Callable[[], Any], ends_first: bool) -> None:
    await run_in_a_pool(call, ends_first, lambda pool, call: asyncio.wrap_future(pool.submit(call)))


async def run_in_a_pool(call: Callable[[], Any], ends_first: bool, begin: Any) -> None:
    pool = ThreadPoolExecutor(1)
    try:
        future = begin(pool, call)
        if ends_first:
            pool.submit(int).result()  # its only thread has told the loop of the end before
        await future
    finally:
        pool.shutdown(wait=False)


async def short_timer(call: Callable[[], Any], ends_first: bool) -> None:
    began = time.monotonic()
    sleeping = asyncio.ensure_future(asyncio.sleep(0.001 if ends_first else 0.9))
    await asyncio.sleep(0)
    while ends_first and time.monotonic() < began + 0.01:
        pass
    await sleeping


Outside = Callable[[Callable[[], Any], bool], Coroutine[Any, Any, None]]


async def a_race_that_leaves(
    event: Any, ctx: DurableContext, outside: Outside, *, nested: bool = False
) -> None:
    """The loser of the race would have ended after the winner at first, and ends before its end is delivered on replay."""

    async def body(ctx: DurableContext) -> None:
        may_end = threading.Event()
        ends_first = ctx.is_replaying
        if ends_first:
            may_end.set()

        async def step() -> None:
            await ctx.step(one)

        waits = [ctx.wait(seconds(10 * n + 10)) for n in range(3)]
        racing = [
            asyncio.create_task(outside(may_end.wait, ends_first)),
            asyncio.create_task(step()),
        ]
        try:
            await asyncio.wait(racing, return_when=asyncio.FIRST_COMPLETED)
        finally:
            may_end.set()
        for each in racing:
            each.cancel()
        await asyncio.gather(*racing, return_exceptions=True)
        ctx.log_info("after the race")
        for n, wait in enumerate(waits):
            await wait
            ctx.log_info(f"waited {n}")

    await (ctx.run_in_child_context(body) if nested else body(ctx))
    ctx.log_info("end")


WORKFLOWS: dict[str, Any] = {
    "after a race": after_a_race,
    "branches of a gather": branches_of_a_gather,
    "branches of equal length": branches_of_equal_length,
    "branches of uneven length": branches_of_uneven_length,
    "handles awaited in turn": handles_awaited_in_turn,
    "a background task": a_background_task,
    "contexts": contexts,
    "virtual contexts": partial(contexts, config=ChildConfig(virtual=True)),
    "nested contexts": nested_contexts,
    "items": items,
    "items, two at a time": partial(items, config=MapConfig(max_concurrency=2)),
    "flat items": partial(items, config=MapConfig(nesting=NestingType.FLAT)),
    "retries": retries,
    "timers": timers,
}
# Their lines come after all that is recorded has been asked for: an event with news decides whether they are new.
LEAVING = {
    "branches that leave operations": branches_that_leave_operations,
    "a virtual context that leaves operations": a_virtual_context_that_leaves_operations,
    "a virtual context that leaves a thread": partial(
        a_context_that_leaves_a_thread, config=ChildConfig(virtual=True)
    ),
    "a context that leaves a thread": a_context_that_leaves_a_thread,
    **{
        f"a race{' in a context' if nested else ''} that leaves a {outside.__name__}": partial(
            a_race_that_leaves, outside=outside, nested=nested
        )
        for outside in (call_of_a_pool, wrapped_call, short_timer)
        for nested in (False, True)
    },
}
workflows = pytest.mark.parametrize("workflow", WORKFLOWS.values(), ids=WORKFLOWS)
modes = pytest.mark.parametrize("mode", CheckpointingMode)


def rig(workflow: Workflow, mode: CheckpointingMode, **options: Any) -> Rig:
    async def body(event: Any, ctx: DurableContext) -> None:
        await workflow(event, ctx)

    return rig_of(body, options={"checkpointing": mode}, **options)


def lines_of_a_single_invocation(workflow: Workflow, kept: Keeping) -> list[str]:
    """Run a workflow in one invocation, assert that no line is repeated, and return the sorted lines."""
    runner = rig(workflow, CheckpointingMode.BATCHED)
    assert runner.run().status == "SUCCEEDED"
    lines, kept.lines = kept.lines, []
    assert set(Counter(lines).values()) == {1}
    return sorted(lines)


@pytest.mark.parametrize(
    ("mode", "name", "pages"), rotated(CheckpointingMode, [*WORKFLOWS, *LEAVING], [False, True])
)
def test_each_line_comes_once_however_often_the_workflow_is_replayed(
    mode: CheckpointingMode, name: str, pages: bool, kept: Keeping
) -> None:
    workflow = {**WORKFLOWS, **LEAVING}[name]
    runner = rig(
        workflow,
        mode,
        limits=SMALL_PAGES if pages else DEFAULT_LIMITS,
        wrappers=Wrappers(data_plane=OneByOne if pages else lambda plane: plane),
    )
    ran = runner.run()
    assert ran.status == "SUCCEEDED", ran.error
    assert ran.invocations > 1
    assert {line: times for line, times in Counter(kept.lines).items() if times != 1} == {}
    assert len(kept.lines) >= 3


def crashed(workflow: Workflow, mode: CheckpointingMode, at: int, way: When) -> tuple[Ran, bool]:
    faults = Faults().crash_at(checkpoint=at, when=way)

    def wrap(plane: DataPlane) -> DataPlane:
        return FaultyPlane(plane, faults, VirtualClock(), lambda arn: True)

    def invoker(inner: Any) -> Any:
        def call(request: Any) -> Any:
            faults.invocation_begins()
            return inner(request)

        return call

    runner = rig(workflow, mode, wrappers=Wrappers(data_plane=wrap, invoker=invoker))
    ran = runner.run()
    assert ran.status == "SUCCEEDED", ran.error
    return ran, not faults.left


@pytest.mark.parametrize(
    ("name", "mode", "way"),
    thinned(
        one_each([*WORKFLOWS, *LEAVING], CheckpointingMode, ["before", "after", "response_lost"]), 4
    ),
)
def test_no_line_is_lost_by_a_crash_at_any_checkpoint(
    name: str, mode: CheckpointingMode, way: When, kept: Keeping
) -> None:
    workflow = {**WORKFLOWS, **LEAVING}[name]
    expected = lines_of_a_single_invocation(workflow, kept)
    at = 0
    while True:
        at += 1
        kept.lines = []
        _, crashed_there = crashed(workflow, mode, at, way)
        counts = Counter(kept.lines)
        assert sorted(counts) == expected, (at, way)
        assert max(counts.values()) <= 2, (at, way)
        if not crashed_there:
            break


def test_bodies_and_calls_in_threads_log_once_whatever_is_replayed_around_them(
    kept: Keeping,
) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        async def body() -> None:
            ctx.log_info(f"body, replaying: {ctx.is_replaying}")

        other = ctx.wait(seconds(60))
        for n in range(3):
            await ctx.wait(seconds(5))
            await asyncio.to_thread(ctx.log_info, f"thread {n}")
        await ctx.step(body)
        await other

    ran = rig(workflow, CheckpointingMode.BATCHED).run()
    counts = Counter(kept.lines)
    assert counts["body, replaying: False"] == 1
    # Replay makes the calls again, but the log holds their ends.
    assert ran.invocations > 3
    assert [counts[f"thread {n}"] for n in range(3)] == [1, 1, 1]


def test_the_flag_is_that_of_the_code_that_asks() -> None:
    """A scope beyond the log is not replaying, while one beside it may still be."""
    flags: list[tuple[str, bool]] = []
    extended = False

    async def workflow(event: Any, ctx: DurableContext) -> None:
        async def grows() -> None:
            if extended:
                late = ctx.step(one, name="late")
                flags.append(("grown", ctx.is_replaying))
                await asyncio.create_task(inside())
                started.append(late)  # awaited after replay has asked for all recorded operations

        async def inside() -> None:
            flags.append(("made by the grown one", ctx.is_replaying))

        async def stays() -> None:
            flags.append(("beside it", ctx.is_replaying))

        flags.append(("start", ctx.is_replaying))
        await ctx.step(one)
        started: list[Any] = []
        await asyncio.gather(grows(), stays())
        await ctx.wait(seconds(10))
        for late in started:
            await late

    runner = rig(workflow, CheckpointingMode.BATCHED)
    arn = runner.start()
    runner.drive(arn, until=runner.clock.now() + 5_000)
    assert flags == [("start", False), ("beside it", False)]
    flags.clear()
    extended = True
    assert runner.drive(arn).status == "SUCCEEDED"
    assert flags == [
        ("start", True),
        ("grown", False),
        ("beside it", True),
        ("made by the grown one", False),
    ]


def test_after_a_crash_what_certainly_ran_stays_silent(kept: Keeping) -> None:
    """The log holds the start of the operation after the line, so the line was logged."""

    async def workflow(event: Any, ctx: DurableContext) -> None:
        ctx.log_info("start")
        await ctx.step(one, name="first")
        ctx.log_info("between")
        await ctx.step(one, name="second", config=StepConfig(acknowledge_start=True))
        ctx.log_info("end")

    _, crashed_there = crashed(workflow, CheckpointingMode.BATCHED, 2, "after")
    assert crashed_there
    assert kept.lines == ["start", "between", "end"]


def test_what_fed_a_finished_map_does_not_hold_off_the_end_of_replay(kept: Keeping) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        async def source() -> AsyncIterator[int]:
            for n in range(2):
                yield await ctx.step(one, name=f"page {n}")

        async def item(inner: DurableContext, n: int, index: int) -> int:
            return await inner.step(one)

        await ctx.map(source(), item)
        ctx.log_info("mapped")
        await ctx.step(one, name="last")
        ctx.log_info("end")

    at = 0
    while True:
        at, kept.lines = at + 1, []
        _, crashed_there = crashed(workflow, CheckpointingMode.BATCHED, at, "after")
        assert set(kept.lines) == {"mapped", "end"}, at
        if not crashed_there:
            break


def with_news(workflow: Workflow, mode: CheckpointingMode, at: int) -> bool:
    """Run beside waits that nobody awaits; the process dies, and some end before the next invocation.

    Returns whether it died.
    """

    async def beside_waits(event: Any, ctx: DurableContext) -> None:
        waits = [ctx.wait(seconds(length), name=f"news {length}") for length in (1, 4, 9, 25)]
        await workflow(event, ctx)
        await ctx.step(one, name="after")
        await asyncio.gather(*waits)

    faults = Faults().crash_at(checkpoint=at, when="after")

    def wrap(plane: DataPlane) -> DataPlane:
        return FaultyPlane(plane, faults, VirtualClock(), lambda arn: True)

    def invoker(inner: Any) -> Any:
        def call(request: Any) -> Any:
            faults.invocation_begins()
            is_to_come = bool(faults.left)
            answer = inner(request)
            if is_to_come and not faults.left:
                made.clock.advance(5_000)
            return answer

        return call

    made = rig(beside_waits, mode, wrappers=Wrappers(data_plane=wrap, invoker=invoker))
    ran = made.run()
    assert ran.status == "SUCCEEDED", ran.error
    return not faults.left


@pytest.mark.parametrize(("name", "mode"), thinned(rotated(WORKFLOWS, CheckpointingMode)))
def test_no_line_is_lost_by_a_crash_though_there_is_news(
    name: str, mode: CheckpointingMode, kept: Keeping
) -> None:
    workflow = WORKFLOWS[name]
    expected = lines_of_a_single_invocation(workflow, kept)
    at = 0
    while True:
        at += 1
        kept.lines = []
        crashed_there = with_news(workflow, mode, at)
        counts = Counter(kept.lines)
        assert sorted(counts) == expected, at
        assert max(counts.values()) <= 2, at
        if not crashed_there:
            break


class Dying(MemoryService):
    """A service that records, and whose answer to one call does not come: the process dies meanwhile."""

    def __init__(self, dies_at: int | None) -> None:
        super().__init__()
        self._dies_at = dies_at

    async def checkpoint(self, request: CheckpointRequest) -> CheckpointResponse:
        response = await super().checkpoint(request)
        if self.calls == self._dies_at:
            raise ServiceError("no answer", code="ServiceException", status=500)
        return response

    def event_with_news(self) -> dict[str, Any]:
        """The next event, for which the wait that is called so has ended."""
        [wait] = [each for each in self.operations.values() if each.name == "news"]
        ended = msgspec.structs.replace(
            wait, status=OperationStatus.SUCCEEDED, end_timestamp=61_000
        )
        self.operations[wait.id] = ended
        return {**self.event("null"), "UpdatedOperationIds": [wait.id]}


def around_news(
    workflow: Workflow,
    kept: Keeping,
    dies_at: int | None,
    mode: CheckpointingMode = CheckpointingMode.BATCHED,
) -> tuple[list[str], dict[str, Any], list[str]]:
    """The lines of an invocation, the event of the next one, which has news, and the lines of that."""
    service = Dying(dies_at)
    handler = durable_execution(checkpointing=mode)(workflow).bind(service)
    kept.lines = []
    if dies_at is None:
        assert handler(service.event("null"), None)["Status"] == "PENDING"
    else:
        with pytest.raises(ServiceError):
            handler(service.event("null"), None)
    before, kept.lines = kept.lines, []
    event = service.event_with_news()
    handler(event, None)
    return before, event, kept.lines


def test_a_dead_process_that_left_what_a_suspended_one_leaves_is_taken_for_one(
    kept: Keeping,
) -> None:
    """The two events are equal, so a line is lost here, or repeated at every resume elsewhere."""

    async def workflow(event: Any, ctx: DurableContext) -> None:
        news = ctx.wait(seconds(60), name="news")
        await ctx.step(one)
        ctx.log_info("between")
        await news
        ctx.log_info("end")

    suspended = around_news(workflow, kept, dies_at=None)
    died = around_news(workflow, kept, dies_at=2)
    assert suspended[1] == died[1]
    assert (suspended[0], suspended[2]) == (["between"], ["end"])
    assert (died[0], died[2]) == ([], ["end"])


async def goes_on(ctx: DurableContext) -> None:
    await ctx.step(one, name="another")


async def ends(ctx: DurableContext) -> None:
    pass


async def fails(ctx: DurableContext) -> None:
    raise LookupError


@pytest.mark.parametrize("what", [goes_on, ends, fails])
@pytest.mark.parametrize("nested", [False, True])
def test_what_a_suspended_invocation_would_have_recorded_proves_that_the_last_one_died(
    what: Any, nested: bool, kept: Keeping
) -> None:
    written: list[tuple[str, Any]] = []

    def emit(record: logging.LogRecord) -> None:
        written.append((record.getMessage(), record.is_replay))  # type: ignore[attr-defined]

    kept.emit = emit  # type: ignore[method-assign]
    other = logging.getLogger("tests.other")

    async def body(ctx: DurableContext) -> None:
        await ctx.step(one)
        mutable = [1]
        ctx.logger.info("of the context %s", mutable)
        other.info("of another logger %s", mutable)
        mutable.append(2)
        await what(ctx)

    async def workflow(event: Any, ctx: DurableContext) -> None:
        news = ctx.wait(seconds(60), name="news")
        await (ctx.run_in_child_context(body) if nested else body(ctx))
        if nested:
            await news

    for dies_at in (1, 2, 3):
        written.clear()
        service = Dying(dies_at)
        handler = durable_execution(workflow).bind(service)
        with contextlib.suppress(ServiceError):
            if handler(service.event("null"), None)["Status"] != "PENDING":
                continue
        handler(service.event_with_news(), None)
        expected = [("of the context [1]", False), ("of another logger [1]", False)]
        assert written in (expected, expected * 2), dies_at


@pytest.mark.parametrize("length", thinned([0.01, 0.5, 30], first=1))
@pytest.mark.parametrize("beside", [False, True], ids=["around the news", "in another task"])
@pytest.mark.parametrize("mode", CheckpointingMode)
def test_a_timer_that_a_suspended_invocation_would_have_recorded_proves_that_the_last_one_died(
    mode: CheckpointingMode, beside: bool, length: float, kept: Keeping
) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        async def beat() -> None:
            await asyncio.sleep(length)

        news = ctx.wait(seconds(60), name="news")
        beating = asyncio.create_task(beat()) if beside else None
        await ctx.step(one)
        ctx.log_info("between")
        if beating is not None:
            await news
            beating.cancel()
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(length):
                await asyncio.shield(news)
        await news

    for dies_at in (1, 2):
        _, _, lines = around_news(workflow, kept, dies_at, mode)
        assert lines == ["between"], dies_at
    before, _, after = around_news(workflow, kept, None, mode)
    assert (before, after) == (["between"], [])


# A wrapped call that runs proves nothing: its thread is not known, and an invocation does not wait long for that.
@pytest.mark.parametrize(
    ("outside", "ends_first"),
    [
        (call_of_a_pool, False),
        (call_of_a_pool, True),
        (wrapped_call, False),
        (wrapped_call, True),
        (short_timer, False),
        (short_timer, True),
    ],
)
@pytest.mark.parametrize("mode", CheckpointingMode)
def test_an_end_that_a_suspended_invocation_would_have_recorded_proves_that_the_last_one_died(
    mode: CheckpointingMode, ends_first: bool, outside: Outside, kept: Keeping
) -> None:
    """It counts where the code comes to rest, whether the call or the timer has ended there by now or not."""

    async def workflow(event: Any, ctx: DurableContext) -> None:
        has_died = ctx.is_replaying
        may_end = threading.Event()
        if ends_first and has_died:
            may_end.set()

        async def beside() -> None:
            with contextlib.suppress(asyncio.CancelledError):
                await outside(may_end.wait, ends_first and has_died)

        news = ctx.wait(seconds(60), name="news")
        running = asyncio.create_task(beside())
        try:
            await ctx.step(one)
            ctx.log_info("between")
            if has_died:
                await news
        finally:
            may_end.set()
        running.cancel()
        await running
        await news

    for dies_at in (1, 2):
        _, _, lines = around_news(workflow, kept, dies_at, mode)
        assert lines == ["between"], dies_at


@pytest.mark.parametrize("mode", CheckpointingMode)
def test_an_attempt_that_was_due_and_did_not_start_proves_that_the_last_invocation_died(
    mode: CheckpointingMode, kept: Keeping
) -> None:
    async def fails() -> None:
        raise LookupError

    async def workflow(event: Any, ctx: DurableContext) -> None:
        news = ctx.wait(seconds(60), name="news")
        retries = FixedDelay(delay=seconds(5), max_attempts=2)
        retried = ctx.step(fails, name="retried", config=StepConfig(retry_strategy=retries))
        await ctx.step(one)
        ctx.log_info("between")
        await news
        await retried

    for is_listed in (False, True):
        service = Dying(None)
        handler = durable_execution(checkpointing=mode)(workflow).bind(service)
        assert handler(service.event("null"), None)["Status"] == "PENDING"
        [due] = [each for each in service.operations.values() if each.name == "retried"]
        service.operations[due.id] = msgspec.structs.replace(due, status=OperationStatus.READY)
        event = service.event_with_news()
        event["UpdatedOperationIds"] += [due.id] if is_listed else []
        kept.lines = []
        handler(event, None)
        assert kept.lines == ([] if is_listed else ["between"])


class DyingBesideABody(Dying):
    """A service whose answer to the end of the step ``one`` does not come, the first time."""

    async def checkpoint(self, request: CheckpointRequest) -> CheckpointResponse:
        response = await super().checkpoint(request)
        has_ended = any(
            (each.name, each.action) == ("one", OperationAction.SUCCEED) for each in request.updates
        )
        if has_ended and self._dies_at is None:
            self._dies_at = self.calls
            raise ServiceError("no answer", code="ServiceException", status=500)
        return response


@pytest.mark.parametrize("mode", CheckpointingMode)
@pytest.mark.parametrize("semantics", StepSemantics)
def test_an_attempt_in_a_virtual_context_that_lives_proves_that_the_last_invocation_died(
    mode: CheckpointingMode, semantics: StepSemantics, kept: Keeping
) -> None:
    begun: list[int] = []

    async def blocks_at_first() -> None:
        begun.append(1)
        if len(begun) == 1:
            await asyncio.Event().wait()

    async def workflow(event: Any, ctx: DurableContext) -> None:
        async def child(inner: DurableContext) -> None:
            blocked = inner.step(blocks_at_first, config=StepConfig(semantics=semantics))
            await inner.step(one)
            inner.log_info("between")
            await news
            await blocked

        news = ctx.wait(seconds(60), name="news")
        await ctx.run_in_child_context(child, config=ChildConfig(virtual=True))

    service = DyingBesideABody(None)
    handler = durable_execution(checkpointing=mode)(workflow).bind(service)
    with pytest.raises(ServiceError):
        handler(service.event("null"), None)
    before, kept.lines = kept.lines, []
    handler(service.event_with_news(), None)
    assert (before, kept.lines) == ([], ["between"])


@pytest.mark.parametrize("mode", CheckpointingMode)
@pytest.mark.parametrize("max_attempts", [1, 2])
def test_an_attempt_that_the_end_of_a_virtual_context_left_under_way_records_nothing(
    mode: CheckpointingMode, max_attempts: int, kept: Keeping
) -> None:
    """Replay ends it as the first run did, before it could be found to be cut off."""
    once = StepConfig(
        semantics=StepSemantics.AT_MOST_ONCE_PER_RETRY,
        retry_strategy=FixedDelay(delay=seconds(5), max_attempts=max_attempts),
    )

    async def blocks() -> None:
        await asyncio.Event().wait()

    async def workflow(event: Any, ctx: DurableContext) -> None:
        async def child(inner: DurableContext) -> None:
            inner.step(blocks, name="left", config=once)
            await inner.step(one)
            inner.log_info("between")

        news = ctx.wait(seconds(60), name="news")
        await ctx.run_in_child_context(child, config=ChildConfig(virtual=True))
        await news
        await ctx.step(one)

    service = Dying(None)
    handler = durable_execution(checkpointing=mode)(workflow).bind(service)
    assert handler(service.event("null"), None)["Status"] == "PENDING"
    assert handler(service.event_with_news(), None)["Status"] == "SUCCEEDED"
    [left] = [each for each in service.operations.values() if each.name == "left"]
    assert left.status == OperationStatus.STARTED
    assert kept.lines == ["between"]

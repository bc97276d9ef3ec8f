"""Ids of tasks, futures and timers depend on workflow code only, not on libraries or the collector."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import anyio
import pytest
from tests.replay.corpus import Probe, Workflow, seconds
from tests.replay.prove import prove
from tests.rig import Rig, run_workflow
from tests.sampling import rotated

from durable_execution_sdk import DurableContext, NoRetry, StepConfig, durable_execution

ONCE = StepConfig(retry_strategy=NoRetry())


def ids(ran: Any) -> dict[str, str]:
    of_workflow = [each for each in ran.events if not each.event_type.startswith("Execution")]
    return {event.name: event.id for event in of_workflow if event.name}


# Effects of the garbage collector.


async def chunks():
    for n in range(10):
        await asyncio.sleep(0)
        yield n


async def reads_the_beginning() -> int:
    """Leave a generator unfinished in a cycle, so that only the collector frees it."""
    last: Exception | None = None
    for attempt in range(2):
        try:
            if attempt == 0:
                raise ConnectionError("again")
            async for chunk in chunks():
                if chunk == 1:
                    return chunk
        except ConnectionError as error:
            last = error
    raise last or AssertionError


@pytest.mark.parametrize("collect_before", range(4))
def test_a_generator_that_the_collector_finalizes_shifts_no_operation(collect_before: int) -> None:
    runs: list[str] = []
    gc.collect()

    async def charge(label: str) -> str:
        runs.append(label)
        return label

    async def workflow(event: Any, ctx: DurableContext) -> list[str]:
        charged = []
        await ctx.step(reads_the_beginning)
        for n in range(3):
            if n == collect_before:
                gc.collect()  # on replay the step does not run, so there is nothing to collect

            async def pay(label: str) -> None:
                charged.append(await ctx.step(charge, label, name="charge"))

            async with asyncio.TaskGroup() as group:
                group.create_task(pay(f"{n}"))
        await ctx.wait(seconds(5))
        await ctx.wait(seconds(5))
        return charged

    gc.disable()
    try:
        ran = run_workflow(workflow)
    finally:
        gc.enable()
    assert ran.status == "SUCCEEDED", ran.error
    assert ran.result == runs == ["0", "1", "2"]


def test_a_generator_of_another_execution_shifts_no_operation() -> None:
    runs: list[str] = []

    async def charge(label: str) -> str:
        runs.append(label)
        return label

    @durable_execution
    async def other(event: Any, ctx: DurableContext) -> int:
        return await ctx.step(reads_the_beginning)

    async def workflow(event: Any, ctx: DurableContext) -> list[str]:
        async def pay(label: str) -> str:
            return await ctx.step(charge, label, name="charge")

        gc.collect()
        paid = [await asyncio.create_task(pay(label)) for label in "ab"]
        await ctx.wait(seconds(5))
        return paid

    gc.disable()
    try:
        rig = Rig(other)
        assert rig.run().status == "SUCCEEDED"
        ran = run_workflow(workflow)
    finally:
        gc.enable()
    assert ran.result == runs == ["a", "b"]


def test_what_a_finalizer_starts_counts_in_a_row_of_its_own() -> None:
    async def farewell() -> None:
        await asyncio.sleep(0)

    class Client:
        def __del__(self) -> None:
            asyncio.get_running_loop().create_task(farewell())

    def with_client(*, drops: bool) -> Any:
        async def workflow(event: Any, ctx: DurableContext) -> None:
            client = Client() if drops else None
            del client

            async def pay() -> None:
                await ctx.step(noop, name="pay")
                async with asyncio.timeout(3600):
                    await ctx.wait(seconds(10), name="rest")

            await asyncio.gather(pay(), pay())

        return run_workflow(workflow)

    assert ids(with_client(drops=True)) == ids(with_client(drops=False))


async def noop() -> None:
    """Do nothing."""


def test_generators_that_an_invocation_left_unfinished_are_closed_at_its_end() -> None:
    closed: list[str] = []
    kept: list[Any] = []

    async def endless():
        try:
            while True:
                yield 1
        finally:
            await asyncio.sleep(0)
            closed.append("closed")

    async def workflow(event: Any, ctx: DurableContext) -> int:
        async def reads() -> int:
            generator = endless()
            kept.append(generator)
            return await anext(generator)

        return await ctx.step(reads)

    assert run_workflow(workflow).result == 1
    assert closed == ["closed"]


@pytest.mark.parametrize("where", ["step", "workflow"])
@pytest.mark.parametrize("look", range(1, 6))
def test_a_generator_that_is_collected_while_the_invocation_ends_is_closed_by_it(
    look: int, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []
    all_tasks = asyncio.all_tasks
    looks: list[None] = []

    def collects(loop: asyncio.AbstractEventLoop | None = None) -> Any:
        """Collect garbage at one of the looks for tasks that are left, as the collector may at any moment."""
        looks.append(None)
        if len(looks) == look:
            gc.collect()
        return all_tasks(loop)

    async def endless():
        try:
            while True:
                yield 1
        finally:
            await asyncio.sleep(0)
            closed.append("closed")

    async def reads() -> int:
        cycle: list[Any] = [endless()]
        cycle.append(cycle)
        return await anext(cycle[0])

    async def workflow(event: Any, ctx: DurableContext) -> int:
        return await (ctx.step(reads) if where == "step" else reads())

    monkeypatch.setattr(asyncio, "all_tasks", collects)
    gc.collect()
    gc.disable()
    try:
        assert run_workflow(workflow).result == 1
    finally:
        gc.enable()
    assert closed == ["closed"]


def test_a_generator_left_unfinished_that_starts_operations_when_closed_is_refused() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> int:
        async def items():
            try:
                yield 1
                yield 2
            finally:
                await ctx.step(noop, name="undo")

        async for item in items():
            await ctx.wait(seconds(5))
            return item
        return 0

    ran = run_workflow(workflow)
    assert ran.status == "FAILED"
    assert "items was left unfinished, and starts operations" in ran.error.error_message
    assert "contextlib.aclosing" in ran.error.error_message


# Sets.


@pytest.mark.parametrize(
    "size", [1, 4, 9, *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 3, 5, 6, 7, 8))]
)
def test_a_set_of_operations_has_the_same_order_after_a_map_has_completed(size: int) -> None:
    def build(probe: Probe) -> Workflow:
        async def run(event: Any, ctx: DurableContext) -> Any:
            async def item(inner: DurableContext, n: int, index: int) -> int:
                return await inner.step(probe.body, n)

            await ctx.map(range(size), item)
            done, _ = await asyncio.wait([ctx.step(probe.body, i, name="work") for i in "abc"])
            for each in done:
                probe.see("done", await ctx.step(probe.body, each.result(), name="notify"))
            await ctx.wait(seconds(5))
            return None

        return run

    prove(build, seeds=2)


def test_a_set_of_tasks_has_the_same_order_after_a_child_has_completed() -> None:
    def build(probe: Probe) -> Workflow:
        async def run(event: Any, ctx: DurableContext) -> Any:
            async def child(inner: DurableContext) -> None:
                await asyncio.gather(*[inner.step(probe.body, n) for n in range(3)])

            async def work(label: str) -> str:
                return str(await ctx.step(probe.body, label, name="work"))

            async def other(label: str) -> str:
                return await work(label)

            await ctx.run_in_child_context(child)
            background = {asyncio.create_task(make(i)) for i in "abc" for make in (work, other)}
            probe.see("gathered", await asyncio.gather(*background))
            await ctx.wait(seconds(5))
            return None

        return run

    prove(build, seeds=2)


def test_gathers_and_shields_in_sets_are_in_the_order_of_their_creation() -> None:
    def build(probe: Probe) -> Workflow:
        async def run(event: Any, ctx: DurableContext) -> Any:
            def work(label: str) -> Any:
                return ctx.step(probe.body, label, name="work")

            for make in (lambda a, b: asyncio.gather(work(a), work(b)), lambda a, _: shield(a)):
                pairs = [make(a, a.upper()) for a in "abcd"]
                done, _ = await asyncio.wait(pairs)
                for each in done:
                    probe.see("done", await ctx.step(probe.body, str(each.result()), name="note"))
            for each in asyncio.as_completed([asyncio.gather(work(a)) for a in "efg"]):
                probe.see("as completed", await each)
            await ctx.wait(seconds(5))
            return None

            async def shielded() -> None: ...

        def shield(label: str) -> Any:
            return asyncio.shield(asyncio.ensure_future(stage_step(label)))

        async def stage_step(label: str) -> str:
            await asyncio.sleep(0)
            return label

        return run

    prove(build, seeds=2)


def test_plain_futures_whose_order_is_their_address_are_refused() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        loop = asyncio.get_running_loop()
        futures = [asyncio.Future(loop=loop) for _ in range(2)]
        for future in futures:
            loop.call_soon(future.set_result, None)
        await asyncio.wait(futures)

    ran = run_workflow(workflow)
    assert ran.status == "FAILED"
    assert "order of their addresses" in ran.error.error_message


def test_anyio_cancels_siblings_in_the_same_order_again() -> None:
    def build(probe: Probe) -> Workflow:
        async def run(event: Any, ctx: DurableContext) -> Any:
            async def sibling(label: str) -> None:
                with anyio.CancelScope():
                    try:
                        await anyio.sleep(3600)
                    finally:
                        probe.see("cancelled", label)

            async with anyio.create_task_group() as group:
                for label in "abcdefgh":
                    group.start_soon(sibling, label)
                await ctx.wait(seconds(3))
                group.cancel_scope.cancel()
            await ctx.wait(seconds(5))
            return None

        return run

    prove(build, seeds=2)


# Callbacks that are pending when an operation is awaited.


def pending(name: str, probe: Probe, ctx: DurableContext, out: list[Any], inside: str) -> Any:
    """Return the kinds of callbacks that may be pending when an operation is awaited."""
    loop = asyncio.get_running_loop()

    async def charge() -> None:
        out.append(
            probe.see("result", await ctx.step(probe.body, "charged", name="charge"), inside=inside)
        )

    async def timeout_past() -> None:
        async with asyncio.timeout_at(loop.time() - 1):
            await charge()

    async def timeout_zero() -> None:
        async with asyncio.timeout(0):
            await charge()

    async def wait_for_zero() -> None:
        await asyncio.wait_for(charge(), 0)

    async def budget_that_is_spent() -> None:
        deadline = loop.time() + 5
        await ctx.wait(seconds(6))
        async with asyncio.timeout(deadline - loop.time()):
            await charge()

    async def move_on() -> None:
        with anyio.move_on_after(0) as scope:
            await charge()
        out.append(probe.see("caught", scope.cancelled_caught, inside=inside))

    async def cancelled_scope() -> None:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await charge()

    async def failed_sibling() -> None:
        async def fails() -> None:
            raise LookupError("sibling")

        async with asyncio.TaskGroup() as group:
            failing = group.create_task(fails())
            while not failing.done():
                await asyncio.sleep(0)
            await charge()

    async def own_cancellation() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await charge()

    async def callback() -> None:
        loop.call_soon(lambda: out.append(probe.see("called", 1, inside=inside)))
        await charge()

    async def timer_of_nothing() -> None:
        loop.call_later(0, lambda: out.append(probe.see("rang", 1, inside=inside)))
        await charge()

    async def done_callback() -> None:
        future = loop.create_future()
        future.add_done_callback(lambda _: out.append(probe.see("told", 1, inside=inside)))
        future.set_result(None)
        await charge()

    ways = {way.__name__: way for way in WAYS_OF(locals())}
    return ways[name]()


def WAYS_OF(names: dict[str, Any]) -> list[Any]:
    return [value for key, value in names.items() if key in PENDING]


PENDING = [
    "timeout_past",
    "timeout_zero",
    "wait_for_zero",
    "budget_that_is_spent",
    "move_on",
    "cancelled_scope",
    "failed_sibling",
    "own_cancellation",
    "callback",
    "timer_of_nothing",
    "done_callback",
]


@pytest.mark.parametrize(("way", "nested"), rotated(PENDING, [False, True]))
def test_what_is_pending_when_an_operation_is_awaited_comes_first_again(
    way: str, nested: bool
) -> None:
    def build(probe: Probe) -> Workflow:
        async def run(event: Any, ctx: DurableContext) -> Any:
            out: list[Any] = []
            await attempt(ctx, out)
            await ctx.wait(seconds(5))
            return out

        async def attempt(ctx: DurableContext, out: list[Any]) -> None:
            try:
                await pending(way, probe, ctx, out, "child" if nested else "")
            except (TimeoutError, asyncio.CancelledError, ExceptionGroup) as error:
                if isinstance(error, asyncio.CancelledError) and way != "own_cancellation":
                    raise  # the end of the invocation
                out.append(
                    probe.see("caught", type(error).__name__, inside="child" if nested else "")
                )

        async def in_child(event: Any, ctx: DurableContext) -> Any:
            await ctx.run_in_child_context(child)
            return None

        async def child(inner: DurableContext) -> None:
            await run(None, inner)

        return in_child if nested else run

    prove(build, seeds=2)


# Task factories and tasks made directly.


@pytest.mark.skipif(not hasattr(asyncio, "eager_task_factory"), reason="Python 3.12")
def test_a_factory_that_a_step_sets_makes_no_task_of_the_workflow() -> None:
    runs: list[str] = []

    async def set_up() -> None:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)

    async def charge(label: str) -> str:
        runs.append(label)
        return label

    async def workflow(event: Any, ctx: DurableContext) -> list[str]:
        async def pay(label: str) -> str:
            return await ctx.step(charge, label)

        await ctx.step(set_up)
        paid = await asyncio.gather(pay("a"), pay("b"))
        await ctx.wait(seconds(5))
        return paid

    ran = run_workflow(workflow)
    assert ran.result == runs == ["a", "b"]


@pytest.mark.skipif(not hasattr(asyncio, "eager_task_factory"), reason="Python 3.12")
def test_a_factory_that_a_step_sets_makes_no_task_of_later_invocations() -> None:
    """An eager task that fails at once lets its group refuse the next one, whose coroutine is never awaited then."""

    async def set_up() -> None:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)

    async def fails(number: int) -> None:
        raise ValueError(number)

    async def group_of_two() -> list[int]:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(fails(1))
                group.create_task(fails(2))
        except ExceptionGroup as error:
            return [each.args[0] for each in error.exceptions]
        return []

    async def workflow(event: Any, ctx: DurableContext) -> list[int]:
        await ctx.step(set_up)
        await ctx.wait(seconds(5))
        return await ctx.step(group_of_two)

    assert run_workflow(workflow).result == [1, 2]


def test_a_task_factory_is_refused_in_workflow_code() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        loop = asyncio.get_running_loop()
        assert loop.get_task_factory() is None
        loop.set_task_factory(lambda loop, coro, **_: asyncio.Task(coro, loop=loop))

    ran = run_workflow(workflow)
    assert ran.status == "FAILED"
    assert "set_task_factory was called in workflow code" in ran.error.error_message


def test_a_task_that_is_made_directly_is_refused_at_its_first_operation() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        async def pay() -> None:
            await ctx.step(noop)

        await asyncio.Task(pay(), name="mine")

    ran = run_workflow(workflow)
    assert ran.status == "FAILED"
    message = ran.error.error_message
    assert "workflow.<locals>.pay' was made with asyncio.Task(...)" in message
    assert "asyncio.create_task" in message


# All tasks.


def test_workflow_code_sees_its_own_tasks_and_none_of_the_sdk() -> None:
    seen: list[set[str]] = []

    async def workflow(event: Any, ctx: DurableContext) -> int:
        async def other() -> None:
            await ctx.wait(seconds(3600))

        async def body() -> int:
            return len(asyncio.all_tasks() - {asyncio.current_task()})

        task = asyncio.create_task(other(), name="other")
        await ctx.step(body)
        everything = asyncio.all_tasks() - {asyncio.current_task()}
        seen.append({each.get_name() for each in everything})
        for each in everything:
            each.cancel()
        await asyncio.gather(*everything, return_exceptions=True)
        return int(task.cancelled())

    ran = run_workflow(workflow)
    assert ran.result == 1, ran.error
    assert seen == [{"other"}]


@pytest.mark.parametrize("what", ["cancelled", "awaited"])
def test_a_step_may_not_touch_tasks_of_the_workflow(what: str) -> None:
    async def touch() -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if what == "cancelled":
            for each in others:
                each.cancel()
        else:
            await asyncio.gather(*others)

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(touch)

    ran = run_workflow(workflow)
    assert ran.status == "FAILED"
    assert f"was {what} inside a step" in ran.error.error_message
    assert ran.invocations == 1


def test_a_step_that_awaits_an_operation_of_its_workflow_is_told() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        slow = ctx.wait(seconds(10), name="slow")

        async def waits() -> None:
            await slow

        await ctx.step(waits, config=ONCE)

    ran = run_workflow(workflow)
    assert ran.status == "FAILED"
    assert "wait 'slow' was awaited inside a step" in ran.error.error_message


# The same ids on every version of Python.


def test_an_operation_within_wait_for_has_the_id_that_it_has_without() -> None:
    async def waits(event: Any, ctx: DurableContext) -> None:
        async def pay() -> None:
            await ctx.step(noop, name="pay")

        await asyncio.wait_for(pay(), 3600)
        await ctx.step(noop, name="after")

    async def calls(event: Any, ctx: DurableContext) -> None:
        async def pay() -> None:
            await ctx.step(noop, name="pay")

        await pay()
        await ctx.step(noop, name="after")

    assert ids(run_workflow(waits)) == ids(run_workflow(calls))


def test_timers_within_wait_for_are_those_of_its_caller() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        async def pay() -> None:
            await asyncio.sleep(5)

        await asyncio.wait_for(pay(), 3600)
        await asyncio.wait_for(asyncio.sleep(5), 3600)

    ran = run_workflow(workflow)
    found = {event.id for event in ran.events if event.name == "asyncio timer"}
    assert len(found) >= 2
    assert all(each.startswith("timer_") and "-" in each for each in found)
    rows = {each.split("-")[0].rpartition("_")[0] for each in found}
    assert rows <= {"timer_pay", "timer_workflow", "timer_asyncio"}

"""Time limits of polls, invokes, child contexts, items and branches: the log's order decides, on every replay."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from msgspec.structs import replace
from tests import rig
from tests.replay.corpus import BIG, Probe, Workflow, seconds
from tests.replay.play import Play, Watched, extends, other
from tests.replay.play import replay as replay_state
from tests.replay.prove import played, prove, prove_in_mode
from tests.replay.test_crash_everywhere import WAYS
from tests.rig import Ran
from tests.sampling import name_of, one_each, thinned, whole_or_sample

from durable_execution_sdk import (
    CheckpointingMode,
    ChildConfig,
    ChildContextError,
    ChildContextTimeoutError,
    CompletionConfig,
    ConfigError,
    DurableContext,
    FixedDelay,
    InvokeConfig,
    InvokeError,
    InvokeTimeoutError,
    ItemBatcher,
    MapConfig,
    NestingType,
    OperationCancelledError,
    ParallelConfig,
    StepContext,
    WaitForConditionConfig,
    WaitForConditionError,
    WaitForConditionTimeoutError,
    WithRetryConfig,
    durable_execution,
    poll_until,
)
from durable_execution_sdk.emulator.clock import VIRTUAL_START
from durable_execution_sdk.protocol.data_plane import InitialExecutionState
from durable_execution_sdk.protocol.operations import OperationStatus, was_given_up
from durable_execution_sdk.runtime.log.ids import LIMITS
from durable_execution_sdk.testing import LocalDurableTestRunner

ALL = CompletionConfig.all_completed()
LIMITED = ChildConfig(timeout=seconds(60))
MODES = list(CheckpointingMode)


async def stuck(probe: Probe, name: str) -> None:
    """A body that only its cancellation ends."""
    await probe.body(name)
    await asyncio.Event().wait()


async def end(probe: Probe, ctx: DurableContext) -> Any:
    """Wait and run a step, so that later invocations replay what came before."""
    await ctx.wait(seconds(20))
    return probe.see("end", await ctx.step(probe.body, "end"))


async def late(probe: Probe, awaitable: Any, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        await awaitable
    probe.see("late", [str(caught.value), caught.value.__dict__])


def waiting(wait: int, size: int = 1) -> Any:
    async def child(inner: DurableContext) -> str:
        await inner.wait(seconds(wait))
        return "x" * size

    return child


def polling(until: int, timeout: int = 60) -> WaitForConditionConfig[int]:
    return WaitForConditionConfig(
        initial_state=0,
        wait_strategy=poll_until(lambda state: state > until, max_attempts=1000),
        timeout=seconds(timeout),
    )


# Operations that take too long.


def a_poll(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        async def check(state: int) -> int:
            return state + 1

        poll = ctx.wait_for_condition(check, polling(500), name="p")
        await late(probe, poll, WaitForConditionTimeoutError)
        await late(probe, poll, WaitForConditionError)
        return await end(probe, ctx)

    return run


def a_check_that_is_stuck(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        async def check(state: int) -> int:
            await stuck(probe, "check")
            return state

        poll = ctx.wait_for_condition(check, polling(0, timeout=1), name="p")
        await late(probe, poll, WaitForConditionTimeoutError)
        return await end(probe, ctx)

    return run


def an_invoke(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        invoked = ctx.invoke("other:$LATEST", 3, name="i", config=InvokeConfig(timeout=seconds(4)))
        await late(probe, invoked, InvokeTimeoutError)
        await late(probe, invoked, InvokeError)
        # The other function ends meanwhile.
        return await end(probe, ctx)

    return run


def a_child(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        async def child(inner: DurableContext) -> None:
            await inner.step(probe.body, "first", name="first")
            inner.wait(seconds(3))
            await asyncio.gather(
                inner.step(stuck, probe, "x", name="x"),
                inner.run_in_child_context(waiting(1000)),
            )

        handle = ctx.run_in_child_context(child, name="c", config=ChildConfig(timeout=seconds(1)))
        await late(probe, handle, ChildContextTimeoutError)
        await late(probe, handle, ChildContextError)
        return await end(probe, ctx)

    return run


def a_child_that_waits(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        async def child(inner: DurableContext) -> None:
            for n in range(100):
                await inner.wait(seconds(25))
                await inner.step(probe.body, f"round {n}")

        handle = ctx.run_in_child_context(child, name="c", config=LIMITED)
        await late(probe, handle, ChildContextTimeoutError)
        return await end(probe, ctx)

    return run


def a_virtual_child(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        async def child(inner: DurableContext) -> None:
            await inner.step(probe.body, "first", name="first")
            await asyncio.gather(
                inner.step(stuck, probe, "x", name="x"),
                inner.run_in_child_context(waiting(1000)),
                inner.wait(seconds(1000)),
            )

        config = ChildConfig(virtual=True, timeout=seconds(1))
        handle = ctx.run_in_child_context(child, name="c", config=config)
        await late(probe, handle, ChildContextTimeoutError)
        await late(probe, handle, ChildContextError)
        return await end(probe, ctx)

    return run


def items(nesting: NestingType, **options: Any) -> Any:
    def build(probe: Probe) -> Workflow:
        async def run(event: Any, ctx: DurableContext) -> Any:
            async def item(inner: DurableContext, n: int, index: int) -> int:
                await inner.wait(seconds(n))
                await inner.step(probe.body, f"item {n}", name="s")
                return n

            config = MapConfig(
                nesting=nesting, item_timeout=seconds(50), max_concurrency=3, **options
            )
            batch = await ctx.map([5, 100, 7, 200, 9], item, name="m", config=config)
            probe.see("reason", batch.completion_reason)
            for each in batch:
                error = each.error
                probe.see("item", [each.status, each.result, type(error), str(error)])
            assert any(isinstance(each, ChildContextTimeoutError) for each in batch.errors())
            return await end(probe, ctx)

        return run

    build.__name__ = f"items_{nesting}_{len(options)}"
    return build


def a_map_that_is_decided_early(nesting: NestingType) -> Any:
    def build(probe: Probe) -> Workflow:
        async def run(event: Any, ctx: DurableContext) -> Any:
            async def item(inner: DurableContext, n: int, index: int) -> int:
                await inner.wait(seconds(n))
                return n

            config = MapConfig(
                nesting=nesting,
                item_timeout=seconds(500),
                completion=CompletionConfig(min_successful=2),
            )
            batch = await ctx.map([5, 600, 7, 900], item, name="m", config=config)
            probe.see("batch", [(each.status, each.result) for each in batch])
            return await end(probe, ctx)

        return run

    build.__name__ = f"early_{nesting}"
    return build


def groups_of_items(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        async def group(inner: DurableContext, ns: list[int], index: int) -> list[int]:
            for n in ns:
                await inner.wait(seconds(n))
            return ns

        config = MapConfig(
            item_batcher=ItemBatcher(max_items=2), item_timeout=seconds(50), completion=ALL
        )
        batch = await ctx.map([5, 100, 7, 8], group, name="m", config=config)
        probe.see("batch", [(each.status, each.result, str(each.error)) for each in batch])
        return await end(probe, ctx)

    return run


def branches(nesting: NestingType) -> Any:
    def build(probe: Probe) -> Workflow:
        async def run(event: Any, ctx: DurableContext) -> Any:
            config = ParallelConfig(nesting=nesting, branch_timeout=seconds(50), completion=ALL)
            batch = await ctx.parallel(
                {"quick": waiting(5), "slow": waiting(100)}, name="p", config=config
            )
            probe.see("batch", [(each.status, each.result, str(each.error)) for each in batch])
            with pytest.raises(ChildContextTimeoutError):
                batch.throw_if_error()
            return await end(probe, ctx)

        return run

    build.__name__ = f"branches_{nesting}"
    return build


def attempts_of_a_block(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        async def attempt(inner: DurableContext) -> str:
            is_early = (inner.now() - began).total_seconds() < 25
            await inner.step(probe.body, "s", name="s")
            await inner.wait(seconds(100 if is_early else 5))
            return "done"

        began = ctx.now()
        config = WithRetryConfig(
            attempt_timeout=seconds(20),
            retry_strategy=FixedDelay(max_attempts=9, delay=seconds(2)),
        )
        probe.see("done", await ctx.with_retry(attempt, name="r", config=config))
        return await end(probe, ctx)

    return run


def a_block_of_attempts(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        async def attempt(inner: DurableContext) -> str:
            await inner.wait(seconds(8))
            raise LookupError("again")

        config = WithRetryConfig(
            timeout=seconds(20), retry_strategy=FixedDelay(max_attempts=99, delay=seconds(1))
        )
        await late(
            probe, ctx.with_retry(attempt, name="r", config=config), ChildContextTimeoutError
        )
        return await end(probe, ctx)

    return run


# Operations that end in time.


def in_time(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        async def check(state: int) -> int:
            return state + 1

        async def raises(inner: DurableContext) -> None:
            await inner.wait(seconds(2))
            raise LookupError("nothing")

        probe.see("poll", await ctx.wait_for_condition(check, polling(3), name="p"))
        config: InvokeConfig[int] = InvokeConfig(timeout=seconds(90))
        probe.see("invoke", await ctx.invoke("other:$LATEST", 3, config=config))
        probe.see("child", await ctx.run_in_child_context(waiting(50), config=LIMITED))
        virtual = ChildConfig(virtual=True, timeout=seconds(60))
        probe.see("virtual", await ctx.run_in_child_context(waiting(50), config=virtual))
        with pytest.raises(LookupError):
            await ctx.run_in_child_context(raises, config=LIMITED)
        return await end(probe, ctx)

    return run


# Handles, tasks and contexts around them.


def two_tasks_that_await_it(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        handle = ctx.run_in_child_context(waiting(100), name="c", config=LIMITED)

        async def look(name: str) -> str:
            with pytest.raises(ChildContextTimeoutError):
                await handle
            probe.see(name)
            return await ctx.step(probe.body, name)

        probe.see("both", await asyncio.gather(look("a"), look("b")))
        assert isinstance(handle.exception(), ChildContextTimeoutError)
        return await end(probe, ctx)

    return run


def none_that_awaits_it(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        config: InvokeConfig[int] = InvokeConfig(timeout=seconds(4))
        handles = [
            ctx.run_in_child_context(waiting(100), name="c", config=LIMITED),
            ctx.invoke("other:$LATEST", 3, name="i", config=config),
        ]
        called: list[str] = []
        for handle in handles:
            handle.add_done_callback(lambda handle: called.append(handle.name))
        for _ in range(9):
            await ctx.wait(seconds(11))
            probe.see("done", [[handle.done() for handle in handles], list(called)])
        return await end(probe, ctx)

    return run


def operands(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        handle = ctx.run_in_child_context(waiting(100), name="c", config=LIMITED)
        wait = ctx.wait(seconds(90))
        with pytest.raises(ChildContextTimeoutError):
            await ctx.race(handle, wait)
        settled = await ctx.all_settled(handle, wait)
        probe.see("settled", [(each.status, str(each.error)) for each in settled])
        with pytest.raises(ChildContextTimeoutError):
            await asyncio.gather(handle, wait)
        return await end(probe, ctx)

    return run


def ends_in_the_same_millisecond(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        async def one(inner: DurableContext, _item: int, index: int) -> int:
            await inner.wait(seconds(30))
            return index

        # The clock stands still while the waits and the time limits begin, so all are due together.
        config = MapConfig(item_timeout=seconds(30), completion=ALL)
        flat = MapConfig(item_timeout=seconds(30), completion=ALL, nesting=NestingType.FLAT)
        handles = {
            "nested": ctx.map(range(4), one, config=config),
            "flat": ctx.map(range(4), one, config=flat),
            "child": ctx.run_in_child_context(waiting(30), config=ChildConfig(timeout=seconds(30))),
            "wait": ctx.wait(seconds(30)),
            "poll": ctx.wait_for_condition(lambda state: state + 1, polling(99, 30), name="p"),
        }
        left = dict(handles)
        while left:
            await asyncio.wait(left.values(), return_when=asyncio.FIRST_COMPLETED)
            for name, handle in list(left.items()):
                if handle.done():
                    del left[name]
                    probe.see(name, str(handle.exception() or handle.result()))
        return await end(probe, ctx)

    return run


def cancelled_before(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        handle = ctx.run_in_child_context(waiting(100), name="c", config=LIMITED)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(10):
                await handle
        with pytest.raises(OperationCancelledError):
            await handle
        other = ctx.run_in_child_context(waiting(100), name="d", config=LIMITED)
        await ctx.wait(seconds(5))
        probe.see("cancelled", [other.cancel(), other.cancelled()])
        await ctx.wait(seconds(100))
        return await end(probe, ctx)

    return run


def within_contexts_that_are_given_up(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        async def outer(inner: DurableContext) -> None:
            config: InvokeConfig[int] = InvokeConfig(timeout=seconds(300))
            deep = inner.run_in_child_context(waiting(500), name="deep", config=LIMITED)
            inner.invoke("other:$LATEST", 3, name="i", config=config)
            with pytest.raises(ChildContextTimeoutError):
                await deep
            await inner.run_in_child_context(
                waiting(500), name="deeper", config=ChildConfig(timeout=seconds(400))
            )

        for virtual in (False, True):
            config = ChildConfig(virtual=virtual, timeout=seconds(90))
            handle = ctx.run_in_child_context(outer, name=f"o {virtual}", config=config)
            await late(probe, handle, ChildContextTimeoutError)
        return await end(probe, ctx)

    return run


def an_error_that_passes_through_contexts(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        async def outer(inner: DurableContext) -> Any:
            return await inner.run_in_child_context(waiting(500), name="deep", config=LIMITED)

        handle = ctx.run_in_child_context(outer, name="o")
        with pytest.raises(ChildContextTimeoutError, match="deep") as caught:
            await handle
        probe.see("error", [type(caught.value).__name__, caught.value.error_type])
        return await end(probe, ctx)

    return run


def in_contexts_that_are_built_again(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        async def outer(inner: DurableContext, _item: int, index: int) -> str:
            config: InvokeConfig[int] = InvokeConfig(timeout=seconds(4))
            with pytest.raises(ChildContextTimeoutError):
                await inner.run_in_child_context(waiting(500), name="deep", config=LIMITED)
            with pytest.raises(InvokeTimeoutError):
                await inner.invoke("other:$LATEST", 3, name="i", config=config)
            inner.run_in_child_context(waiting(500), name="left", config=LIMITED)
            quick = inner.run_in_child_context(waiting(5), name="quick", config=LIMITED)
            return await quick + "x" * BIG

        big = await ctx.run_in_child_context(outer, 0, 0, name="big")
        probe.see("big", len(big))
        config = MapConfig(item_timeout=seconds(150), completion=ALL)

        async def item(inner: DurableContext, n: int, index: int) -> str:
            await outer(inner, n, index)
            await inner.wait(seconds(n))
            return "x" * BIG

        batch = await ctx.map([1, 500, 2], item, config=config)
        probe.see("batch", [(each.status, len(each.result or "")) for each in batch])
        return await end(probe, ctx)

    return run


def budgets(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        def look(label: str) -> None:
            probe.see(label, [ctx.budget.operations.used, ctx.budget.bytes.used])

        look("begin")
        for virtual in (False, True):
            config = ChildConfig(timeout=seconds(60), virtual=virtual)
            handle = ctx.run_in_child_context(waiting(100), config=config)
            with pytest.raises(ChildContextTimeoutError):
                await handle
            look(f"virtual {virtual}")
        await ctx.run_in_child_context(waiting(10), config=LIMITED)
        look("in time")
        for nesting in NestingType:
            config_of_map = MapConfig(item_timeout=seconds(50), nesting=nesting, completion=ALL)

            async def item(inner: DurableContext, n: int, index: int) -> None:
                await inner.wait(seconds(n))

            await ctx.map([5, 100], item, config=config_of_map)
            look(nesting)
        return await end(probe, ctx)

    return run


LATE = [
    a_poll,
    a_check_that_is_stuck,
    an_invoke,
    a_child,
    a_child_that_waits,
    a_virtual_child,
    *(items(nesting, completion=ALL) for nesting in NestingType),
    *(items(nesting) for nesting in NestingType),
    groups_of_items,
    *(branches(nesting) for nesting in NestingType),
    attempts_of_a_block,
    a_block_of_attempts,
    two_tasks_that_await_it,
    operands,
    within_contexts_that_are_given_up,
    an_error_that_passes_through_contexts,
    in_contexts_that_are_built_again,
    budgets,
]
OTHERS = [
    *(a_map_that_is_decided_early(nesting) for nesting in NestingType),
    in_time,
    none_that_awaits_it,
    ends_in_the_same_millisecond,
    cancelled_before,
]


BUILDS = [*LATE, *OTHERS]


@whole_or_sample
@pytest.mark.parametrize("build", thinned(BUILDS, 7), ids=name_of)
@pytest.mark.usefixtures("flowing_time")
def test_replay_repeats_it_after_cuts_crashes_and_schedules(build: Any, whole: bool) -> None:
    ran = prove(build, same_log=False, whole=whole)
    if build in LATE:
        assert "WaitSucceeded" in {
            event.event_type for event in ran.events if (event.name or "").startswith("time limit")
        }


@pytest.mark.parametrize(
    ("build", "mode", "way"), thinned(one_each(BUILDS, MODES, WAYS)), ids=name_of
)
@pytest.mark.usefixtures("flowing_time")
def test_it_is_the_same_in_all_modes(build: Any, mode: CheckpointingMode, way: Any) -> None:
    prove_in_mode(build, mode, way)


def limits_of(ran: Ran) -> list[tuple[str, str | None]]:
    return [
        (event.event_type.removeprefix("Wait"), event.name)
        for event in ran.events
        if (event.name or "").startswith("time limit")
    ]


# The cost, and the record.


def test_a_timer_is_one_operation_more_and_none_for_what_is_quick() -> None:
    async def quick(inner: DurableContext) -> None:
        await inner.step(lambda: None, name="s")

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.run_in_child_context(quick, config=LIMITED)
        batch = await ctx.map(
            range(3),
            lambda inner, n, index: quick(inner),
            config=MapConfig(item_timeout=seconds(9)),
        )
        batch.throw_if_error()
        await ctx.run_in_child_context(waiting(5), name="slow", config=LIMITED)

    ran = rig.run_workflow(workflow)
    assert ran.status == "SUCCEEDED", ran.error
    assert limits_of(ran) == [
        ("Started", "time limit of slow"),
        ("Cancelled", "time limit of slow"),
    ]


def test_the_record_names_the_limit_and_the_handle_raises_the_same_again() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> list[Any]:
        handle = ctx.run_in_child_context(waiting(100), name="c", config=LIMITED)
        with pytest.raises(ChildContextTimeoutError) as caught:
            await handle
        await ctx.wait(seconds(1))
        with pytest.raises(ChildContextTimeoutError) as again:
            await handle
        error = caught.value
        assert again.value is error
        return [str(error), error.error_type, error.operation_name, error.operation_id is not None]

    ran = rig.run_workflow(workflow)
    message = (
        "child context 'c' took longer than its time limit of 1m, and was given up: raise the limit, or catch the"
        " ChildContextTimeoutError"
    )
    assert ran.result == [message, "ChildContextTimeoutError", "c", True]
    [failed] = [event for event in ran.events if event.event_type == "ContextFailed"]
    assert failed.context_failed_details is not None
    recorded = failed.context_failed_details.error.payload
    assert recorded is not None
    assert (recorded.error_type, recorded.error_message) == ("ChildContextTimeoutError", message)


def test_an_invoke_that_took_too_long_goes_on_elsewhere() -> None:
    ended: list[int] = []
    seen: list[list[int]] = []

    @durable_execution
    async def slow(event: int, ctx: DurableContext) -> int:
        await ctx.wait(seconds(50))
        ended.append(event)
        return event

    async def workflow(event: Any, ctx: DurableContext) -> str:
        config: InvokeConfig[int] = InvokeConfig(timeout=seconds(10))
        with pytest.raises(
            InvokeTimeoutError, match=r"slow:\$LATEST goes on.*InvokeConfig"
        ) as caught:
            await ctx.invoke("slow:$LATEST", 3, name="i", config=config)
        await ctx.step(lambda: seen.append(list(ended)), name="look")
        await ctx.wait(seconds(100))
        return str(caught.value)

    ran = rig.run_workflow(workflow, others={"slow": slow})
    assert ran.status == "SUCCEEDED", ran.error
    assert (seen, ended) == ([[]], [3])
    assert "ChainedInvokeSucceeded" in ran.types()


@pytest.mark.parametrize(("passed", "left"), [(25, 35), (59, 1), (500, 1)])
def test_the_time_counts_from_the_start_of_the_operation_after_a_crash(
    passed: int, left: int
) -> None:
    def build(probe: Probe) -> Workflow:
        async def run(event: Any, ctx: DurableContext) -> Any:
            config: InvokeConfig[int] = InvokeConfig(timeout=seconds(60))
            return await ctx.invoke("other:$LATEST", 3, name="i", config=config)

        return run

    shape, play, _ = played(build)
    state = play.snapshots[-1]
    operations = [
        replace(
            operation,
            status=OperationStatus.STARTED,
            end_timestamp=None,
            chained_invoke_details=None,
            start_timestamp=VIRTUAL_START - passed * 1000,
        )
        if operation.name == "i"
        else operation
        for operation in state.initial_execution_state.operations
        if not operation.id.startswith(LIMITS)
    ]
    cut = replace(state, initial_execution_state=InitialExecutionState(operations=operations))
    updates = replay_state(shape, cut).updates
    lengths = [update.wait_options.wait_seconds for update in updates if update.wait_options]
    assert lengths == [left]


def test_an_end_in_the_millisecond_of_the_limit_that_came_after_it_stays_after_it() -> None:
    """The function of the context ends before its limit, and the limit before the record of that."""

    def build(probe: Probe) -> Workflow:
        async def run(event: Any, ctx: DurableContext) -> Any:
            async def child(inner: DurableContext) -> str:
                await asyncio.gather(inner.wait(seconds(30)), inner.wait(seconds(30)))
                return "in time"

            config = ChildConfig(timeout=seconds(30))
            handle = ctx.run_in_child_context(child, name="c", config=config)
            await asyncio.wait([handle])
            probe.see("ended", str(handle.exception() or handle.result()))
            return await end(probe, ctx)

        return run

    shape, _, calm = played(build)
    [fired] = [
        event.event_timestamp
        for event in calm.events
        if (event.event_type, event.name) == ("WaitSucceeded", "time limit of c")
    ]

    def tied(operations: Any) -> list[Any]:
        return [
            replace(each, end_timestamp=fired)
            if each.name == "c" and each.status == OperationStatus.SUCCEEDED
            else each
            for each in operations
        ]

    class Tied(Watched):
        """A service in which the context ends in the millisecond of its limit."""

        async def checkpoint(self, request: Any) -> Any:
            response = await super().checkpoint(request)
            return replace(response, operations=tied(response.operations))

    play = Play(shape, wrap=lambda plane, _: Tied(plane))
    ran = play.run()
    assert ran.result == "end", ran.error
    observed = play.probe.observations[1]
    assert "took longer" in observed[0][2]
    state = play.snapshots[-1]
    held = tied(state.initial_execution_state.operations)
    assert [each.end_timestamp for each in held if each.name == "c"] == [fired]
    cut = replace(state, initial_execution_state=InitialExecutionState(operations=held))
    assert extends(observed, replay_state(shape, cut).observed)


@pytest.mark.parametrize("build", [a_child_that_waits, two_tasks_that_await_it], ids=name_of)
def test_the_record_of_giving_up_in_the_millisecond_of_the_limit_is_not_delivered(
    build: Any,
) -> None:
    shape, play, _ = played(build)
    state = play.snapshots[-1]
    held = state.initial_execution_state.operations
    [fired] = [each.end_timestamp for each in held if each.id.startswith(LIMITS)]
    given_up = [each for each in held if each.status == OperationStatus.FAILED]
    assert [each.name for each in given_up] == ["c"]
    assert all(map(was_given_up, given_up))
    tied = [replace(each, end_timestamp=fired) if each in given_up else each for each in held]
    cut = replace(state, initial_execution_state=InitialExecutionState(operations=tied))
    assert extends(play.probe.observations[-1], replay_state(shape, cut).observed)


def test_a_limit_of_what_no_code_awaits_does_not_hold_off_a_deadlock() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        config: InvokeConfig[int] = InvokeConfig(timeout=seconds(4))
        ctx.invoke("other:$LATEST", 3, name="i", config=config)
        await asyncio.Event().wait()

    ran = rig.run_workflow(workflow, others={"other": other})
    assert ran.status == "FAILED"
    assert ran.error.error_type == "DeadlockError"
    assert ran.invocations == 1


@pytest.mark.parametrize("virtual", [False, True])
def test_a_limit_ends_a_context_that_is_deadlocked_by_itself(virtual: bool) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        async def child(inner: DurableContext) -> None:
            await asyncio.Event().wait()

        config = ChildConfig(timeout=seconds(60), virtual=virtual)
        with pytest.raises(ChildContextTimeoutError):
            await ctx.run_in_child_context(child, name="c", config=config)
        return "went on"

    ran = rig.run_workflow(workflow)
    assert (ran.status, ran.result) == ("SUCCEEDED", "went on")
    assert ran.invocations == 2


def test_a_plain_check_in_a_thread_is_told_that_its_time_is_up() -> None:
    told = threading.Event()

    def check(state: int) -> int:
        step = StepContext.current()
        while not step.is_cancelled:
            told.wait(0.01)
        told.set()
        return state

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.wait_for_condition(check, polling(9, timeout=1), name="p")

    result = LocalDurableTestRunner(durable_execution(workflow)).run_sync()
    assert isinstance(result.error, WaitForConditionTimeoutError)
    assert told.is_set()


def test_a_saga_around_a_limit_is_undone_and_one_in_it_is_not() -> None:
    undone: list[str] = []

    async def workflow(event: Any, ctx: DurableContext) -> None:
        async def child(inner: DurableContext) -> None:
            async with inner.saga() as saga:
                await saga.step(lambda: "inner", compensate=undone.append, name="book")
                await inner.wait(seconds(1000))

        async with ctx.saga() as saga:
            await saga.step(lambda: "outer", compensate=undone.append, name="book")
            await ctx.run_in_child_context(child, name="c", config=LIMITED)

    ran = rig.run_workflow(workflow)
    assert ran.error.error_type == "ChildContextTimeoutError"
    assert undone == ["outer"]


# Changed code.


def versioned(before: Any, after: Any) -> tuple[Any, Any, Ran]:
    """Run until the child waits by one config, and go on by another."""

    def workflow(config: ChildConfig) -> Any:
        async def child(inner: DurableContext) -> None:
            await inner.wait(seconds(30))
            await inner.wait(seconds(70))

        async def run(event: Any, ctx: DurableContext) -> str:
            try:
                await ctx.run_in_child_context(child, name="c", config=config)
            except ChildContextTimeoutError:
                return "late"
            return "in time"

        return durable_execution(run)

    service = rig.Rig(workflow(before))
    arn = service.start()
    service.drive(arn, until=VIRTUAL_START + 20_000)
    other_code = rig.Rig(workflow(after))
    service.driver._functions.add_durable("workflow", other_code.handler.bind)
    return service, arn, service.drive(arn)


@pytest.mark.parametrize(
    ("before", "after", "result"),
    [
        (LIMITED, ChildConfig(), "in time"),
        (ChildConfig(), LIMITED, "late"),
        (LIMITED, ChildConfig(timeout=seconds(500)), "late"),
    ],
    ids=["taken away", "added", "changed"],
)
def test_code_may_change_the_limit_of_what_is_under_way(
    before: ChildConfig, after: ChildConfig, result: str
) -> None:
    _, _, ran = versioned(before, after)
    assert (ran.status, ran.result) == ("SUCCEEDED", result), ran.error


# Options.


@pytest.mark.parametrize(
    ("make", "option"),
    [
        (partial(ChildConfig), "timeout"),
        (partial(InvokeConfig[Any]), "timeout"),
        (
            partial(WaitForConditionConfig[Any], initial_state=0, wait_strategy=poll_until(bool)),
            "timeout",
        ),
        (partial(MapConfig), "item_timeout"),
        (partial(ParallelConfig), "branch_timeout"),
        (partial(WithRetryConfig), "timeout"),
        (partial(WithRetryConfig), "attempt_timeout"),
    ],
)
def test_a_limit_is_a_second_to_366_days(make: Any, option: str) -> None:
    for good in (seconds(1), timedelta(days=366), timedelta(milliseconds=300), None):
        make(**{option: good})
    for bad in (seconds(0), timedelta(0), timedelta(days=367), timedelta(seconds=-1), 5, "1 s"):
        with pytest.raises(ConfigError, match=rf"Config\.{option}"):
            make(**{option: bad})


def test_the_errors_are_those_of_their_operations() -> None:
    assert issubclass(WaitForConditionTimeoutError, WaitForConditionError)
    assert issubclass(InvokeTimeoutError, InvokeError)
    assert issubclass(ChildContextTimeoutError, ChildContextError)

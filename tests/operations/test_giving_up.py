"""Giving up: a cancelled task gives up the operation that it awaits, and no later invocation runs it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import Any

import anyio
import pytest
from msgspec.structs import replace
from tests.replay.corpus import ONE_TRY, RETRY, Declined, Probe, Workflow, seconds
from tests.replay.play import Play, Watched, replay
from tests.replay.prove import played, prove
from tests.replay.test_crash_everywhere import WAYS
from tests.rig import Ran, run_workflow
from tests.sampling import name_of, one_each, thinned, whole_or_sample

from durable_execution_sdk import (
    CheckpointingMode,
    ChildConfig,
    ChildContextError,
    ConfigError,
    DurableContext,
    InvocationError,
    MapConfig,
    NestingType,
    NoRetry,
    OperationCancelledError,
    ServiceError,
    StepConfig,
    StepContext,
    StepError,
    StepInterruptedError,
    StepSemantics,
    WaitForConditionConfig,
    WithRetryConfig,
    durable_execution,
    poll_until,
)
from durable_execution_sdk.emulator.clock import VirtualClock
from durable_execution_sdk.emulator.faults.injection import FaultyPlane
from durable_execution_sdk.emulator.function_caller import Wrappers
from durable_execution_sdk.protocol.data_plane import InitialExecutionState
from durable_execution_sdk.protocol.operations import GIVEN_UP, was_given_up
from durable_execution_sdk.testing import (
    LocalDurableTestRunner,
    check_crash_safety_sync,
    check_replay_sync,
)
from durable_execution_sdk.testing.faults import Faults

SOON = 0.01
RETRIED = StepConfig(retry_strategy=RETRY)
ONCE = StepConfig(retry_strategy=NoRetry(), semantics=StepSemantics.AT_MOST_ONCE_PER_RETRY)
MODES = list(CheckpointingMode)


async def stuck(probe: Probe, name: str) -> None:
    """A body that only its cancellation ends."""
    await probe.body(name)
    await asyncio.Event().wait()


async def end(probe: Probe, ctx: DurableContext) -> Any:
    """Wait and run a step, so that later invocations replay the operation that was given up."""
    await ctx.wait(seconds(20))
    return probe.see("end", await ctx.step(probe.body, "end"))


def failures(ran: Ran) -> list[tuple[str | None, str | None]]:
    """Return the names and error types of the operations that are recorded as failed."""
    recorded = []
    for event in ran.events:
        details = event.step_failed_details or event.context_failed_details
        if details is not None:
            error = details.error.payload
            recorded.append((event.name, error.error_type if error else None))
    return recorded


def given_up(ran: Ran) -> list[str | None]:
    return [name for name, error in failures(ran) if error == GIVEN_UP.error_type]


async def late(probe: Probe, label: str, awaitable: Any) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(SOON):
            await awaitable
    probe.see(label)


# Operations that are given up, and their records.


def a_step(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        step = ctx.step(stuck, probe, "s", name="s")
        await late(probe, "late", step)
        with pytest.raises(OperationCancelledError, match="step 's' was given up") as caught:
            await step
        probe.see("again", caught.value.operation_name)
        return await end(probe, ctx)

    return run


def a_step_at_most_once(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        step = ctx.step(stuck, probe, "s", name="s", config=ONCE)
        try:
            await late(probe, "late", step)
        except StepInterruptedError:
            pass  # a crash came first
        return await end(probe, ctx)

    return run


def a_poll(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        async def check(state: int) -> int:
            await stuck(probe, "check")
            return state

        config = WaitForConditionConfig(
            initial_state=0, wait_strategy=poll_until(lambda state: bool(state))
        )
        await late(probe, "late", ctx.wait_for_condition(check, name="s", config=config))
        return await end(probe, ctx)

    return run


def a_child(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        async def grandchild(inner: DurableContext) -> None:
            await inner.step(stuck, probe, "deep", name="deep")

        async def child(inner: DurableContext) -> None:
            inner.wait(seconds(3))
            await inner.step(probe.body, "first", name="first")
            await asyncio.gather(
                inner.step(stuck, probe, "x", name="x"), inner.run_in_child_context(grandchild)
            )

        await late(probe, "late", ctx.run_in_child_context(child, name="s"))
        return await end(probe, ctx)

    return run


def a_virtual_child(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        async def inmost(inner: DurableContext) -> None:
            await inner.step(stuck, probe, "s", name="s")

        async def child(inner: DurableContext) -> None:
            inner.wait(seconds(3))
            await inner.run_in_child_context(inmost, config=ChildConfig(virtual=True))

        child_ = ctx.run_in_child_context(child, config=ChildConfig(virtual=True))
        await late(probe, "late", child_)
        with pytest.raises(OperationCancelledError):
            await child_
        return await end(probe, ctx)

    return run


def a_map(nesting: NestingType) -> Any:
    def build(probe: Probe) -> Workflow:
        async def run(event: Any, ctx: DurableContext) -> Any:
            async def item(inner: DurableContext, n: int, index: int) -> Any:
                await inner.step(probe.body, f"quick {n}", name="quick")
                await inner.step(stuck, probe, f"slow {n}", name="slow")

            config = MapConfig(nesting=nesting)
            await late(probe, "late", ctx.map(range(3), item, name="s", config=config))
            return await end(probe, ctx)

        return run

    build.__name__ = f"a_map_that_is_{nesting}"
    return build


def a_map_of_a_stream(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        async def numbers() -> Any:
            yield 1
            await ctx.step(probe.body, "two", name="two")
            yield 2

        async def item(inner: DurableContext, n: int, index: int) -> Any:
            await inner.step(stuck, probe, f"slow {n}", name="slow")

        await late(probe, "late", ctx.map(numbers(), item, name="s"))
        return await end(probe, ctx)

    return run


def a_parallel(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        async def branch(name: str, inner: DurableContext) -> Any:
            await inner.step(stuck, probe, name, name=name)

        branches = {name: partial(branch, name) for name in "ab"}
        await late(probe, "late", ctx.parallel(branches, name="s"))
        return await end(probe, ctx)

    return run


def a_wait_for_callback(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        async def submit(callback_id: str) -> None:
            await probe.body("submit")

        await late(probe, "late", ctx.wait_for_callback(submit, name="s"))
        return await end(probe, ctx)

    return run


def a_block_that_is_tried_again(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        async def attempt(inner: DurableContext) -> None:
            await inner.step(stuck, probe, "slow", name="slow")

        config = WithRetryConfig(retry_strategy=RETRY)
        await late(probe, "late", ctx.with_retry(attempt, name="s", config=config))
        return await end(probe, ctx)

    return run


def operands_of_a_gather(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        step = ctx.step(stuck, probe, "s", name="s")
        wait, callback = ctx.wait(seconds(4000)), await ctx.create_callback("cb")
        await late(probe, "late", asyncio.gather(step, wait, callback))
        for each in (step, wait, callback):
            with pytest.raises(OperationCancelledError):
                await each
        return await end(probe, ctx)

    return run


def tasks_of_a_failed_group(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        async def slow() -> None:
            await ctx.step(stuck, probe, "s", name="s")

        async def fails() -> None:
            await ctx.step(probe.fails, "f", name="f", config=ONE_TRY)

        with pytest.raises(ExceptionGroup) as caught:
            async with asyncio.TaskGroup() as group:
                group.create_task(slow())
                group.create_task(fails())
        probe.see("group", [type(each).__name__ for each in caught.value.exceptions])
        return await end(probe, ctx)

    return run


def by_wait_for(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        step = ctx.step(stuck, probe, "s", name="s")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(step, SOON)
        with pytest.raises(OperationCancelledError):
            await step
        return await end(probe, ctx)

    return run


def by_a_timeout_that_is_past(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        step = ctx.step(stuck, probe, "s", name="s")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(step, 0)
        return await end(probe, ctx)

    return run


def by_hand(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        step = ctx.step(stuck, probe, "s", name="s")
        await ctx.step(probe.body, "before", name="before")
        probe.see("cancel", [step.cancel(), step.cancel(), step.cancelled()])
        return await end(probe, ctx)

    return run


def by_two_tasks(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        step = ctx.step(stuck, probe, "s", name="s")

        async def look() -> None:
            await step

        tasks = [asyncio.create_task(look()) for _ in range(2)]
        await ctx.step(probe.body, "before", name="before")
        for task in tasks:
            probe.see("cancelled", step.cancelled())
            task.cancel()
        await asyncio.wait(tasks)
        probe.see("cancelled", [step.cancelled(), *(task.cancelled() for task in tasks)])
        return await end(probe, ctx)

    return run


def losers_of_a_race(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        slow = ctx.step(stuck, probe, "s", name="s")

        async def task() -> None:
            await ctx.step(stuck, probe, "t", name="t")

        timer = ctx.wait(seconds(9000))
        winner = ctx.step(probe.body, "quick", name="quick")
        probe.see("won", await ctx.race(slow, timer, task(), winner, cancel_losers=True))
        probe.see("timer", await timer)
        with pytest.raises(OperationCancelledError):
            await slow
        return await end(probe, ctx)

    return run


def losers_of_any(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        slow = ctx.step(stuck, probe, "s", name="s")
        fails = ctx.step(probe.fails, "f", name="f", config=ONE_TRY)
        quick = ctx.step(probe.body, "quick", name="quick")
        probe.see("won", await ctx.any(fails, slow, quick, cancel_losers=True))
        return await end(probe, ctx)

    return run


GIVES_UP: dict[Any, list[str]] = {
    a_step: ["s"],
    a_step_at_most_once: ["s"],
    a_poll: ["s"],
    a_child: ["s"],
    a_virtual_child: ["s"],
    a_map(NestingType.NESTED): ["s"],
    a_map(NestingType.FLAT): ["s"],
    a_map_of_a_stream: ["s"],
    a_parallel: ["s"],
    a_wait_for_callback: ["s"],
    a_block_that_is_tried_again: ["s"],
    operands_of_a_gather: ["s"],
    tasks_of_a_failed_group: ["s"],
    by_wait_for: ["s"],
    by_a_timeout_that_is_past: ["s"],
    by_hand: ["s"],
    by_two_tasks: ["s"],
    losers_of_a_race: ["s", "t"],
    losers_of_any: ["s"],
}


@whole_or_sample
@pytest.mark.parametrize("build", thinned(GIVES_UP), ids=lambda build: build.__name__)
def test_an_operation_of_a_cancelled_task_is_given_up_after_each_crash(
    build: Any, *, whole: bool
) -> None:
    # A crash may come between the start of a body and its record, or before a timer's.
    ran = prove(build, same_log=False, whole=whole)
    assert given_up(ran) == GIVES_UP[build]
    assert ran.invocations <= 3


@pytest.mark.parametrize(("build", "mode"), one_each(GIVES_UP, MODES), ids=name_of)
def test_only_the_outermost_is_recorded_and_no_body_runs_again(
    build: Any, mode: CheckpointingMode
) -> None:
    shape, _, _ = played(build)
    play = Play(shape, mode=mode)
    ran = play.run()
    assert ran.result == "end", ran.error
    assert given_up(ran) == GIVES_UP[build]
    assert set(play.probe.runs.values()) == {1}
    for state in play.snapshots:
        assert replay(shape, state, mode).outcome.error is None


class Crashing(Watched):
    """A service that ends the process around the call that records a giving up."""

    def __init__(self, plane: Any, faults: Faults, way: Any) -> None:
        super().__init__(plane)
        self.faults = faults
        self.way = way
        self.calls = 0
        self.has_crashed = False

    async def checkpoint(self, request: Any) -> Any:
        self.calls += 1
        if not self.has_crashed and any(update.error == GIVEN_UP for update in request.updates):
            self.has_crashed = True
            self.faults.crash_at(checkpoint=self.calls, when=self.way)
        return await super().checkpoint(request)


@pytest.mark.parametrize(("build", "way", "mode"), one_each(GIVES_UP, WAYS, MODES), ids=name_of)
def test_a_crash_between_the_cancellation_and_its_record_runs_no_body_again(
    build: Any, way: Any, mode: CheckpointingMode
) -> None:
    shape, _, _ = played(build)
    faults = Faults()
    planes: list[Crashing] = []

    def wrap(plane: Any, play: Play) -> Any:
        faulty = FaultyPlane(plane, faults, VirtualClock(), lambda arn: arn == play.arn)
        planes.append(Crashing(faulty, faults, way))
        return planes[-1]

    play = Play(shape, wrap=wrap, keeps_states=False, begins=faults.invocation_begins, mode=mode)
    ran = play.run()
    assert planes[0].has_crashed
    assert ran.result == "end", ran.error
    assert given_up(ran) == GIVES_UP[build]
    assert set(play.probe.runs.values()) == {1}


# Operations that are not given up.


def a_reminder_loop(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        callback = await ctx.create_callback("cb")
        timer = ctx.wait(seconds(9))
        for number in range(9):
            try:
                if number % 2:
                    await asyncio.wait_for(callback, 3)
                else:
                    async with asyncio.timeout(3):
                        await callback
                break
            except TimeoutError:
                probe.see("remind", await ctx.step(probe.body, f"remind {number}", name="remind"))
            if number == 3:
                await ctx.step(probe.gives, callback.callback_id)
        probe.see("answer", await callback)
        probe.see("timer", await timer)
        return await end(probe, ctx)

    return run


def an_invoke_that_takes_long(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        invoke = ctx.invoke("other:$LATEST", 21)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(invoke, 2)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await invoke
        probe.see("value", await invoke)
        return await end(probe, ctx)

    return run


def what_is_shielded(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        step = ctx.step(probe.fails, "s", 3, name="s", config=RETRIED)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await asyncio.shield(step)
        probe.see("step", await step)
        return await end(probe, ctx)

    return run


def what_another_task_awaits(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        step = ctx.step(probe.fails, "s", 3, name="s", config=RETRIED)

        async def look() -> Any:
            return await step

        tasks = [asyncio.create_task(look()) for _ in range(2)]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await step
        tasks[0].cancel()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(step, 1)
        probe.see("step", await tasks[1])
        return await end(probe, ctx)

    return run


def what_asyncio_wait_looked_at(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        steps = [ctx.step(probe.fails, n, 3, name=n, config=RETRIED) for n in "ab"]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await asyncio.wait(steps)
        probe.see("steps", [await step for step in steps])
        return await end(probe, ctx)

    return run


def operands_of_combinators(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        steps = [ctx.step(probe.fails, n, 3, name=n, config=RETRIED) for n in "ab"]
        both = ctx.all(*steps)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await both
        probe.see("both", await both)
        return await end(probe, ctx)

    return run


def losers_that_nobody_cancels(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        callback = await ctx.create_callback("cb")
        step = ctx.step(probe.fails, "s", 3, name="s", config=RETRIED)
        probe.see("first", await ctx.race(callback, step, ctx.wait(seconds(1))))
        await ctx.step(probe.gives, callback.callback_id)
        probe.see("others", [await callback, await step])
        return await end(probe, ctx)

    return run


def the_steps_of_a_saga(probe: Probe) -> Workflow:
    async def undo(name: str) -> None:
        await probe.body(f"undo {name}")

    async def run(event: Any, ctx: DurableContext) -> Any:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1), ctx.saga() as saga:
                await saga.step(probe.fails, "s", 3, compensate=undo, name="s", config=RETRIED)
        return await end(probe, ctx)

    return run


KEPT = [
    a_reminder_loop,
    an_invoke_that_takes_long,
    what_is_shielded,
    what_another_task_awaits,
    what_asyncio_wait_looked_at,
    operands_of_combinators,
    losers_that_nobody_cancels,
    the_steps_of_a_saga,
]


@whole_or_sample
@pytest.mark.parametrize("build", KEPT, ids=lambda build: build.__name__)
def test_operations_that_others_await_or_that_run_no_code_are_kept(
    build: Any, *, whole: bool
) -> None:
    # When a crash delays something, another one may come first.
    ran = prove(build, same_log=False, same_result=False, whole=whole)
    assert given_up(ran) == []


def test_the_step_of_a_saga_that_was_under_way_is_undone() -> None:
    _, play, _ = played(the_steps_of_a_saga)
    assert play.probe.runs["undo s", 1] == 1


# Between two attempts.


async def fails_once(probe: Probe, name: str) -> None:
    await probe.fails(name, 2)
    await asyncio.sleep(0.05)


def a_step_between_two_attempts(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        with suppress(TimeoutError):  # a crash may delay the timer
            async with asyncio.timeout(1):
                await ctx.step(fails_once, probe, "s", name="s", config=RETRIED)
        return await end(probe, ctx)

    return run


def a_step_whose_child_is_given_up(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        async def child(inner: DurableContext) -> None:
            await inner.step(fails_once, probe, "s", name="inside", config=RETRIED)

        with suppress(TimeoutError):  # a crash may delay the timer
            async with asyncio.timeout(1):
                await ctx.run_in_child_context(child, name="s")
        return await end(probe, ctx)

    return run


@pytest.mark.parametrize("mode", MODES)
def test_a_step_is_given_up_between_two_attempts(mode: CheckpointingMode) -> None:
    shape, _, _ = played(a_step_between_two_attempts)
    play = Play(shape, mode=mode)
    ran = play.run()
    assert (ran.status, given_up(ran)) == ("SUCCEEDED", ["s"])
    # It is recorded when the next attempt is due, in place of its start.
    assert set(play.probe.runs) == {("s", 1), ("end", 1)}
    of_step = [event.event_type for event in ran.events if event.name == "s"]
    assert of_step == ["StepStarted", "StepFailed", "StepFailed"]


@whole_or_sample
@pytest.mark.parametrize(
    "build", [a_step_between_two_attempts, a_step_whose_child_is_given_up], ids=lambda b: b.__name__
)
def test_giving_up_between_two_attempts_survives_crashes(build: Any, *, whole: bool) -> None:
    ran = prove(build, same_log=False, same_result=False, whole=whole)
    assert given_up(ran) == ["s"]


def test_a_step_that_was_given_up_between_two_attempts_holds_no_execution_open() -> None:
    async def fails() -> None:
        raise Declined("no", amount=1)

    async def workflow(event: Any, ctx: DurableContext) -> str:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await ctx.step(fails, config=RETRIED)
        return "done"

    ran = run_workflow(workflow)
    assert (ran.result, ran.invocations) == ("done", 2)


# Operations whose outcome is recorded already.


class CancelsInFlight:
    """A service that cancels a task while the call with the outcome of a step is in flight."""

    def __init__(self, plane: Any, action: str, tasks: list[Any]) -> None:
        self.plane, self.now, self.get_state = plane, plane.now, plane.get_state
        self.action, self.tasks = action, tasks

    async def checkpoint(self, request: Any) -> Any:
        response = await self.plane.checkpoint(request)
        if self.tasks and any(update.action == self.action for update in request.updates):
            self.tasks.pop().cancel()
            for _ in range(9):
                await asyncio.sleep(0)
        return response


@pytest.mark.parametrize("action", ["SUCCEED", "FAIL", "RETRY"])
def test_an_outcome_in_flight_is_followed_by_no_other(action: str) -> None:
    tasks: list[Any] = []

    async def body() -> None:
        if action != "SUCCEED":
            raise Declined("no", amount=1)

    async def workflow(event: Any, ctx: DurableContext) -> str:
        async def look() -> None:
            await ctx.step(body, name="s", config=RETRIED if action == "RETRY" else ONE_TRY)

        task = asyncio.create_task(look())
        tasks.append(task)
        await asyncio.wait([task])
        return str(task.cancelled())

    wrappers = Wrappers(data_plane=lambda plane: CancelsInFlight(plane, action, tasks))
    ran = run_workflow(workflow, wrappers=wrappers)
    assert (ran.result, given_up(ran)) == ("True", [])
    assert len([event for event in ran.events if event.name == "s"]) == 2


# Replay.


def test_two_ends_in_one_millisecond_are_seen_as_the_first_run_saw_them() -> None:
    """The record of a step that was given up is never delivered, at any place in the log."""
    for build in (a_step, a_child, by_hand, a_map(NestingType.NESTED)):
        shape, play, _ = played(build)
        state = play.snapshots[-1]
        operations = [
            replace(op, end_timestamp=1) if was_given_up(op) else op
            for op in state.initial_execution_state.operations
        ]
        assert any(was_given_up(op) for op in operations)
        state = replace(state, initial_execution_state=InitialExecutionState(operations=operations))
        again = replay(shape, state)
        assert again.observed == play.probe.observations[-1]
        assert not again.updates


@pytest.mark.parametrize("kind", ["step", "child", "map"])
def test_code_that_no_longer_gives_up_a_recorded_operation_has_diverged(kind: str) -> None:
    shape_of_code = {"gives up": True}

    def build(probe: Probe) -> Workflow:
        async def run(event: Any, ctx: DurableContext) -> Any:
            async def child(inner: DurableContext, *_: Any) -> None:
                await inner.step(stuck, probe, "x", name="x")

            if kind == "step":
                handle: Any = ctx.step(stuck, probe, "s", name="s")
            elif kind == "child":
                handle = ctx.run_in_child_context(child, name="s")
            else:
                handle = ctx.map([1], child, name="s")
            await ctx.step(probe.body, "before", name="before")
            if shape_of_code["gives up"]:
                handle.cancel()
            else:
                await handle
            return await end(probe, ctx)

        return run

    shape, play, _ = played(build)
    shape_of_code["gives up"] = False
    outcome = replay(shape, play.snapshots[-1]).outcome
    assert outcome.error is not None
    assert outcome.error.error_type == "DeterminismError"
    assert "the log holds that the workflow gave up" in str(outcome.error.error_message)
    assert "'s'" in str(outcome.error.error_message)


def test_a_failure_of_the_users_own_by_that_name_is_a_failure() -> None:
    class OperationCancelled(Exception):
        pass

    async def fails() -> None:
        raise OperationCancelled("mine")

    async def workflow(event: Any, ctx: DurableContext) -> str:
        with pytest.raises(StepError, match="mine"):
            await ctx.step(fails, config=ONE_TRY)
        await ctx.wait(seconds(5))
        return "seen twice"

    assert run_workflow(workflow).result == "seen twice"


def test_the_error_of_an_operation_that_was_given_up_crosses_contexts_as_a_failure() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        async def child(inner: DurableContext) -> None:
            step = inner.step(asyncio.Event().wait, name="s")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(step, SOON)
            await step

        with pytest.raises(ChildContextError) as caught:
            await ctx.run_in_child_context(child)
        assert isinstance(caught.value, OperationCancelledError)
        await ctx.wait(seconds(5))
        raise caught.value

    ran = run_workflow(workflow)
    assert ran.error.error_type == "OperationCancelledError"
    assert "step 's' was given up" in ran.error.error_message


@whole_or_sample
def test_a_large_context_is_built_again_without_operations_that_it_gave_up(*, whole: bool) -> None:
    def build(probe: Probe) -> Workflow:
        async def run(event: Any, ctx: DurableContext) -> Any:
            async def big(inner: DurableContext) -> str:
                step = inner.step(stuck, probe, "s", name="s")
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(SOON):
                        await step
                with pytest.raises(OperationCancelledError):
                    await step
                return "x" * 300_000

            probe.see("big", len(await ctx.run_in_child_context(big)))
            return await end(probe, ctx)

        return run

    ran = prove(build, same_log=False, whole=whole)
    assert given_up(ran) == ["s"]


# Waits.


class Refusing:
    """A service that refuses to cancel waits."""

    def __init__(self, plane: Any, asked: list[int]) -> None:
        self.plane, self.now, self.get_state = plane, plane.now, plane.get_state
        self.asked = asked

    async def checkpoint(self, request: Any) -> Any:
        cancelled = sum(update.action == "CANCEL" for update in request.updates)
        self.asked.append(cancelled)
        if cancelled:
            raise ServiceError(
                "a wait cannot be cancelled", code="InvalidParameterValueException", status=400
            )
        return await self.plane.checkpoint(request)


def refusing() -> tuple[Wrappers, list[int]]:
    asked: list[int] = []

    class Anew(Refusing):
        """A service of a new class, because refusals are remembered by class."""

    return Wrappers(data_plane=lambda plane: Anew(plane, asked)), asked


def test_a_service_that_refuses_to_cancel_waits_is_asked_once() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> list[Any]:
        waits = [ctx.wait(seconds(30)) for _ in range(3)]
        await ctx.step(lambda: 1)
        seen: list[Any] = [waits[0].cancel(), await ctx.step(lambda: 2)]
        seen += [waits[1].cancel(), await ctx.step(lambda: 3)]
        async with asyncio.timeout(3600):
            seen.append(await ctx.step(lambda: 4))
        return [*seen, await waits[0], await waits[1]]

    wrappers, asked = refusing()
    for _ in range(2):
        ran = run_workflow(workflow, wrappers=wrappers)
        assert (ran.status, ran.result) == ("SUCCEEDED", [True, 2, True, 3, 4, None, None])
        assert "WaitCancelled" not in ran.types()
    assert sum(asked) == 1


def test_timers_of_asyncio_live_with_a_service_that_refuses_to_cancel_waits() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        async with asyncio.timeout(3600):
            await ctx.wait(seconds(5))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(7):
                await asyncio.gather(ctx.wait(seconds(60)), ctx.wait(seconds(90)))
        return "done"

    wrappers, asked = refusing()
    assert run_workflow(workflow, wrappers=wrappers).result == "done"
    assert sum(asked) == 1


def test_a_checkpoint_that_is_refused_for_another_reason_fails_the_execution() -> None:
    class Hostile(Refusing):
        async def checkpoint(self, request: Any) -> Any:
            raise ServiceError("no", code="InvalidParameterValueException", status=400)

    async def workflow(event: Any, ctx: DurableContext) -> None:
        timer = ctx.wait(seconds(30))
        timer.cancel()
        await timer

    ran = run_workflow(workflow, wrappers=Wrappers(data_plane=lambda plane: Hostile(plane, [])))
    assert "the service refused the checkpoint of wait" in ran.error.error_message


# Options, tools.


def test_cancel_losers_takes_a_bool() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        for combine in (ctx.race, ctx.any):
            with pytest.raises(ConfigError, match="cancel_losers"):
                combine(ctx.wait(seconds(1)), cancel_losers="yes")  # type: ignore[arg-type]

    assert run_workflow(workflow).status == "SUCCEEDED"


def test_a_body_is_told_that_it_is_given_up() -> None:
    seen: list[Any] = []

    async def body() -> None:
        context = StepContext.current()
        seen.append(context.is_cancelled)
        try:
            await asyncio.Event().wait()
        finally:
            seen.append(context.is_cancelled)

    async def workflow(event: Any, ctx: DurableContext) -> str:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ctx.step(body), SOON)
        return "done"

    assert run_workflow(workflow).result == "done"
    assert seen == [False, True]


@pytest.mark.parametrize("ends", ["returns", "raises", "ends the invocation"])
def test_the_outcome_of_a_cancelled_body_is_ignored(ends: str) -> None:
    async def body() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if ends == "returns":
                return "too late"
            raise (
                LookupError("too late") if ends == "raises" else InvocationError("too late")
            ) from None
        return "never"

    async def workflow(event: Any, ctx: DurableContext) -> str:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ctx.step(body, name="s"), SOON)
        await ctx.wait(seconds(5))
        return "done"

    ran = run_workflow(workflow)
    assert (ran.result, ran.invocations, given_up(ran)) == ("done", 2, ["s"])


def test_a_history_with_operations_that_were_given_up_can_be_rehearsed() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        async def child(inner: DurableContext) -> None:
            await inner.step(asyncio.Event().wait, name="x")

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ctx.step(asyncio.Event().wait, name="s"), SOON)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SOON):
                await ctx.run_in_child_context(child)
        await ctx.wait(seconds(5))
        return await ctx.step(lambda: "done", name="end")

    handler = durable_execution(workflow)
    result = LocalDurableTestRunner(handler).run_sync()
    assert result.result == "done"
    check_replay_sync(handler, result).raise_if_failed()
    check_crash_safety_sync(handler).raise_if_failed()


@pytest.mark.parametrize("others", [(), ("wait",), ("callback",), ("wait", "callback")])
def test_a_scope_of_anyio_knows_its_cancellation_through_a_gather(others: tuple[str, ...]) -> None:
    """anyio recognizes its cancellation by the message, which each operand of the gather has to keep."""

    async def workflow(event: Any, ctx: DurableContext) -> list[Any]:
        made: dict[str, Any] = {
            "wait": lambda: ctx.wait(seconds(1)),
            "callback": lambda: ctx.create_callback(),
        }
        with anyio.CancelScope() as scope:
            scope.cancel()
            operands = [ctx.step(lambda: 1), *(made[each]() for each in others)]
            await asyncio.gather(*operands, return_exceptions=True)
        await ctx.wait(seconds(5))
        return [scope.cancelled_caught, await ctx.step(lambda: "on")]

    assert run_workflow(workflow).result == [True, "on"]


async def swallows() -> str:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        return "swallowed"
    raise AssertionError


async def at_once() -> str:
    return "done"


async def undo(result: object) -> None:
    pass


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(
    ("last", "returns"),
    [
        ("step", False),
        ("step", True),
        ("task", True),
        ("swallowing task", True),
        ("cancelled handle", True),
        ("step of a saga", False),
        ("step of a saga", True),
    ],
)
def test_a_scope_of_anyio_knows_its_cancellation_though_the_last_operand_ended_otherwise(
    last: str, returns: bool, nested: bool
) -> None:
    """``gather`` takes the message from its last operand, which lacks it unless the scope has cancelled it."""

    async def workflow(event: Any, ctx: DurableContext) -> list[Any]:
        async with ctx.saga() as saga:
            made: dict[str, Any] = {
                "step": lambda: ctx.step(lambda: 1),
                "task": lambda: asyncio.create_task(at_once()),
                "swallowing task": lambda: asyncio.create_task(swallows()),
                "cancelled handle": lambda: ctx.step(asyncio.Event().wait, name="cancelled"),
                "step of a saga": lambda: saga.step(asyncio.sleep, 3 * SOON, compensate=undo),
            }
            with anyio.move_on_after(SOON) as scope:
                operand = made[last]()
                if last == "cancelled handle":
                    asyncio.get_running_loop().call_soon(operand.cancel)
                stuck = ctx.step(asyncio.Event().wait, name="stuck")
                gathered = asyncio.gather(stuck, operand, return_exceptions=returns)
                await (asyncio.gather(gathered) if nested else gathered)
        await ctx.wait(seconds(5))
        return [scope.cancelled_caught, await ctx.step(lambda: "on")]

    handler = durable_execution(workflow)
    result = LocalDurableTestRunner(handler).run_sync()
    assert result.result == [True, "on"], result.error
    check_replay_sync(handler, result).raise_if_failed()


async def by_wait(ctx: DurableContext, handle: Any) -> Any:
    [done], _ = await asyncio.wait([handle])
    return done.result()


async def by_as_completed(ctx: DurableContext, handle: Any) -> Any:
    for each in asyncio.as_completed([handle]):
        await each


async def by_exception(ctx: DurableContext, handle: Any) -> Any:
    raise handle.exception()


async def by_all_settled(ctx: DurableContext, handle: Any) -> Any:
    [settled] = await ctx.all_settled(handle)
    raise settled.error or AssertionError


async def twice(ctx: DurableContext, handle: Any) -> Any:
    with suppress(OperationCancelledError):
        await handle
    await asyncio.wait_for(handle, 5)


WAYS_TO_ASK: dict[str, Any] = {
    "await": lambda ctx, handle: handle,
    "wait_for": lambda ctx, handle: asyncio.wait_for(handle, 5),
    "shield": lambda ctx, handle: asyncio.shield(handle),
    "wait": by_wait,
    "as_completed": by_as_completed,
    "exception": by_exception,
    "all": lambda ctx, handle: ctx.all(handle),
    "race": lambda ctx, handle: ctx.race(handle),
    "all_settled": by_all_settled,
    "twice": twice,
}


@pytest.mark.parametrize("ask", list(WAYS_TO_ASK.values()), ids=list(WAYS_TO_ASK))
@pytest.mark.parametrize("given_up_by", ["race", "wait_for", "timeout"])
def test_each_way_to_ask_for_what_was_given_up_tells_so(ask: Any, given_up_by: str) -> None:
    async def work() -> None:
        await asyncio.Event().wait()

    async def workflow(event: Any, ctx: DurableContext) -> str:
        handle = ctx.step(work, name="lost")
        if given_up_by == "race":
            await ctx.race(handle, ctx.step(lambda: None, name="quick"), cancel_losers=True)
        elif given_up_by == "wait_for":
            # By its own time limit, which it tells as such.
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(handle, SOON)
        else:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(SOON):
                    await handle
        with pytest.raises(OperationCancelledError) as caught:
            await ask(ctx, handle)
        return str(caught.value)

    ran = run_workflow(workflow)
    assert ran.status == "SUCCEEDED", ran.error
    assert "step 'lost' was given up" in ran.result

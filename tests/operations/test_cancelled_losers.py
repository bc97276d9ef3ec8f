"""``cancel_losers=True``: losers of every kind are given up once the decision is delivered, and replay repeats it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests import rig
from tests.replay.corpus import RETRY, Probe, Workflow, seconds
from tests.replay.play import replay
from tests.replay.prove import played, prove, prove_in_mode
from tests.replay.test_crash_everywhere import WAYS
from tests.sampling import name_of, one_each, thinned, whole_or_sample

from durable_execution_sdk import (
    CheckpointingMode,
    ChildConfig,
    DurableContext,
    InvokeConfig,
    MapConfig,
    NestingType,
    StepConfig,
    StepSemantics,
    WaitForConditionConfig,
    WithRetryConfig,
    poll_until,
)
from durable_execution_sdk.protocol.operations import OperationStatus
from durable_execution_sdk.protocol.updates import OperationAction

MODES = list(CheckpointingMode)
RETRIED = StepConfig(retry_strategy=RETRY)
ONCE = StepConfig(retry_strategy=RETRY, semantics=StepSemantics.AT_MOST_ONCE_PER_RETRY)
NEVER = WaitForConditionConfig(initial_state=0, wait_strategy=poll_until(lambda state: state > 99))


async def stuck(probe: Probe, name: str) -> None:
    """A body that only its cancellation ends."""
    await probe.body(name)
    await asyncio.Event().wait()


async def long(inner: DurableContext, *_: Any) -> None:
    await inner.wait(seconds(1000))


Start = Callable[[Probe, DurableContext], Any]
KINDS: dict[str, Start] = {
    "step": lambda probe, ctx: ctx.step(stuck, probe, "s", name="s"),
    "step between two attempts": lambda probe, ctx: ctx.step(
        probe.fails, "s", 5, name="s", config=StepConfig(retry_strategy=SLOW_RETRY)
    ),
    "step at most once": lambda probe, ctx: ctx.step(stuck, probe, "s", name="s", config=ONCE),
    "poll": lambda probe, ctx: ctx.wait_for_condition(lambda state: state + 1, NEVER, name="p"),
    "wait": lambda probe, ctx: ctx.wait(seconds(1000)),
    "callback": lambda probe, ctx: callback(ctx),
    "wait for callback": lambda probe, ctx: ctx.wait_for_callback(lambda _: None, name="w"),
    "invoke": lambda probe, ctx: ctx.invoke("other:$LATEST", 3, name="i"),
    "child": lambda probe, ctx: ctx.run_in_child_context(long),
    "child with a body": lambda probe, ctx: ctx.run_in_child_context(
        lambda inner: inner.step(stuck, probe, "deep", name="deep"), name="c"
    ),
    "virtual child": lambda probe, ctx: ctx.run_in_child_context(
        lambda inner: inner.step(stuck, probe, "deep", name="deep"),
        name="v",
        config=ChildConfig(virtual=True),
    ),
    "map": lambda probe, ctx: ctx.map(range(2), long),
    "flat map": lambda probe, ctx: ctx.map(
        range(2), long, config=MapConfig(nesting=NestingType.FLAT)
    ),
    "parallel": lambda probe, ctx: ctx.parallel([long, long]),
    "block": lambda probe, ctx: ctx.with_retry(long, config=WithRetryConfig(retry_strategy=RETRY)),
    "child with a limit": lambda probe, ctx: ctx.run_in_child_context(
        long, config=ChildConfig(timeout=seconds(500))
    ),
    "invoke with a limit": lambda probe, ctx: ctx.invoke(
        "other:$LATEST", 3, config=InvokeConfig(timeout=seconds(9))
    ),
    "task": lambda probe, ctx: asyncio.create_task(job(probe, ctx)),
    "coroutine": lambda probe, ctx: job(probe, ctx),
    "race": lambda probe, ctx: ctx.race(ctx.wait(seconds(900)), ctx.run_in_child_context(long)),
}
SLOW_RETRY = type(RETRY)(max_attempts=5, delay=seconds(60))


def callback(ctx: DurableContext) -> Any:
    async def answer() -> Any:
        return await (await ctx.create_callback("cb"))

    return asyncio.create_task(answer())


async def job(probe: Probe, ctx: DurableContext) -> None:
    await ctx.step(probe.body, "before", name="before")
    await ctx.step(stuck, probe, "t", name="t")


def loser(combinator: str, kind: str) -> Any:
    def build(probe: Probe) -> Workflow:
        async def run(event: Any, ctx: DurableContext) -> Any:
            operand = KINDS[kind](probe, ctx)
            timer = ctx.wait(seconds(4))
            combine = getattr(ctx, combinator)
            await combine(operand, timer, name="decision", cancel_losers=True)
            probe.see("decided", [timer.done()])
            if isinstance(operand, asyncio.Future):
                (outcome,) = await asyncio.gather(operand, return_exceptions=True)
                probe.see("loser", [type(outcome).__name__, str(outcome)])
            # What an invoked function or a wait does afterwards changes nothing.
            await ctx.wait(seconds(20))
            return probe.see("end", await ctx.step(probe.body, "end"))

        return run

    build.__name__ = f"{combinator} with a {kind}"
    return build


def beside_a_loser_that_others_await(probe: Probe) -> Workflow:
    """A loser that another task awaits is given up all the same: that was asked for."""

    async def run(event: Any, ctx: DurableContext) -> Any:
        slow = ctx.run_in_child_context(long, name="slow")

        async def look() -> str:
            (outcome,) = await asyncio.gather(slow, return_exceptions=True)
            return type(outcome).__name__

        looking = asyncio.create_task(look())
        await ctx.race(slow, ctx.wait(seconds(4)), cancel_losers=True)
        probe.see("look", await looking)
        return await ctx.step(probe.body, "end")

    return run


def ends_that_come_together(probe: Probe) -> Workflow:
    """The losers end in the same millisecond as the winner, before the decision is recorded and delivered."""

    async def run(event: Any, ctx: DurableContext) -> Any:
        async def child(inner: DurableContext, name: str) -> str:
            await inner.wait(seconds(30))
            return name

        operands = [
            ctx.run_in_child_context(child, "a"),
            ctx.wait(seconds(30)),
            *(
                ctx.run_in_child_context(child, name, config=ChildConfig(virtual=virtual))
                for virtual, name in enumerate("bc")
            ),
            ctx.invoke("other:$LATEST", 3),
        ]
        probe.see("won", await ctx.race(*operands, cancel_losers=True))
        probe.see("states", [(each.done(), each.cancelled()) for each in operands])
        await ctx.wait(seconds(20))
        probe.see("states", [(each.done(), each.cancelled()) for each in operands])
        outcomes = await asyncio.gather(*operands, return_exceptions=True)
        probe.see("outcomes", [str(each) for each in outcomes])
        return await ctx.step(probe.body, "end")

    return run


def cancelled_before_its_decision(probe: Probe) -> Workflow:
    """A race that is given up itself keeps its operands."""

    async def run(event: Any, ctx: DurableContext) -> Any:
        slow, timer = ctx.run_in_child_context(long, name="slow"), ctx.wait(seconds(30))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await ctx.race(slow, timer, cancel_losers=True)
        probe.see("kept", [slow.done(), timer.done()])
        await timer
        slow.cancel()
        return await ctx.step(probe.body, "end")

    return run


BUILDS = [
    *(loser("race", kind) for kind in KINDS),
    *(loser("any", kind) for kind in KINDS),
    beside_a_loser_that_others_await,
    ends_that_come_together,
    cancelled_before_its_decision,
]


@whole_or_sample
@pytest.mark.parametrize("build", thinned(BUILDS, 4), ids=name_of)
@pytest.mark.usefixtures("flowing_time")
def test_replay_repeats_it_after_cuts_crashes_and_schedules(build: Any, whole: bool) -> None:
    prove(build, same_log=False, whole=whole)


@pytest.mark.parametrize(
    ("build", "mode", "way"), thinned(one_each(BUILDS, MODES, WAYS)), ids=name_of
)
@pytest.mark.usefixtures("flowing_time")
def test_it_is_the_same_in_all_modes(build: Any, mode: CheckpointingMode, way: Any) -> None:
    prove_in_mode(build, mode, way)


@pytest.mark.parametrize("kind", ["step", "child with a body", "virtual child", "task"])
@pytest.mark.usefixtures("flowing_time")
def test_a_body_that_has_lost_is_cancelled_once_and_runs_in_no_later_invocation(kind: str) -> None:
    shape, play, _ = played(loser("race", kind))
    assert set(play.probe.runs.values()) == {1}
    decided = [
        state
        for state in play.snapshots
        if any(
            each.name == "decision" and each.status == OperationStatus.SUCCEEDED
            for each in state.initial_execution_state.operations
        )
    ]
    assert decided
    for state in decided:
        updates = replay(shape, state).updates
        started = {update.name for update in updates if update.action == OperationAction.START}
        assert not started & {"s", "deep", "t"}


@pytest.mark.parametrize("cancel_losers", [False, True])
def test_losers_that_are_kept_run_until_the_end_of_the_handler(cancel_losers: bool) -> None:
    seen: list[str] = []

    async def slow() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async def quick() -> str:
        return "quick"

    async def more() -> None:
        seen.append("more")

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        won = await ctx.race(ctx.step(slow), ctx.step(quick), cancel_losers=cancel_losers)
        await ctx.step(more)
        return won

    ran = rig.run_workflow(workflow)
    assert (ran.status, ran.result) == ("SUCCEEDED", "quick")
    assert seen == (["cancelled", "more"] if cancel_losers else ["more", "cancelled"])
    given_up = [event for event in ran.events if event.event_type == "StepFailed"]
    assert len(given_up) == cancel_losers

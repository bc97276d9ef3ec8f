"""Bodies that the function's time cuts off: crashes at any checkpoint, replay, and histories change nothing."""

from __future__ import annotations

import asyncio
import functools
from collections import Counter
from typing import Any

import pytest
from tests.replay.corpus import AT_MOST_ONCE, RETRY, Probe, Shape, Workflow
from tests.replay.play import Play, Unwilling, extends, signature
from tests.replay.test_crash_everywhere import WAYS, crashed
from tests.rig import Ran
from tests.runtime.test_deadline import Context
from tests.sampling import name_of, rotated, thinned
from tests.virtual_time import virtual_time

from durable_execution_sdk import (
    CheckpointingMode,
    DurableContext,
    Duration,
    NoRetry,
    StepConfig,
    StepContext,
    StepInterruptedError,
    WaitForConditionConfig,
    poll_until,
)
from durable_execution_sdk.emulator.faults.plan import When
from durable_execution_sdk.protocol import codec
from durable_execution_sdk.protocol.limits import LONGEST_INVOCATION_SECONDS
from durable_execution_sdk.replay.check import replay_history

# Ten seconds for the bodies of an invocation.
OPTIONS = {"deadline_margin": LONGEST_INVOCATION_SECONDS - 10}


async def hangs(probe: Probe, name: str, until: int) -> str:
    """Run as a step's body that never ends before attempt ``until``."""
    await probe.body(name)
    if StepContext.current().attempt < until:
        await asyncio.Event().wait()
    return name


def in_sequence(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        retried = StepConfig(retry_strategy=RETRY)
        probe.see("a", await ctx.step(hangs, probe, "a", 3, config=retried))
        probe.see("w", await ctx.wait(Duration.from_seconds(5)))
        once = StepConfig(retry_strategy=NoRetry(), semantics=AT_MOST_ONCE)
        for config in (StepConfig(retry_strategy=NoRetry()), once):
            try:
                await ctx.step(hangs, probe, "b", 9, config=config)
            except StepInterruptedError as error:
                probe.see("b", error.attempts)
        return event

    return run


def side_by_side(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        async def item(inner: DurableContext, n: int, _index: int) -> str:
            config = StepConfig(retry_strategy=RETRY)
            value = await inner.step(hangs, probe, f"item {n}", n, config=config)
            return probe.see("item", value, inside=f"item {n}")

        async def timed() -> str:
            async with asyncio.timeout(3600):
                return await ctx.step(hangs, probe, "timed", 2)

        batch, value, _ = await asyncio.gather(
            ctx.map(range(1, 4), item), timed(), ctx.wait(Duration.from_days(1))
        )
        return probe.see("all", [*batch.results(), value])

    return run


def polls(probe: Probe) -> Workflow:
    async def check(state: int) -> int:
        attempt = StepContext.current().attempt
        await probe.body("check")
        if attempt in (1, 3):
            await asyncio.Event().wait()
        return state + 1

    async def run(event: Any, ctx: DurableContext) -> Any:
        config = WaitForConditionConfig(
            initial_state=0, wait_strategy=poll_until(lambda state: state == 3)
        )
        return probe.see("state", await ctx.wait_for_condition(check, config=config))

    return run


SHAPES = [
    Shape(build.__name__, build, strict=False, at_most_once=False, fails=False, tasks=False)
    for build in (in_sequence, side_by_side, polls)
]
MODES = list(CheckpointingMode)


@functools.cache
def undisturbed(shape: Shape) -> tuple[Play, Ran]:
    with virtual_time():
        play = Play(shape, options=OPTIONS)
        return play, play.run()


@pytest.mark.parametrize(
    ("shape", "mode", "way"), thinned(rotated(SHAPES, MODES, WAYS), 2), ids=name_of
)
def test_a_crash_at_any_checkpoint_changes_nothing(
    shape: Shape, mode: CheckpointingMode, way: When
) -> None:
    calm_play, calm = undisturbed(shape)
    assert calm.status == "SUCCEEDED", calm.error
    for at in range(1, calm_play.calls + 1):
        with virtual_time():
            play, ran = crashed(shape, at, way, mode, options=OPTIONS)
        where = f"{way}: checkpoint {at} of {calm_play.calls}"
        assert (ran.status, ran.result) == (calm.status, calm.result), (where, ran.error)
        for observed in play.probe.observations:
            assert extends(observed, play.probe.observations[-1]), where
        now, then = signature(ran.events), signature(calm.events)
        assert Counter(now) == Counter(then), where


@pytest.mark.parametrize("shape", SHAPES, ids=name_of)
def test_replay_of_each_state_sees_the_same(shape: Shape) -> None:
    play, ran = undisturbed(shape)
    last = play.probe.observations[-1]
    for state in play.snapshots:
        probe = Probe()
        with virtual_time():
            handler = shape.handler(probe).bind(Unwilling())
            handler(codec.encode_invocation(state), Context(10_000))
        assert extends(probe.observations[-1], last)
    report = replay_history(shape.handler(Probe()), ran.events, execution_arn=ran.arn)
    assert report.ok, str(report)

"""The cost of an execution, counted from its history, agrees with the engine's meter."""

from __future__ import annotations

from typing import Any

import pytest
from tests.replay.corpus import CORPUS, Shape
from tests.replay.play import Play
from tests.replay.test_crash_everywhere import crashed
from tests.rig import Rig, rig_of

from durable_execution_sdk import DurableContext, Duration
from durable_execution_sdk.engine.events import ExecutionFailed, ExecutionSucceeded
from durable_execution_sdk.engine.limits import Limits
from durable_execution_sdk.engine.sizes import error_bytes
from durable_execution_sdk.engine.views.history import history
from durable_execution_sdk.protocol.updates import text_bytes
from durable_execution_sdk.rendering.cost.metering import ExecutionCost, cost_of
from durable_execution_sdk.rendering.cost.prices import Prices, amounts_of
from durable_execution_sdk.rendering.cost.report import cost_lines


def cost_in(rig: Rig, arn: str) -> ExecutionCost:
    return cost_of(history(rig.emulator.recording(arn)()))


def check_against_the_engine(rig: Rig, arn: str) -> ExecutionCost:
    cost = cost_in(rig, arn)
    state = rig.emulator.coordinator.recorded(arn)
    assert cost.metered_operations == state.operation_count
    assert cost.invocations == state.invocation_count
    # The engine does not store what the handler returns, and the developer guide counts it.
    returned = sum(
        text_bytes(event.result)
        if isinstance(event, ExecutionSucceeded)
        else error_bytes(event.error)
        for event in rig.emulator.recording(arn)()
        if isinstance(event, ExecutionSucceeded | ExecutionFailed)
    )
    recorded = state.settled is not None
    assert cost.bytes_written == state.stored_bytes + (0 if recorded else returned)
    return cost


@pytest.mark.parametrize("shape", CORPUS, ids=lambda each: each.name)
def test_it_is_what_the_engine_meters(shape: Shape) -> None:
    play = Play(shape, keeps_states=False)
    play.run()
    check_against_the_engine(play.rig, play.arn)


@pytest.mark.parametrize("shape", CORPUS[::3], ids=lambda each: each.name)
def test_an_invocation_that_is_made_again_is_metered(shape: Shape) -> None:
    calm = Play(shape, keeps_states=False)
    calm.run()
    if not calm.calls:
        return
    play, _ = crashed(shape, 1, "before")
    cost = check_against_the_engine(play.rig, play.arn)
    assert cost.repeated_invocations == 1


def test_the_replay_share_is_what_invocations_find_recorded() -> None:
    async def item(ctx: DurableContext, number: int, _index: int) -> None:
        await ctx.step(lambda: number)

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(lambda: 1)
        await ctx.map([1, 2], item)
        await ctx.wait(
            Duration.from_seconds(1)
        )  # the second invocation finds 3 of 6, the map without its content
        await ctx.step(lambda: 2)
        await ctx.wait(Duration.from_seconds(1))  # the third finds 5

    rig = rig_of(workflow)
    arn = rig.start(None)
    rig.drive(arn)
    cost = cost_in(rig, arn)
    assert cost.operations == {"Execution": 1, "Step": 4, "Map": 1, "MapIteration": 2, "Wait": 2}
    assert (cost.invocations, cost.replayed_operations, cost.recorded_operations) == (3, 8, 9)
    assert cost.replay_share == 8 / 17


def test_an_execution_that_came_to_its_quota_is_metered_too() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        for _ in range(20):
            await ctx.step(lambda: 1)

    rig = rig_of(workflow, limits=Limits(operations=10))
    arn = rig.start(None)
    assert rig.drive(arn).status == "FAILED"
    assert cost_in(rig, arn).metered_operations == 10


COST = ExecutionCost(
    operations={"Execution": 1, "Step": 899_999},
    retries=100_000,
    repeated_invocations=0,
    bytes_written=2_000_000_000,
    is_whole=True,
    invocations=3_000_000,
    checkpoints=None,
    replayed_operations=0,
    running_time=60_000,
    age=16 * 86_400_000,
)


def test_amounts_are_the_prices_times_the_work() -> None:
    assert amounts_of(COST, Prices()) == {
        "operations": 8.0,
        "written": 0.5,
        "kept": pytest.approx(0.3),  # for 16 days, and 14 of retention
        "requests": pytest.approx(0.6),
        "time": None,
    }
    prices = Prices(operations=1.0, gb_second=0.01, memory_mb=512, retention_days=44)
    assert amounts_of(COST, prices) == {
        "operations": 1.0,
        "written": 0.5,
        "kept": pytest.approx(0.6),
        "requests": pytest.approx(0.6),
        "time": pytest.approx(0.3),
    }


def test_the_source_and_the_date_of_the_prices_are_told() -> None:
    *_, public = cost_lines(COST, Prices())
    assert "https://aws.amazon.com/lambda/pricing/" in public
    assert "September 2026" in public
    *_, other = cost_lines(COST, Prices(operations=1.0))
    assert "of the command line" in other


def test_a_history_without_payloads_tells_so() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(lambda: "text")

    rig = rig_of(workflow)
    arn = rig.start("input")
    rig.drive(arn)
    bare = cost_of(history(rig.emulator.recording(arn)(), include_execution_data=False))
    assert not bare.is_whole
    assert any("the history leaves payloads out" in line for line in cost_lines(bare, Prices()))
    assert cost_in(rig, arn).is_whole

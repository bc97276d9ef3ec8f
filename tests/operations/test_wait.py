"""Waits: their bounds, their end, and how they are cancelled."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.rig import rig_of, run_workflow

from durable_execution_sdk import ConfigError, DurableContext, Duration
from durable_execution_sdk.emulator.function_caller import Wrappers
from durable_execution_sdk.ports import ForwardingDataPlane


def test_a_wait_takes_as_long_as_it_says_and_nothing_runs_meanwhile() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.wait(Duration.from_hours(5), name="w")
        await ctx.wait(timedelta(seconds=90))

    ran = run_workflow(workflow)
    starts = [e.wait_started_details.duration for e in ran.events if e.event_type == "WaitStarted"]
    assert starts == [18_000, 90]
    assert ran.invocations == 3


@pytest.mark.parametrize("seconds", [1, 31_622_400])
def test_the_bounds_are_included(seconds: int) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.wait(Duration.from_seconds(seconds))

    rig = rig_of(workflow)
    arn = rig.start()
    rig.drive(arn, until=rig.clock.now() + 1)
    assert "WaitStarted" in [e.event_type for e in rig.events(arn)]


@pytest.mark.parametrize(
    "duration",
    [
        Duration.from_seconds(0),
        Duration.from_seconds(31_622_401),
        timedelta(seconds=-1),
        5,
        "5s",
        None,
    ],
)
def test_a_duration_out_of_bounds_is_refused_before_anything_is_recorded(duration: Any) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        with pytest.raises(ConfigError, match=r"ctx\.wait"):
            ctx.wait(duration)

    ran = run_workflow(workflow)
    assert ran.status == "SUCCEEDED"
    assert "WaitStarted" not in ran.types()


def test_wait_until_waits_for_the_moment() -> None:
    seen: list[datetime] = []

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.wait_until(datetime(2026, 3, 1, 12, tzinfo=UTC))
        seen.append(ctx.now())

    rig_of(workflow).run()
    assert seen[-1].replace(microsecond=0) == datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_wait_until_reckons_with_the_time_of_the_log_if_the_process_is_behind() -> None:
    class Behind(ForwardingDataPlane):
        def now(self) -> int:
            return super().now() - 86_400_000

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.wait(Duration.from_hours(2))
        await ctx.wait_until(ctx.now() + timedelta(hours=1))

    ran = run_workflow(workflow, wrappers=Wrappers(data_plane=Behind))
    waited = [e.wait_started_details.duration for e in ran.events if e.event_type == "WaitStarted"]
    assert waited == [7_200, 3_600]


def test_wait_until_a_moment_that_has_passed_is_over_after_a_second() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.wait_until(datetime(2001, 1, 1, tzinfo=UTC))

    ran = run_workflow(workflow)
    assert [
        e.wait_started_details.duration for e in ran.events if e.event_type == "WaitStarted"
    ] == [1]


@pytest.mark.parametrize("moment", [datetime(2030, 1, 1), "2030-01-01", 5])
def test_wait_until_needs_a_time_zone(moment: Any) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        with pytest.raises(ConfigError, match="time zone"):
            ctx.wait_until(moment)

    assert run_workflow(workflow).status == "SUCCEEDED"


def test_the_check_of_a_moment_is_the_same_on_every_replay() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        far = datetime.fromtimestamp(ctx.started_at / 1000, UTC) + timedelta(days=370)
        try:
            await ctx.wait_until(far, name="far")
        except ConfigError:
            await ctx.wait(Duration.from_days(10), name="near")
            return "refused"
        return "waited"

    ran = rig_of(workflow).run()
    assert (ran.status, ran.result) == ("SUCCEEDED", "refused"), ran.error


def test_a_cancelled_wait_is_recorded_and_over_at_once_on_replay() -> None:
    seen: list[Any] = []

    async def workflow(event: Any, ctx: DurableContext) -> None:
        timer = ctx.wait(Duration.from_days(300))
        await ctx.step(lambda: 1)
        seen.append([timer.cancel(), timer.cancel(), await timer, timer.cancel()])
        await ctx.wait(Duration.from_seconds(1))

    ran = run_workflow(workflow)
    assert seen == [[True, False, None, False]] * 2
    assert ran.types().count("WaitCancelled") == 1


def test_a_wait_that_is_cancelled_before_it_is_acknowledged_is_cancelled() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        timer = ctx.wait(Duration.from_days(300))
        timer.cancel()
        await timer

    ran = run_workflow(workflow)
    assert ran.types()[1:3] == ["WaitStarted", "WaitCancelled"]
    assert ran.status == "SUCCEEDED"


def test_another_task_may_cancel_the_wait_that_one_awaits() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        timer = ctx.wait(Duration.from_days(300))

        async def cancel() -> None:
            await ctx.step(lambda: 1)
            timer.cancel()

        task = asyncio.create_task(cancel())
        await timer
        await task
        return "over"

    assert run_workflow(workflow).result == "over"

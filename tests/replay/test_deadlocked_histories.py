"""A history that ended in a deadlock replays to the same deadlock, also if operations were pending that no code awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from msgspec.structs import replace
from tests.rig import Ran, rig_of, run_workflow

from durable_execution_sdk import (
    CompletionConfig,
    DurableContext,
    Duration,
    MapConfig,
    StepConfig,
    durable_execution,
)
from durable_execution_sdk.protocol.history import EventType
from durable_execution_sdk.replay.check import replay_history
from durable_execution_sdk.replay.report import DivergenceKind, ReplayReport
from durable_execution_sdk.retry import FixedDelay

Workflow = Callable[[Any, DurableContext], Awaitable[Any]]
SECOND, HOUR = Duration.from_seconds(1), Duration.from_hours(1)
RETRIED_LATER = StepConfig(retry_strategy=FixedDelay(max_attempts=2, delay=HOUR))


async def echo(value: Any) -> Any:
    return value


async def fails() -> None:
    raise OSError("down")


async def never() -> None:
    await asyncio.Event().wait()


async def a_wait(_: Any, ctx: DurableContext) -> None:
    ctx.wait(HOUR, name="left")
    await ctx.step(echo, 1)
    await never()


async def a_callback(_: Any, ctx: DurableContext) -> None:
    await ctx.create_callback(name="left")
    await ctx.step(echo, 1)
    await never()


async def a_retry(_: Any, ctx: DurableContext) -> None:
    ctx.step(fails, name="left", config=RETRIED_LATER)
    await ctx.wait(SECOND)
    await never()


async def an_invoke(_: Any, ctx: DurableContext) -> None:
    ctx.invoke("slow:$LATEST", name="left")
    await ctx.step(echo, 1)
    await never()


async def the_loser_of_a_race(_: Any, ctx: DurableContext) -> None:
    await ctx.race(ctx.step(echo, 1), ctx.wait(HOUR, name="left"))
    await never()


async def branches_of_a_map(_: Any, ctx: DurableContext) -> None:
    async def branch(inner: DurableContext, _: int, index: int) -> int:
        await inner.wait(HOUR if index else SECOND)
        return index

    first = MapConfig(completion=CompletionConfig.first_successful())
    await ctx.map([0, 1, 2], branch, config=first)
    await never()


async def a_timer_that_was_cancelled(_: Any, ctx: DurableContext) -> None:
    with anyio.move_on_after(30):
        await ctx.wait(SECOND)
    await never()


async def a_child_that_waits_for_ever(_: Any, ctx: DurableContext) -> None:
    async def child(inner: DurableContext) -> None:
        inner.wait(HOUR, name="left")
        await inner.step(echo, 1)
        await never()

    await ctx.run_in_child_context(child)


async def a_combinator_that_nothing_decides(_: Any, ctx: DurableContext) -> None:
    await ctx.step(echo, 1)
    await ctx.all(ctx.step(echo, 2), asyncio.ensure_future(never()))


async def a_circle_of_tasks(_: Any, ctx: DurableContext) -> None:
    async def job() -> None:
        ctx.wait(HOUR, name="left")
        with anyio.move_on_after(30):
            await ctx.wait(SECOND)
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})

    await asyncio.gather(job(), ctx.step(echo, 1))


DEADLOCKED: list[Workflow] = [
    a_wait,
    a_callback,
    a_retry,
    an_invoke,
    the_loser_of_a_race,
    branches_of_a_map,
    a_timer_that_was_cancelled,
    a_child_that_waits_for_ever,
    a_combinator_that_nothing_decides,
    a_circle_of_tasks,
]
deadlocked = pytest.mark.parametrize("workflow", DEADLOCKED, ids=lambda each: each.__name__)


def ran_into_it(workflow: Workflow) -> Ran:
    async def slow(_: Any, ctx: DurableContext) -> None:
        await ctx.wait(HOUR)

    ran = run_workflow(workflow, others={"slow": durable_execution(slow)})
    assert ran.status == "FAILED"
    assert ran.error.error_type == "DeadlockError", ran.error
    return ran


def replayed(workflow: Workflow, ran: Ran, *, without: EventType | None = None) -> ReplayReport:
    left = [event for event in ran.events if event.event_type != without]
    events = [replace(event, event_id=number) for number, event in enumerate(left, 1)]
    return replay_history(rig_of(workflow).handler, events, execution_arn=ran.arn)


@deadlocked
def test_a_deadlock_replays_as_the_same_deadlock(workflow: Workflow) -> None:
    ran = ran_into_it(workflow)
    report = replayed(workflow, ran)
    assert report.ok, str(report)


@pytest.mark.parametrize("workflow", [a_timer_that_was_cancelled, a_circle_of_tasks])
def test_a_timer_that_the_service_did_not_cancel_changes_nothing(workflow: Workflow) -> None:
    ran = ran_into_it(workflow)
    assert EventType.WAIT_CANCELLED in ran.types()
    report = replayed(workflow, ran, without=EventType.WAIT_CANCELLED)
    assert report.ok, str(report)


def test_code_that_now_awaits_what_was_left_pending_has_another_end() -> None:
    async def changed(_: Any, ctx: DurableContext) -> None:
        left = ctx.wait(HOUR, name="left")
        await ctx.step(echo, 1)
        await left

    report = replayed(changed, ran_into_it(a_wait))
    assert report.divergence is not None
    assert report.divergence.kind is DivergenceKind.OTHER_END
    assert report.divergence.actual == "it still waits for wait 'left'"


def test_code_that_is_now_deadlocked_beside_a_pending_wait_has_another_end() -> None:
    async def ends(_: Any, ctx: DurableContext) -> int:
        ctx.wait(HOUR, name="left")
        return await ctx.step(echo, 1)

    ran = run_workflow(ends)
    assert ran.status == "SUCCEEDED"
    report = replayed(a_wait, ran)
    assert report.divergence is not None
    assert report.divergence.kind is DivergenceKind.OTHER_END
    assert "DeadlockError" in report.divergence.actual
    assert "Pending, but not awaited: wait 'left'" in report.divergence.actual


def test_code_that_waits_beside_a_pending_operation_still_waits() -> None:
    async def waits(_: Any, ctx: DurableContext) -> None:
        ctx.wait(SECOND, name="left")
        await ctx.wait(HOUR, name="long")

    rig = rig_of(waits)
    arn = rig.start()
    ran = rig.drive(arn, until=rig.clock.now() + 10_000)
    assert ran.status == "RUNNING"
    report = replayed(waits, ran)
    assert report.ok, str(report)

"""The end of the function's time: the invocation leaves before it, and never PENDING with work to do."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.replay.play import Unwilling
from tests.rig import Rig, rig_of
from tests.virtual_time import Gate, virtual_time

from durable_execution_sdk import (
    DurableContext,
    Duration,
    InvocationError,
    NoRetry,
    StepConfig,
    durable_execution,
)
from durable_execution_sdk.emulator.data_plane import EmulatorDataPlane
from durable_execution_sdk.engine.commands import StartInvocation
from durable_execution_sdk.engine.views.handler_view import invocation_event
from durable_execution_sdk.protocol import codec
from durable_execution_sdk.runtime.deadline import margin_of
from durable_execution_sdk.runtime.settings import Settings

LONG = Duration.from_days(300)
ONE_TRY = StepConfig(retry_strategy=NoRetry())


class Context:
    """A Lambda context with little time left."""

    aws_request_id = "request"

    def __init__(self, milliseconds: int) -> None:
        self.milliseconds = milliseconds

    def get_remaining_time_in_millis(self) -> int:
        return self.milliseconds


def invoke(
    workflow: Any,
    milliseconds: int = 15,
    margin: float = 0.01,
    plane: Any = None,
    **options: Any,
) -> Any:
    """Invoke once, with so many milliseconds left; ``options`` are those of ``durable_execution``."""
    rig = rig_of(workflow)
    arn = rig.start()
    rig.emulator.coordinator.submit(arn, StartInvocation(request_id="request"))
    event = codec.encode_invocation(invocation_event(rig.emulator.coordinator.state(arn)))
    handler = durable_execution(deadline_margin=margin, **options)(workflow)
    made = (plane or (lambda inner: inner))(EmulatorDataPlane(rig.emulator))
    return handler.bind(made)(event, Context(milliseconds))


async def endless() -> None:
    await asyncio.sleep(3600)


def test_a_body_that_may_run_again_is_cut_off_and_named() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(endless, name="long", config=ONE_TRY)

    with (
        virtual_time(),
        pytest.raises(InvocationError, match=r"step 'long' still runs.*raise the function's"),
    ):
        invoke(workflow)


def test_a_body_that_may_run_again_is_never_left_behind_by_something_pending() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        await asyncio.gather(ctx.wait(LONG), ctx.step(endless, name="long", config=ONE_TRY))

    with virtual_time(), pytest.raises(InvocationError, match="'long'"):
        invoke(workflow)


def test_a_body_that_is_tried_again_suspends_the_execution() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        await asyncio.gather(ctx.wait(LONG), ctx.step(endless, name="long"))

    with virtual_time():
        assert invoke(workflow)["Status"] == "PENDING"


def test_code_that_still_runs_is_never_left_behind_by_something_pending() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        async def side() -> None:
            await asyncio.to_thread(over.wait)
            await ctx.step(lambda: 1)

        try:
            await asyncio.gather(ctx.wait(LONG), side())
        finally:
            over.set()

    over = Gate()
    with (
        virtual_time() as over.clock,
        pytest.raises(InvocationError, match="the workflow's own code"),
    ):
        invoke(workflow)


def test_a_short_timer_that_time_is_too_short_for_is_left_to_the_service() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        async with asyncio.timeout(3600):
            await asyncio.gather(*(asyncio.sleep(0.9) for _ in range(3)))
        return "slept"

    handler = durable_execution(deadline_margin=10)(workflow)
    with virtual_time() as clock:
        began = clock.now
        ran = Rig(handler, timeout=10.1).run()
        took = clock.now - began
    assert (ran.result, ran.invocations) == ("slept", 2)
    assert ran.types().count("WaitSucceeded") == 3
    assert ran.types().count("WaitCancelled") == 1
    assert took < 0.9


def test_an_answer_that_is_awaited_is_never_left_behind_by_something_pending() -> None:
    class Slow(Unwilling):
        def __init__(self, inner: Any) -> None:
            super().__init__()
            self.inner = inner

        async def checkpoint(self, request: Any) -> Any:
            if any(u.type == "STEP" for u in request.updates):
                await asyncio.sleep(0.03)
            return await self.inner.checkpoint(request)

    async def workflow(event: Any, ctx: DurableContext) -> None:
        async def side() -> None:
            await ctx.step(lambda: 1)
            await ctx.step(lambda: 2)

        await asyncio.gather(ctx.wait(LONG), side())

    with virtual_time(), pytest.raises(InvocationError, match="nearly up"):
        invoke(workflow, plane=Slow)


def test_a_workflow_that_waits_for_the_service_suspends_long_before_the_deadline() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.wait(LONG)

    with virtual_time() as clock:
        began = clock.now
        assert invoke(workflow, milliseconds=3000)["Status"] == "PENDING"
        assert clock.now - began < 0.1


def test_no_body_starts_when_the_time_is_up() -> None:
    runs: list[int] = []

    async def workflow(event: Any, ctx: DurableContext) -> None:
        for _ in range(100_000):
            await ctx.step(work)

    async def work() -> None:
        runs.append(1)
        await asyncio.sleep(0.001)

    with virtual_time():
        assert invoke(workflow)["Status"] == "PENDING"
    count = len(runs)
    assert count < 50


@pytest.mark.parametrize(("timeout", "margin"), [(0.5, 0.3), (3, 0.3), (10, 1), (60, 2), (900, 2)])
def test_the_margin_is_sane_for_short_timeouts_and_long_ones(timeout: float, margin: float) -> None:
    assert margin_of(Settings(), timeout) == pytest.approx(margin)


def test_a_margin_of_ones_own() -> None:
    assert margin_of(Settings(deadline_margin=0.7), 3) == 0.7


def test_without_a_lambda_context_there_is_no_deadline() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        return "done"

    rig = rig_of(workflow)
    arn = rig.start()
    rig.emulator.coordinator.submit(arn, StartInvocation(request_id="request"))
    event = codec.encode_invocation(invocation_event(rig.emulator.coordinator.state(arn)))
    handler = durable_execution(workflow).bind(EmulatorDataPlane(rig.emulator))
    assert handler(event, None)["Result"] == '"done"'

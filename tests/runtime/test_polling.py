"""Polling: while a body keeps the invocation open, the service is asked when something is due, not before."""

from __future__ import annotations

import asyncio
import selectors
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from tests.rig import rig_of

from durable_execution_sdk import DurableContext, Duration, FixedDelay, StepConfig
from durable_execution_sdk.emulator.function_caller import Wrappers
from durable_execution_sdk.runtime.log import checkpointer, unsettled
from durable_execution_sdk.runtime.log.unsettled import Polling


class Jumping(selectors.SelectSelector):
    """Lets a loop's time pass at once where it would sleep."""

    seconds = 0.0

    def select(self, timeout: float | None = None) -> Any:
        self.seconds += max(timeout or 0.0, 0.0)
        return super().select(0)


def asked(dues: dict[str, float | None], *, late: float = 0, every: float = 10) -> dict[str, float]:
    """Return the times of the questions, in ms from now, to a service that is late by so many ms."""
    selector = Jumping()
    loop = asyncio.SelectorEventLoop(selector)

    def seconds() -> float:
        return selector.seconds

    def now() -> float:
        return round(seconds() * 1000, 6)

    async def main() -> dict[str, float]:
        over = asyncio.Event()
        pending = dict(dues)
        times: dict[str, float] = {}

        def ask() -> None:
            times[f"call {len(times)}"] = now()
            for name, due in dues.items():
                if name in pending and (due is None or now() >= due + late):
                    del pending[name]
            if not pending:
                over.set()

        asking = Polling(
            asyncio.get_running_loop(), now=now, pending=lambda: pending.values(), ask=ask
        )
        for due in dues.values():
            asking.expect(due)
        async with asyncio.timeout(5):
            await over.wait()
        asking.stop()
        return times

    with (
        asyncio.Runner(loop_factory=lambda: loop) as runner,
        mock.patch.object(loop, "time", seconds),
        mock.patch.object(unsettled, "time", SimpleNamespace(monotonic=seconds)),
        mock.patch.object(unsettled, "_AGAIN_SECONDS", 0.004),
        mock.patch.object(unsettled, "_POLL_SECONDS", every),
    ):
        return runner.run(main())


def test_each_thing_is_asked_about_when_it_is_due() -> None:
    times = list(asked({"b": 40, "a": 20, "c": 60}).values())
    assert times[0] >= 20
    assert 60 <= times[-1] < 100  # and not with the next regular question, ten seconds later
    assert len(times) <= 3


def test_a_late_end_is_asked_about_again_soon_and_then_less_often() -> None:
    times = list(asked({"a": 10}, late=50).values())
    assert times[0] >= 10
    assert 2 <= len(times) <= 6
    assert 60 <= times[-1] < 130


def test_an_operation_without_a_due_time_is_asked_about_every_ten_seconds() -> None:
    assert [time >= 15 for time in asked({"a": None}, every=0.015).values()] == [True]


def test_nothing_is_asked_when_nothing_is_pending_any_more() -> None:
    calls: list[int] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        asking = Polling(loop, now=lambda: 0.0, pending=list, ask=lambda: calls.append(1))
        asking.expect(0)
        await asyncio.sleep(0)
        await asyncio.sleep(0.001)

    asyncio.run(main())
    assert not calls


SECOND = Duration.from_seconds(1)


async def waits(ctx: DurableContext) -> None:
    await ctx.wait(SECOND)


async def sleeps(ctx: DurableContext) -> None:
    await asyncio.sleep(1)


async def retries(ctx: DurableContext) -> None:
    attempts: list[int] = []

    async def once() -> None:
        attempts.append(1)
        if len(attempts) == 1:
            raise LookupError

    strategy = FixedDelay(max_attempts=2, delay=SECOND)
    await ctx.step(once, config=StepConfig(retry_strategy=strategy))


@pytest.mark.parametrize("pending", [waits, sleeps, retries])
def test_a_due_operation_wakes_the_workflow_while_a_body_runs(pending: Any) -> None:
    class Hurried:
        """Let more than a second pass with each call."""

        def __init__(self, plane: Any) -> None:
            self.plane, self.get_state = plane, plane.get_state

        async def checkpoint(self, request: Any) -> Any:
            response = await self.plane.checkpoint(request)
            rig.clock.advance(1500)
            return response

        def now(self) -> int:
            return int(self.plane.now())

    async def workflow(event: Any, ctx: DurableContext) -> str:
        over = asyncio.Event()

        async def body() -> str:
            async with asyncio.timeout(5):
                await over.wait()
            return "woken"

        step = ctx.step(body)
        await pending(ctx)
        over.set()
        return await step

    rig = rig_of(workflow, wrappers=Wrappers(data_plane=Hurried))
    with mock.patch.object(checkpointer, "_SLOW_SECONDS", 60):
        ran = rig.run()
    assert (ran.result, ran.invocations) == ("woken", 1)
    assert ran.types().count("StepFailed") == (pending is retries)

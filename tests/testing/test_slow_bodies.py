"""Timers around step bodies that take real time fire in a test as they do on AWS."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from durable_execution_sdk import (
    DurableContext,
    Duration,
    FixedDelay,
    StepConfig,
    durable_execution,
)
from durable_execution_sdk.testing import LocalDurableTestRunner

SECOND = Duration.from_seconds(1)


class Slow:
    """A body that runs until the workflow releases or cancels it; it gives up after a time limit."""

    def __init__(self) -> None:
        self.over = asyncio.Event()

    async def __call__(self) -> str:
        await asyncio.wait_for(self.over.wait(), 20)
        return "slow"

    async def in_small_sleeps(self) -> str:
        for _ in range(400):
            if self.over.is_set():
                break
            await asyncio.sleep(0.05)
        return "slow"


async def by_timeout(ctx: DurableContext, body: Any, over: Callable[[], None]) -> str:
    try:
        async with asyncio.timeout(1):
            return await ctx.step(body)
    except TimeoutError:
        return "list price"
    finally:
        over()


async def by_race(ctx: DurableContext, body: Any, over: Callable[[], None]) -> str:
    won = await ctx.race(ctx.step(body), ctx.wait(SECOND))
    over()
    return won or "list price"


async def by_wait(ctx: DurableContext, body: Any, over: Callable[[], None]) -> str:
    done, _ = await asyncio.wait([ctx.step(body)], timeout=1)
    over()
    return "slow" if done else "list price"


@pytest.mark.parametrize("kind", [by_timeout, by_race, by_wait])
def test_a_timer_rings_while_a_slow_body_runs(kind: Any) -> None:
    @durable_execution
    async def workflow(event: Any, ctx: DurableContext) -> str:
        slow = Slow()
        return await kind(ctx, slow, slow.over.set)

    result = LocalDurableTestRunner(workflow).run_sync({})
    assert result.result == "list price"
    rang = result.history[-1].event_timestamp - result.history[0].event_timestamp
    assert 1000 <= rang < 1100


def test_a_body_that_sleeps_often_is_slow_all_the_same() -> None:
    @durable_execution
    async def workflow(event: Any, ctx: DurableContext) -> str:
        slow = Slow()
        return await by_timeout(ctx, slow.in_small_sleeps, slow.over.set)

    assert LocalDurableTestRunner(workflow).run_sync({}).result == "list price"


def test_a_plain_function_in_a_thread_is_slow_all_the_same() -> None:
    @durable_execution
    async def workflow(event: Any, ctx: DurableContext) -> str:
        over = threading.Event()

        def plain() -> str:
            over.wait(20)
            return "slow"

        return await by_timeout(ctx, plain, over.set)

    assert LocalDurableTestRunner(workflow).run_sync({}).result == "list price"


def test_a_retry_comes_while_a_slow_body_runs() -> None:
    @durable_execution
    async def workflow(event: Any, ctx: DurableContext) -> list[Any]:
        slow, attempts = Slow(), []

        def flaky() -> int:
            attempts.append(1)
            if len(attempts) == 1:
                raise OSError("once")
            slow.over.set()
            return len(attempts)

        config = StepConfig(retry_strategy=FixedDelay(delay=SECOND))
        return list(
            await asyncio.gather(ctx.step(slow), ctx.step(only_async(flaky), config=config))
        )

    assert LocalDurableTestRunner(workflow).run_sync({}).result == ["slow", 2]


def only_async(function: Any) -> Any:
    async def body() -> Any:
        return function()

    return body


def test_quick_bodies_pass_no_time_however_many_they_are() -> None:
    @durable_execution
    async def workflow(event: Any, ctx: DurableContext) -> str:
        waiting = ctx.wait(SECOND)
        # Together they block for more than a second, but none of them is slow.
        for _ in range(30):
            await ctx.step(time.sleep, 0.025)
            await ctx.step(only_async(partial(time.sleep, 0.025)))
        if waiting.done():
            return "rang"
        await waiting
        return "all before it"

    assert LocalDurableTestRunner(workflow).run_sync({}).result == "all before it"


def test_steps_that_are_slow_together_pass_time_together() -> None:
    @durable_execution
    async def workflow(event: Any, ctx: DurableContext) -> int:
        ended = 0
        try:
            async with asyncio.timeout(1):
                while ended < 20:
                    await ctx.step(asyncio.sleep, 0.45)
                    ended += 1
        except TimeoutError:
            return ended
        raise AssertionError("it never rang")

    assert LocalDurableTestRunner(workflow).run_sync({}).result in range(1, 10)


def test_a_timer_rings_in_a_workflow_that_another_one_invokes() -> None:
    @durable_execution
    async def inner(event: Any, ctx: DurableContext) -> str:
        slow = Slow()
        return await by_timeout(ctx, slow, slow.over.set)

    @durable_execution
    async def outer(event: Any, ctx: DurableContext) -> Any:
        return await ctx.invoke("inner:$LATEST")

    runner = LocalDurableTestRunner(outer, functions={"inner": inner})
    assert runner.run_sync({}).result == "list price"

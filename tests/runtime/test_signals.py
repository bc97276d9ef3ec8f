"""Signals and callbacks from other threads: refused in workflow code, and gone after the invocation."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from tests.replay.corpus import ONE_TRY, seconds
from tests.rig import run_workflow

from durable_execution_sdk import DurableContext
from durable_execution_sdk.runtime.event_loop.environment import environment


async def echo(value: Any) -> Any:
    return value


async def by_the_loop(ctx: DurableContext) -> None:
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, print)


async def by_anyio(ctx: DurableContext) -> None:
    with anyio.open_signal_receiver(signal.SIGUSR1):
        pass


async def in_a_callback(ctx: DurableContext) -> None:
    loop = asyncio.get_running_loop()
    failed = loop.create_future()

    def add() -> None:
        try:
            loop.add_signal_handler(signal.SIGUSR1, print)
        except Exception as error:
            failed.set_exception(error)

    loop.call_soon(add)
    await failed


async def in_a_child(ctx: DurableContext) -> None:
    await ctx.run_in_child_context(by_the_loop)


@pytest.mark.parametrize("code", [by_the_loop, by_anyio, in_a_callback, in_a_child])
def test_workflow_code_may_not_handle_signals(code: Any) -> None:
    before = signal.getsignal(signal.SIGUSR1)

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await code(ctx)

    ran = run_workflow(workflow)
    assert (ran.status, ran.invocations) == ("FAILED", 1)
    assert "loop.add_signal_handler was called in workflow code" in ran.error.error_message
    assert "ctx.create_callback" in ran.error.error_message
    assert signal.getsignal(signal.SIGUSR1) is before


def test_a_step_may_and_its_handler_does_not_outlive_the_invocation() -> None:
    came: list[str] = []

    async def workflow(event: Any, ctx: DurableContext) -> int:
        async def body() -> int:
            loop, ready = asyncio.get_running_loop(), asyncio.Event()

            def handle() -> None:
                came.append("in the step")
                ready.set()

            loop.add_signal_handler(signal.SIGUSR1, handle)
            os.kill(os.getpid(), signal.SIGUSR1)
            await ready.wait()
            return len(came)

        count = await ctx.step(body, config=ONE_TRY)
        await ctx.wait(seconds(5))
        return count

    ran = run_workflow(workflow)
    assert (ran.result, ran.invocations) == (1, 2), ran.error
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL
    assert not environment().loop.remove_signal_handler(signal.SIGUSR1)


Hand = Callable[[Callable[[], None]], Any]


def hand_over(callback: Callable[[], None]) -> Any:
    loop = asyncio.get_running_loop()
    return asyncio.to_thread(lambda: loop.call_soon_threadsafe(callback))


def hand_over_and_on(callback: Callable[[], None]) -> Any:
    loop = asyncio.get_running_loop()
    return asyncio.to_thread(lambda: loop.call_soon_threadsafe(loop.call_soon, callback))


def hand_over_without_a_context(callback: Callable[[], None]) -> Any:
    loop = asyncio.get_running_loop()
    thread = threading.Thread(target=lambda: loop.call_soon_threadsafe(callback))
    thread.start()
    return echo(thread.join())


def started_by(ctx: DurableContext) -> tuple[Callable[[], None], asyncio.Future[Any]]:
    started: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def start() -> None:
        try:
            started.set_result(ctx.step(echo, "done"))
        except Exception as error:
            started.set_exception(error)

    return start, started


@pytest.mark.parametrize(
    ("hand", "message"),
    [
        (hand_over, "in a callback that another thread has handed to the event loop"),
        (hand_over_and_on, "in a callback that another thread has handed to the event loop"),
        (hand_over_without_a_context, "was used outside its workflow"),
    ],
)
def test_a_callback_of_another_thread_may_not_use_a_context(hand: Hand, message: str) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        start, started = started_by(ctx)
        await hand(start)
        return await (await started)

    ran = run_workflow(workflow)
    assert ran.error.error_type == "ContextMisuseError"
    assert message in ran.error.error_message


def test_a_callback_that_the_workflow_hands_to_its_own_loop_may() -> None:
    """It comes in its turn, as one of ``call_soon`` does."""

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        start, started = started_by(ctx)
        asyncio.get_running_loop().call_soon_threadsafe(start)
        before = await ctx.step(echo, "before")
        result = await (await started)
        await ctx.wait(seconds(5))
        return [before, result]

    ran = run_workflow(workflow)
    assert (ran.result, ran.invocations) == (["before", "done"], 2), ran.error


def test_a_coroutine_that_a_thread_starts_has_a_scope_of_its_own() -> None:
    """Its callbacks are in turn those of the workflow."""

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        async def operation() -> Any:
            start, started = started_by(ctx)
            asyncio.get_running_loop().call_soon(start)
            return await (await started)

        loop = asyncio.get_running_loop()
        call = asyncio.to_thread(
            lambda: asyncio.run_coroutine_threadsafe(operation(), loop).result(20)
        )
        return await call

    assert run_workflow(workflow).result == "done"

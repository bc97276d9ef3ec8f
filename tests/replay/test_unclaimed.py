"""Replay must ask for all recorded operations before anything new runs, or the execution fails."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest
from tests.memory_service import MemoryService
from tests.replay.corpus import Probe, Workflow, seconds
from tests.replay.prove import prove
from tests.rig import Ran, Rig

from durable_execution_sdk import (
    CheckpointingMode,
    DurableContext,
    durable_execution,
)

MODES = list(CheckpointingMode)
# Seconds after which a thread or a socket gives up, so that a failing test ends.
_PATIENCE = 5
Body = Callable[[DurableContext], Awaitable[Any]]


class Changing:
    """A workflow whose code changes between its first and its second invocation."""

    def __init__(self, before: Body, after: Body, mode: CheckpointingMode) -> None:
        self.runs: list[str] = []
        versions = [before, after]

        @durable_execution(checkpointing=mode)
        async def workflow(event: Any, ctx: DurableContext) -> Any:
            body = versions.pop(0) if len(versions) > 1 else versions[0]
            return await body(ctx)

        self.rig = Rig(workflow)

    def run(self) -> Ran:
        return self.rig.run()


def charging(runs: list[str]) -> Callable[..., Any]:
    async def charge(label: str) -> str:
        runs.append(label)
        return label

    async def pay(ctx: DurableContext, label: str) -> Any:
        return await ctx.step(charge, label, name="charge")

    return pay


def changed(
    before: Callable[[DurableContext, Any], Awaitable[Any]],
    after: Callable[[DurableContext, Any], Awaitable[Any]],
    mode: CheckpointingMode,
) -> tuple[Ran, list[str]]:
    runs: list[str] = []
    pay = charging(runs)
    ran = Changing(lambda ctx: before(ctx, pay), lambda ctx: after(ctx, pay), mode).run()
    return ran, runs


async def gathered(ctx: DurableContext, pay: Any) -> None:
    await asyncio.gather(pay(ctx, "a"), pay(ctx, "b"))
    await ctx.wait(seconds(5))


async def in_sequence(ctx: DurableContext, pay: Any) -> None:
    await pay(ctx, "a")
    await pay(ctx, "b")
    await ctx.wait(seconds(5))


async def nothing(ctx: DurableContext, pay: Any) -> str:
    return "early"


async def raises(ctx: DurableContext, pay: Any) -> None:
    ctx.wait(seconds(5))
    ctx.step(asyncio.sleep, 0, name="left behind")
    raise LookupError("new code")


async def in_a_child(ctx: DurableContext, pay: Any) -> None:
    async def child(inner: DurableContext) -> None:
        await gathered(inner, pay)

    await ctx.run_in_child_context(child, name="child")


async def child_that_returns(ctx: DurableContext, pay: Any) -> None:
    async def child(inner: DurableContext) -> None:
        """Ask for nothing."""

    await ctx.run_in_child_context(child, name="child")
    await pay(ctx, "c")


async def completing(ctx: DurableContext, pay: Any) -> None:
    await ctx.complete_execution_success("done")


async def mapped(ctx: DurableContext, pay: Any, *, items: int = 3) -> None:
    async def item(inner: DurableContext, label: str, index: int) -> None:
        await pay(inner, label)
        await inner.wait(seconds(5))

    await ctx.map("abc"[:items], item, name="map")


async def mapped_less(ctx: DurableContext, pay: Any) -> None:
    await mapped(ctx, pay, items=2)


async def spawning_more(ctx: DurableContext, pay: Any) -> None:
    task = asyncio.create_task(pay(ctx, "cold start"))
    await gathered(ctx, pay)
    await task


CHANGES = {
    "a gather becomes a sequence": (gathered, in_sequence),
    "a sequence becomes a gather": (in_sequence, gathered),
    "the handler returns early": (gathered, nothing),
    "the execution is completed early": (gathered, completing),
    "a child asks for nothing": (in_a_child, child_that_returns),
    "a task is made no more": (spawning_more, gathered),
    "a map has fewer items": (mapped, mapped_less),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("change", CHANGES)
def test_code_that_asks_for_less_fails_before_anything_runs(
    change: str, mode: CheckpointingMode
) -> None:
    before, after = CHANGES[change]
    ran, runs = changed(before, after, mode)
    assert ran.status == "FAILED"
    assert ran.error.error_type == "DeterminismError"
    assert len(runs) == len(set(runs)), "a step ran twice"
    assert ran.events[-2].event_type in ("InvocationCompleted", "WaitSucceeded")
    message = ran.error.error_message
    assert "Nothing new has run" in message or "the log holds" in message


def test_the_message_names_what_was_missed_and_what_was_asked_instead_with_its_line() -> None:
    ran, runs = changed(gathered, in_sequence, CheckpointingMode.BATCHED)
    message = ran.error.error_message
    assert "the log holds" in message
    assert runs == ["a", "b"]
    ran, _ = changed(gathered, nothing, CheckpointingMode.BATCHED)
    message = ran.error.error_message
    assert "step 'charge' (operation 1 of task pay 1 in the handler's context)" in message
    assert "step 'charge' (operation 1 of task pay 2 in the handler's context)" in message
    assert "It asked for nothing else" in message

    async def twice_in_main(ctx: DurableContext, pay: Any) -> None:
        await ctx.wait(seconds(5))  # operation 1 of the main task in both
        await asyncio.gather(pay(ctx, "a"), pay(ctx, "b"))
        await ctx.wait(seconds(5))

    async def in_main(ctx: DurableContext, pay: Any) -> None:
        await ctx.wait(seconds(5))
        await ctx.wait(seconds(5))
        await pay(ctx, "a")

    ran, runs = changed(twice_in_main, in_main, CheckpointingMode.BATCHED)
    del runs


@pytest.mark.parametrize("way", ["child", "map", "parallel"])
def test_an_event_that_a_completed_context_has_set_is_told_of(way: str) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        is_ready = asyncio.Event()

        async def sets(inner: DurableContext, *_: Any) -> None:
            await inner.step(noop)
            is_ready.set()

        async def waits() -> None:
            await is_ready.wait()
            await ctx.step(noop, name="after the event")

        waiting = asyncio.create_task(waits())
        if way == "child":
            await ctx.run_in_child_context(sets)
        elif way == "map":
            await ctx.map([1, 2], sets)
        else:
            await ctx.parallel([sets, sets])
        await waiting
        await ctx.wait(seconds(1))

    ran = Rig(durable_execution(workflow)).run()
    assert ran.error.error_type == "DeterminismError"
    assert "step 'after the event' (operation 1 of task waits 1" in ran.error.error_message
    assert "whose function does not run again (return the value" in ran.error.error_message


def test_a_step_that_the_log_does_not_hold_is_named_with_its_line() -> None:
    async def before(ctx: DurableContext, pay: Any) -> None:
        await asyncio.gather(pay(ctx, "a"))
        await ctx.wait(seconds(5))

    async def after(ctx: DurableContext, pay: Any) -> None:
        async def renamed() -> None:
            await pay(ctx, "b")

        await asyncio.gather(renamed())

    ran, runs = changed(before, after, CheckpointingMode.BATCHED)
    assert runs == ["a"]
    message = ran.error.error_message
    assert "step 'charge' (operation 1 of task pay 1 in the handler's context)" in message
    assert "It asked for these, which the log does not hold: step 'charge' (" in message
    assert "test_unclaimed.py:" in message
    assert ", in charging.<locals>.pay" in message


def test_an_error_of_new_code_stays_what_it_is_and_records_nothing_else() -> None:
    ran, runs = changed(gathered, raises, CheckpointingMode.BATCHED)
    assert ran.error.error_type == "LookupError"
    assert runs == ["a", "b"]
    assert not [event for event in ran.events if event.name == "left behind"]


@pytest.mark.parametrize("mode", MODES)
def test_new_operations_at_the_end_are_no_divergence(mode: CheckpointingMode) -> None:
    async def longer(ctx: DurableContext, pay: Any) -> str:
        await gathered(ctx, pay)
        await pay(ctx, "c")
        return "longer"

    ran, runs = changed(gathered, longer, mode)
    assert ran.result == "longer", ran.error
    assert runs == ["a", "b", "c"]


def test_an_invoke_does_not_leave_before_the_gate_opens() -> None:
    started: list[Any] = []

    async def before(ctx: DurableContext) -> None:
        await ctx.step(noop, name="first")
        await ctx.wait(seconds(5))

    async def after(ctx: DurableContext) -> None:
        await ctx.invoke("plain", {"n": 1})

    changing = Changing(before, after, CheckpointingMode.BATCHED)
    versions = changing.rig.handler
    rig = Rig(versions, plain={"plain": lambda event, _: started.append(event)})
    ran = rig.run()
    assert ran.status == "FAILED"
    assert started == []


async def noop() -> None:
    """Do nothing."""


# Changes that are not a divergence.


def test_what_the_generator_of_a_completed_map_recorded_is_rightly_not_asked_for() -> None:
    def build(probe: Probe) -> Workflow:
        async def run(event: Any, ctx: DurableContext) -> Any:
            async def pages(label: str) -> AsyncIterator[int]:
                for page in range(2):
                    await ctx.step(probe.body, page, name=f"{label} page {page}")
                    yield page

            async def nested() -> AsyncIterator[int]:
                async for page in pages("outer"):
                    batch = await ctx.map(pages(f"inner {page}"), item, name="inner")
                    yield len(batch.results())

            async def item(inner: DurableContext, n: int, index: int) -> int:
                return await inner.step(probe.body, n)

            probe.see("batch", (await ctx.map(nested(), item, name="outer")).results())
            await ctx.wait(seconds(5))
            return await ctx.step(probe.body, "after")

        return run

    prove(build, seeds=2)


def test_a_step_under_a_short_timeout_runs_after_a_crash() -> None:
    runs: list[int] = []

    async def workflow(event: Any, ctx: DurableContext) -> str:
        await ctx.step(noop, name="first")
        await ctx.wait(seconds(1))
        try:
            async with asyncio.timeout(0.5):
                return await ctx.step(quick)
        except TimeoutError:
            return "too late"

    async def quick() -> str:
        runs.append(1)
        return "in time"

    ran = Rig(durable_execution(workflow)).run()
    assert ran.result == "in time"
    assert runs == [1]


def test_work_that_nobody_awaits_and_a_handler_that_returns_are_no_divergence() -> None:
    def build(probe: Probe) -> Workflow:
        async def run(event: Any, ctx: DurableContext) -> Any:
            async def background() -> None:
                for n in range(5):
                    await ctx.step(probe.body, n, name=f"background {n}")
                    await ctx.wait(seconds(1))

            task = asyncio.create_task(background())
            await ctx.wait(seconds(2))
            probe.see("a", await ctx.step(probe.body, "a"))
            del task
            return "done"

        return run

    prove(build, seeds=3, same_log=False)


def test_a_recorded_id_of_any_length_is_told_at_once() -> None:
    """Parsing a long id once took quadratic time."""
    service = MemoryService()
    event = service.event("1")
    event["InitialExecutionState"]["Operations"].append(
        {
            "Id": "x" * 60_000,
            "Type": "STEP",
            "Status": "SUCCEEDED",
            "StartTimestamp": 1,
            "Name": "odd",
        }
    )

    @durable_execution
    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(lambda: None, name="other")

    began = time.process_time()
    outcome = workflow.bind(service)(event, None)
    assert time.process_time() - began < 2
    assert outcome["Error"]["ErrorType"] == "DeterminismError"
    assert "step 'odd' (in the handler's context)" in outcome["Error"]["ErrorMessage"]


# Code that waits outside the loop for an operation of its own.


async def callback_of_a_thread(ctx: DurableContext, body: Any) -> Any:
    loop = asyncio.get_running_loop()

    async def operation() -> Any:
        return await ctx.step(body, "called")

    def call() -> Any:
        return asyncio.run_coroutine_threadsafe(operation(), loop).result(_PATIENCE)

    return await asyncio.to_thread(call)


async def thread_that_is_told(ctx: DurableContext, body: Any) -> Any:
    ended = threading.Event()
    step = ctx.step(body, "called")
    step.add_done_callback(lambda _: ended.set())
    with ThreadPoolExecutor(1) as pool:
        in_time = await asyncio.get_running_loop().run_in_executor(pool, ended.wait, _PATIENCE)
    return await step if in_time else "too late"


async def thread_of_anyio(ctx: DurableContext, body: Any) -> Any:
    async def operation() -> Any:
        return await ctx.step(body, "called")

    return await anyio.to_thread.run_sync(anyio.from_thread.run, operation)


async def thread_beside_a_child(ctx: DurableContext, body: Any) -> Any:
    ended = threading.Event()

    async def child(inner: DurableContext) -> Any:
        try:
            return await inner.step(body, "called")
        finally:
            ended.set()

    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(asyncio.to_thread(ended.wait, _PATIENCE))
        value = await ctx.run_in_child_context(child)
    return value if waiting.result() else "too late"


async def socket_that_is_written(ctx: DurableContext, body: Any) -> Any:
    loop = asyncio.get_running_loop()
    reading, writing = socket.socketpair()
    with reading, writing:
        reading.setblocking(False)
        step = ctx.step(body, "called")
        step.add_done_callback(lambda _: writing.send(b"x"))
        async with asyncio.timeout(_PATIENCE):
            await loop.sock_recv(reading, 1)
        return await step


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "waits",
    [
        callback_of_a_thread,
        thread_that_is_told,
        thread_of_anyio,
        thread_beside_a_child,
        socket_that_is_written,
    ],
)
def test_a_thread_or_socket_that_waits_for_an_operation_does_not_keep_the_gate_closed(
    waits: Callable[[DurableContext, Any], Awaitable[Any]], mode: CheckpointingMode
) -> None:
    runs: list[str] = []

    async def body(label: str) -> str:
        runs.append(label)
        return label

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        await ctx.wait(seconds(1))
        return await waits(ctx, body)

    ran = Rig(durable_execution(checkpointing=mode)(workflow)).run()
    assert (ran.status, ran.result) == ("SUCCEEDED", "called"), ran.error
    assert runs == ["called"]


def test_what_is_asked_for_after_a_thread_is_waited_for() -> None:
    def build(probe: Probe) -> Workflow:
        async def run(event: Any, ctx: DurableContext) -> Any:
            first = ctx.step(probe.body, "first")
            await asyncio.to_thread(time.monotonic)
            probe.see("second", await ctx.step(probe.body, "second"))
            probe.see("first", await first)
            await ctx.wait(seconds(1))
            return await ctx.step(probe.body, "third")

        return run

    prove(build, seeds=2, same_log=False)

"""A callback runs in the context of the code that added it, so what it starts has a place in the workflow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context, ContextVar
from typing import Any

import pytest
from tests.replay.corpus import Probe, Workflow, seconds
from tests.replay.prove import prove
from tests.rig import run_workflow

from durable_execution_sdk import DurableContext

PLACE: ContextVar[str] = ContextVar("PLACE", default="nowhere")


async def work(ctx: DurableContext) -> str:
    """Run as a task that changes the variable for itself."""
    PLACE.set("in the task")
    return await ctx.step(asyncio.sleep, 0, "worked", name="work")


def the_operation(ctx: DurableContext) -> asyncio.Future[Any]:
    return ctx.step(asyncio.sleep, 0, "worked", name="work")


def the_task(ctx: DurableContext) -> asyncio.Future[Any]:
    return asyncio.create_task(work(ctx))


def their_gather(ctx: DurableContext) -> asyncio.Future[Any]:
    return asyncio.gather(the_task(ctx), the_operation(ctx))


def a_future(ctx: DurableContext) -> asyncio.Future[Any]:
    future = asyncio.get_running_loop().create_future()
    the_operation(ctx).add_done_callback(future.set_result)
    return future


SOURCES = [the_operation, the_task, their_gather, a_future]


@pytest.mark.parametrize("source", SOURCES, ids=lambda each: each.__name__)
def test_a_callback_may_start_tasks_with_operations(source: Callable[..., Any]) -> None:
    def build(probe: Probe) -> Workflow:
        async def workflow(event: Any, ctx: DurableContext) -> Any:
            started: list[asyncio.Task[str]] = []

            async def follow_up(number: int) -> str:
                waited = await ctx.wait(seconds(number))
                done = await ctx.step(probe.body, f"follow-up {number}")
                return str(probe.see("followed", [number, waited, done]))

            def tell(_: object) -> None:
                probe.see("told", PLACE.get())
                started.append(asyncio.create_task(follow_up(len(started) + 1)))

            async def add(place: str) -> None:
                PLACE.set(place)
                future.add_done_callback(tell)

            future = source(ctx)
            PLACE.set("in the handler")
            future.add_done_callback(tell)
            PLACE.set("later in the handler")
            await asyncio.create_task(add("in another task"))
            await future
            return await asyncio.gather(*started)

        return workflow

    ran = prove(build, seeds=3)
    assert len(ran.result) == 2


@pytest.mark.parametrize("source", SOURCES, ids=lambda each: each.__name__)
def test_a_callback_sees_the_variables_of_the_code_that_added_it(
    source: Callable[..., Any],
) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        seen: list[str] = []
        future = source(ctx)
        PLACE.set("in the handler")
        future.add_done_callback(lambda _: seen.append(PLACE.get()))
        future.add_done_callback(lambda _: seen.append(PLACE.get()), context=Context())
        PLACE.set("later")
        await future
        await asyncio.sleep(0)
        return seen

    assert run_workflow(workflow).result == ["in the handler", "nowhere"]


def test_a_timer_of_a_callback_is_durable() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        rang = asyncio.Event()
        loop = asyncio.get_running_loop()
        the_operation(ctx).add_done_callback(lambda _: loop.call_later(3600, rang.set))
        await rang.wait()

    ran = run_workflow(workflow)
    assert (ran.status, ran.invocations) == ("SUCCEEDED", 2)
    assert "WaitStarted" in ran.types()


def test_a_task_in_an_empty_context_sees_no_variables_of_its_maker() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        async def look() -> list[str]:
            before = PLACE.get()
            await ctx.wait(seconds(1))
            return [before, PLACE.get()]

        PLACE.set("in the handler")
        return await asyncio.create_task(look(), context=Context())

    assert run_workflow(workflow).result == ["nowhere", "nowhere"]

"""An operation that is refused when it is asked for leaves nothing behind: the execution ends, or goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.rig import run_workflow

from durable_execution_sdk import (
    CallbackConfig,
    DurableContext,
    Duration,
    InvokeConfig,
    WaitDecision,
    WaitForCallbackConfig,
    WaitForConditionConfig,
    durable_execution,
)


class Plain:
    """A class that nothing reads from JSON."""


class Refuses:
    def serialize(self, value: Any, _context: Any, /) -> str:
        raise RuntimeError("not this value")

    def deserialize(self, payload: str, _context: Any, /) -> Any:
        return payload


def check(_state: Any) -> Plain:
    return Plain()


async def body(_ctx: DurableContext) -> Plain:
    return Plain()


async def item(_ctx: DurableContext, _item: int, _index: int) -> Plain:
    return Plain()


@durable_execution
async def other(_event: Any, _ctx: DurableContext) -> None:
    return None


POLL: WaitForConditionConfig[Any] = WaitForConditionConfig(
    initial_state=None, wait_strategy=lambda _state, _attempt: WaitDecision.stop()
)
FAR: Any = Duration.from_seconds(10**12)

CALLS: dict[str, Callable[[DurableContext], Any]] = {
    "step": lambda ctx: ctx.step(body, ctx),
    "child": lambda ctx: ctx.run_in_child_context(body),
    "map": lambda ctx: ctx.map([1], item),
    "parallel": lambda ctx: ctx.parallel([body]),
    "poll": lambda ctx: ctx.wait_for_condition(check, POLL),
    "callback": lambda ctx: ctx.create_callback(config=CallbackConfig(result_type=Plain)),
    "far callback": lambda ctx: ctx.create_callback(config=CallbackConfig(timeout=FAR)),
    "wait_for_callback": lambda ctx: ctx.wait_for_callback(
        lambda _id: None, config=WaitForCallbackConfig(result_type=Plain)
    ),
    "invoke": lambda ctx: ctx.invoke("other:$LATEST", 1, config=InvokeConfig(result_type=Plain)),
    "invoke with an object": lambda ctx: ctx.invoke("other:$LATEST", object()),
    "invoke with a serdes": lambda ctx: ctx.invoke(
        "other:$LATEST", 1, config=InvokeConfig(payload_serdes=Refuses())
    ),
    "large invoke": lambda ctx: ctx.invoke("other:$LATEST", "x" * 2_000_000),
    "complete": lambda ctx: ctx.complete_execution_success(object()),
    "wait": lambda ctx: ctx.wait(FAR),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_refused_call_fails_the_execution_in_one_invocation(name: str) -> None:
    async def workflow(_event: Any, ctx: DurableContext) -> None:
        await CALLS[name](ctx)

    ran = run_workflow(workflow, others={"other": other})
    assert (ran.status, ran.invocations) == ("FAILED", 1), ran.error
    assert ran.error.error_type in {"ConfigError", "SerDesError", "PayloadSizeError"}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("way", ["here", "in a task", "in a gather"])
def test_the_workflow_goes_on_after_a_refused_call(name: str, way: str) -> None:
    caught: list[str] = []

    async def call(ctx: DurableContext) -> None:
        try:
            await CALLS[name](ctx)
        except Exception as error:
            caught.append(type(error).__name__)

    async def workflow(_event: Any, ctx: DurableContext) -> str:
        waiting: Awaitable[Any]
        if way == "here":
            waiting = call(ctx)
        elif way == "in a task":
            waiting = asyncio.create_task(call(ctx))
        else:
            waiting = asyncio.gather(call(ctx), ctx.wait(Duration.from_seconds(1)), call(ctx))
        await waiting
        await ctx.wait(Duration.from_seconds(1))
        return "done"

    ran = run_workflow(workflow, others={"other": other})
    assert (ran.status, ran.result) == ("SUCCEEDED", "done"), ran.error
    assert len(set(caught)) == 1, caught

"""A value or an error that was written can be read under any number of frames."""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import pytest
from tests.rig import Rig, rig_of, run_workflow

from durable_execution_sdk import (
    DurableContext,
    Duration,
    NoRetry,
    SerDesContext,
    StepConfig,
    WaitDecision,
    WaitForConditionConfig,
    durable_execution,
)
from durable_execution_sdk.serdes import on_a_fresh_stack

NESTING = 300
# The frames that are left: enough for a handle, and for nothing that counts the nesting.
ROOM = 90
ROOM_FOR_AN_ERROR = 50


@dataclass
class Node:
    value: int
    next: Node | None = None


def lists() -> Any:
    value: Any = 1
    for _ in range(NESTING):
        value = [value]
    return value


def nodes() -> Node:
    node = Node(0)
    for value in range(1, NESTING):
        node = Node(value, node)
    return node


def depth(value: Any) -> int:
    """Return the nesting of what ``lists`` or ``nodes`` made."""
    count = 0
    while isinstance(value, (list, Node)):
        value = value[0] if isinstance(value, list) else value.next
        count += 1
    return count


async def under(frames: int, call: Callable[[], Awaitable[Any]]) -> Any:
    return await call() if frames <= 0 else await under(frames - 1, call)


def frames_but(room: int) -> int:
    """Return the number of frames that leave so many to the limit of recursion."""
    count, frame = 0, sys._getframe()
    while frame.f_back is not None:
        count, frame = count + 1, frame.f_back
    return sys.getrecursionlimit() - count - room


async def step_of_lists(ctx: DurableContext) -> Any:
    async def body() -> Any:
        return lists()

    return await ctx.step(body)


async def step_of_nodes(ctx: DurableContext) -> Any:
    async def body() -> Node:
        return nodes()

    return await ctx.step(body)


async def child(ctx: DurableContext) -> Any:
    async def body(_inner: DurableContext) -> Node:
        return nodes()

    return await ctx.run_in_child_context(body)


async def item(ctx: DurableContext) -> Any:
    async def body(_inner: DurableContext, _item: int, _index: int) -> Any:
        return lists()

    return (await ctx.map([1], body)).results()[0]


async def condition(ctx: DurableContext) -> Any:
    async def check(_state: Any) -> Any:
        return lists()

    config: WaitForConditionConfig[Any] = WaitForConditionConfig(
        initial_state=None, wait_strategy=lambda _state, _attempt: WaitDecision.stop()
    )
    return await ctx.wait_for_condition(check, config)


async def invoked(ctx: DurableContext) -> Any:
    return await ctx.invoke("other:$LATEST", None)


@durable_execution
async def other(_event: Any, _ctx: DurableContext) -> Any:
    return lists()


class Loads:
    """A serdes of the user's."""

    def serialize(self, value: Any, _context: SerDesContext, /) -> str:
        return json.dumps(value)

    def deserialize(self, payload: str, _context: SerDesContext, /) -> Any:
        return json.loads(payload)


async def own_serdes(ctx: DurableContext) -> Any:
    return await ctx.step(lists, config=StepConfig(serdes=Loads()))


KINDS = [step_of_lists, step_of_nodes, child, item, condition, invoked, own_serdes]


@pytest.mark.parametrize("ask", KINDS, ids=lambda ask: str(ask.__name__))
def test_a_nested_result_is_read_under_many_frames_on_replay(
    ask: Callable[[DurableContext], Awaitable[Any]],
) -> None:
    seen: list[int] = []

    async def workflow(_event: Any, ctx: DurableContext) -> None:
        frames = frames_but(ROOM) if seen else 0
        seen.append(depth(await under(frames, lambda: ask(ctx))))
        await ctx.wait(Duration.from_seconds(1))

    rig: Rig = rig_of(workflow, others={"other": other})
    ran = rig.run()
    assert ran.status == "SUCCEEDED", ran.error
    assert len(seen) >= 2
    assert set(seen) == {NESTING}


def test_an_error_is_rebuilt_under_many_frames_on_replay() -> None:
    seen: list[Any] = []

    async def fails() -> None:
        argument: Any = 1
        for _ in range(20):
            argument = (argument,)
        raise ValueError("no", argument)

    async def workflow(_event: Any, ctx: DurableContext) -> None:
        step = ctx.step(fails, config=StepConfig(retry_strategy=NoRetry()))

        async def wait() -> None:
            await step

        try:
            await under(frames_but(ROOM_FOR_AN_ERROR) if seen else 0, wait)
        except ValueError as error:
            seen.append((error.args, str(error), repr(error)))
        await ctx.wait(Duration.from_seconds(1))

    ran = run_workflow(workflow)
    assert ran.status == "SUCCEEDED", ran.error
    assert len(seen) == 2
    assert seen[0] == seen[1]


def test_a_validator_under_many_frames_sees_the_context_variables_of_the_caller() -> None:
    variable: ContextVar[str] = ContextVar("variable")
    token = variable.set("of the caller")
    try:
        assert on_a_fresh_stack(variable.get) == "of the caller"
    finally:
        variable.reset(token)


def test_an_exception_on_a_fresh_stack_is_raised_in_the_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        on_a_fresh_stack(lambda: 1 // 0)

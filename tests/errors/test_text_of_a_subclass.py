"""Text of a subclass of ``str``, as template libraries make it, is accepted everywhere."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.rig import rig_of

from durable_execution_sdk import (
    ChildConfig,
    DurableContext,
    Duration,
    InvokeConfig,
    InvokeError,
    MapConfig,
    ParallelConfig,
    StepConfig,
    WaitForConditionConfig,
    poll_until,
)


class Markup(str):
    """A subclass of ``str`` whose methods return the subclass, as in template libraries."""

    __slots__ = ()

    def __str__(self) -> str:
        return self

    def __format__(self, spec: str) -> str:
        return self


NAME = Markup("name")


class MarkupSerDes:
    def serialize(self, value: Any, context: Any) -> str:
        return Markup(json.dumps(value))

    def deserialize(self, payload: str, context: Any) -> Any:
        return json.loads(payload)


SERDES = MarkupSerDes()


def body(*_: Any) -> int:
    return 1


async def child(*_: Any) -> int:
    return 1


async def large(*_: Any) -> str:
    return "x" * 300_000


def named() -> int:
    return 1


named.__name__ = NAME


class Named:
    __name__ = NAME

    def __call__(self) -> int:
        return 1


async def name_of_step(ctx: DurableContext) -> Any:
    await ctx.step(body, name=NAME)


async def name_of_wait(ctx: DurableContext) -> Any:
    await ctx.wait(Duration.from_seconds(1), name=NAME)


async def name_of_child(ctx: DurableContext) -> Any:
    await ctx.run_in_child_context(child, name=NAME)


async def name_of_callback(ctx: DurableContext) -> Any:
    await ctx.create_callback(name=NAME)


async def names_of_map(ctx: DurableContext) -> Any:
    config: Any = MapConfig(item_namer=lambda *_: NAME, item_serdes=SERDES)
    await ctx.map([NAME], child, name=NAME, config=config)


async def names_of_branches(ctx: DurableContext) -> Any:
    await ctx.parallel({NAME: child}, name=NAME, config=ParallelConfig(item_serdes=SERDES))


async def name_of_poll(ctx: DurableContext) -> Any:
    config: Any = WaitForConditionConfig(
        initial_state=0, wait_strategy=poll_until(bool), serdes=SERDES
    )
    await ctx.wait_for_condition(body, name=NAME, config=config)


async def name_of_function(ctx: DurableContext) -> Any:
    await ctx.step(named)
    await ctx.step(Named())


async def texts_of_serdes(ctx: DurableContext) -> Any:
    await ctx.step(body, config=StepConfig(serdes=SERDES))
    await ctx.run_in_child_context(child, config=ChildConfig(serdes=SERDES))


async def summaries(ctx: DurableContext) -> Any:
    await ctx.run_in_child_context(large, config=ChildConfig(summary_generator=lambda _: NAME))
    config: Any = MapConfig(summary_generator=lambda _: NAME)
    await ctx.map([1], large, config=config)


async def names_of_invoke(ctx: DurableContext) -> Any:
    config: Any = InvokeConfig(payload_serdes=SERDES, tenant_id=NAME)
    try:
        await ctx.invoke(Markup("nobody"), 1, name=NAME, config=config)
    except InvokeError:
        pass


ALL = [
    name_of_step,
    name_of_wait,
    name_of_child,
    name_of_callback,
    names_of_map,
    names_of_branches,
    name_of_poll,
    name_of_function,
    texts_of_serdes,
    summaries,
    names_of_invoke,
]


@pytest.mark.parametrize("each", ALL)
def test_it_is_sent_as_plain_text(each: Any) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        await each(ctx)
        await ctx.wait(Duration.from_seconds(1))
        return NAME

    rig = rig_of(workflow)
    ran = rig.drive(rig.start(), until=rig.clock.now() + 86_400_000)
    assert (ran.status, ran.error) == ("SUCCEEDED", None)
    assert ran.invocations <= 4

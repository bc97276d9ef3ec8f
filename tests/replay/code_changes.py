"""Changes of code: the part of a workflow before and after each, and what an open execution comes to."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from durable_execution_sdk import (
    CompletionConfig,
    DurableContext,
    Duration,
    FixedDelay,
    InvokeConfig,
    MapConfig,
    StepConfig,
)

ON, TOLD = "goes on", "told"
HOUR = Duration.from_hours(1)


class World:
    """The effects of the workflow's steps."""

    def __init__(self) -> None:
        self.runs: Counter[str] = Counter()

    async def work(self, name: str, value: str | None = None) -> str:
        self.runs[name] += 1
        return value or name

    def do(self, ctx: DurableContext, name: str, value: str | None = None, **options: Any) -> Any:
        return ctx.step(self.work, name, value, name=name, **options)


Part = Callable[[World, DurableContext], Awaitable[Any]]


@dataclass(frozen=True)
class CodeChange:
    """A change. ``first`` is the name of the operation that it begins with, in the old code.

    ``gives`` is what an execution without a patch does, if it was open before the change, at it, and after it.
    """

    text: str
    old: Part
    new: Part
    first: str
    gives: tuple[str, str, str]


def steps(*names: str, value: str | None = None, **options: Any) -> Part:
    async def part(world: World, ctx: DurableContext) -> list[str]:
        return [await world.do(ctx, name, value, **options) for name in names]

    return part


def waits(*names: str, hours: int = 1) -> Part:
    async def part(world: World, ctx: DurableContext) -> None:
        for name in names:
            await ctx.wait(Duration.from_hours(hours), name=name)

    return part


def then(*parts: Part) -> Part:
    async def part(world: World, ctx: DurableContext) -> list[Any]:
        return [await each(world, ctx) for each in parts]

    return part


async def nothing(world: World, ctx: DurableContext) -> None:
    """Do nothing."""


def gathered(*names: str) -> Part:
    async def part(world: World, ctx: DurableContext) -> list[str]:
        async def pay(name: str) -> str:
            return str(await world.do(ctx, name))

        return list(await asyncio.gather(*map(pay, names)))

    return part


def gathered_by_another_function(*names: str) -> Part:
    async def part(world: World, ctx: DurableContext) -> list[str]:
        async def charge(name: str) -> str:
            return str(await world.do(ctx, name))

        return list(await asyncio.gather(*map(charge, names)))

    return part


def child(inner_part: Part, name: str = "child") -> Part:
    async def part(world: World, ctx: DurableContext) -> Any:
        async def run(inner: DurableContext) -> Any:
            return await inner_part(world, inner)

        return await ctx.run_in_child_context(run, name=name)

    return part


def mapped(*items: str, config: MapConfig | None = None) -> Part:
    async def part(world: World, ctx: DurableContext) -> list[Any]:
        async def item(inner: DurableContext, each: str, _: int) -> str:
            return str(await world.do(inner, each))

        chosen = config or MapConfig(item_namer=lambda each, _: f"item {each}", max_concurrency=1)
        return (await ctx.map(items, item, name="map", config=chosen)).results()

    return part


def parallel(*names: str) -> Part:
    async def part(world: World, ctx: DurableContext) -> list[Any]:
        def branch(name: str) -> Callable[[DurableContext], Awaitable[str]]:
            async def run(inner: DurableContext) -> str:
                return str(await world.do(inner, name))

            return run

        branches = {f"branch {name}": branch(name) for name in names}
        return (await ctx.parallel(branches, name="parallel")).results()

    return part


def invokes(function: str, payload: int) -> Part:
    async def part(world: World, ctx: DurableContext) -> Any:
        config: InvokeConfig[int] = InvokeConfig(result_type=int)
        return await ctx.invoke(f"{function}:$LATEST", payload, name="invoke", config=config)

    return part


async def annotated_work(world: World, ctx: DurableContext) -> Any:
    async def b() -> str:
        world.runs["b"] += 1
        return "other"

    return [await ctx.step(b)]


def raced(*names: str) -> Part:
    async def part(world: World, ctx: DurableContext) -> list[str]:
        done: list[str] = await ctx.all(*(world.do(ctx, name) for name in names), name="all")
        return list(done)

    return part


_WIDER = MapConfig(
    item_namer=lambda each, _: f"item {each}",
    max_concurrency=9,
    completion=CompletionConfig(tolerated_failure_percentage=100),
)
_RETRIED = StepConfig(retry_strategy=FixedDelay(max_attempts=2, delay=HOUR))

# "w" is the wait that follows the part.
CHANGES: Sequence[CodeChange] = (
    CodeChange(
        "a step is added before another",
        *(steps("b"), steps("new", "b"), "b"),
        (ON, TOLD, TOLD),
    ),
    CodeChange(
        "a step is added after another", *(steps("b"), steps("b", "new"), "b"), (ON, ON, TOLD)
    ),
    CodeChange(
        "a wait is added", *(steps("b"), then(waits("pause"), steps("b")), "b"), (ON, TOLD, TOLD)
    ),
    CodeChange("a step is removed", *(steps("b"), nothing, "b"), (ON, TOLD, TOLD)),
    CodeChange(
        "the first of two steps is removed", *(steps("b", "c"), steps("c"), "b"), (ON, TOLD, TOLD)
    ),
    CodeChange(
        "the last of two steps is removed", *(steps("b", "c"), steps("b"), "b"), (ON, ON, TOLD)
    ),
    CodeChange(
        "a wait is removed",
        *(then(waits("pause"), steps("b")), steps("b"), "pause"),
        (ON, TOLD, TOLD),
    ),
    CodeChange("a step is renamed", *(steps("b"), steps("c"), "b"), (ON, TOLD, TOLD)),
    CodeChange(
        "two steps change places", *(steps("b", "c"), steps("c", "b"), "b"), (ON, TOLD, TOLD)
    ),
    CodeChange(
        "a step moves behind the wait",
        *(then(steps("b"), waits("pause")), then(waits("pause"), steps("b")), "b"),
        (ON, TOLD, TOLD),
    ),
    CodeChange(
        "the arguments of a step", *(steps("b"), steps("b", value="other"), "b"), (ON, ON, ON)
    ),
    CodeChange(
        "the function of a step of the same name", *(steps("b"), annotated_work, "b"), (ON, ON, ON)
    ),
    CodeChange(
        "the retry strategy of a step",
        *(steps("b"), steps("b", config=_RETRIED), "b"),
        (ON, ON, ON),
    ),
    CodeChange(
        "the duration of a wait", *(waits("pause"), waits("pause", hours=2), "pause"), (ON, ON, ON)
    ),
    CodeChange("a step becomes a wait", *(steps("b"), waits("b"), "b"), (ON, TOLD, TOLD)),
    CodeChange(
        "a step moves into a child context", *(steps("b"), child(steps("b")), "b"), (ON, TOLD, TOLD)
    ),
    CodeChange(
        "a step is added at the start of a child context",
        *(child(steps("b", "c")), child(steps("new", "b", "c")), "b"),
        (ON, TOLD, ON),
    ),
    CodeChange(
        "a child context is taken apart",
        *(child(steps("b", "c")), steps("b", "c"), "child"),
        (ON, TOLD, TOLD),
    ),
    CodeChange(
        "a child context is renamed",
        *(child(steps("b")), child(steps("b"), "other"), "child"),
        (ON, TOLD, TOLD),
    ),
    CodeChange(
        "a gather becomes a sequence", *(gathered("b", "c"), steps("b", "c"), "b"), (ON, TOLD, TOLD)
    ),
    CodeChange(
        "a sequence becomes a gather", *(steps("b", "c"), gathered("b", "c"), "b"), (ON, TOLD, TOLD)
    ),
    CodeChange(
        "a task is added at the start of a gather",
        *(gathered("b", "c"), gathered("new", "b", "c"), "b"),
        (ON, TOLD, TOLD),
    ),
    CodeChange(
        "a task is added at the end of a gather",
        *(gathered("b", "c"), gathered("b", "c", "new"), "b"),
        (ON, ON, TOLD),
    ),
    CodeChange(
        "the last task of a gather is removed",
        *(gathered("b", "c"), gathered("b"), "b"),
        (ON, TOLD, TOLD),
    ),
    CodeChange(
        "the coroutine function of a gather is renamed",
        *(gathered("b", "c"), gathered_by_another_function("b", "c"), "b"),
        (ON, TOLD, TOLD),
    ),
    CodeChange(
        "an item is added at the end of a map",
        *(mapped("b", "c"), mapped("b", "c", "new"), "item b"),
        (ON, ON, ON),
    ),
    CodeChange(
        "an item is added at the start of a map, with an item_namer",
        *(mapped("b", "c"), mapped("new", "b", "c"), "item b"),
        (ON, TOLD, ON),
    ),
    CodeChange(
        "the concurrency and completion of a map",
        *(mapped("b", "c"), mapped("b", "c", config=_WIDER), "item b"),
        (ON, ON, ON),
    ),
    CodeChange(
        "a named branch is added at the start of a parallel",
        *(parallel("b", "c"), parallel("new", "b", "c"), "parallel"),
        (ON, TOLD, ON),
    ),
    CodeChange(
        "an operand is added to ctx.all",
        *(raced("b", "c"), raced("b", "c", "new"), "b"),
        (ON, TOLD, TOLD),
    ),
    CodeChange(
        "the function and payload of an invoke",
        *(invokes("double", 1), invokes("triple", 2), "invoke"),
        (ON, ON, ON),
    ),
)

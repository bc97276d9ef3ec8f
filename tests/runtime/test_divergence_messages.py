"""The text of a ``DeterminismError``: place, record and code, lines, what came before, likely change, ways out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.rig import Rig

from durable_execution_sdk import (
    CheckpointingMode,
    DurableContext,
    Duration,
    OnDivergence,
    durable_execution,
)
from durable_execution_sdk.protocol.limits import MAX_ERROR_OBJECT_BYTES
from durable_execution_sdk.runtime.log.divergence import WAYS_OUT, Change

Code = Callable[[DurableContext], Awaitable[Any]]
DAY = Duration.from_days(1)


async def work(*_: object) -> str:
    return "done"


async def old(ctx: DurableContext) -> None:
    await ctx.step(work, name="first")
    await ctx.step(work, name="reserve")
    await ctx.step(work, name="charge")
    await ctx.wait(DAY, name="pause")
    await ctx.step(work, name="ship")


async def inserted(ctx: DurableContext) -> None:
    await ctx.step(work, name="first")
    await ctx.step(work, name="reserve")
    await ctx.step(work, name="check")  # asks
    await ctx.step(work, name="charge")  # recorded
    await ctx.wait(DAY, name="pause")


async def removed(ctx: DurableContext) -> None:
    await ctx.step(work, name="first")
    await ctx.step(work, name="charge")  # asks
    await ctx.wait(DAY, name="pause")


async def renamed(ctx: DurableContext) -> None:
    await ctx.step(work, name="first")
    await ctx.step(work, name="reserve")
    await ctx.step(work, name="pay")  # asks
    await ctx.wait(DAY, name="pause")


async def reordered(ctx: DurableContext) -> None:
    await ctx.step(work, name="first")
    await ctx.step(work, name="charge")  # asks
    await ctx.step(work, name="reserve")  # recorded
    await ctx.wait(DAY, name="pause")


async def replaced(ctx: DurableContext) -> None:
    await ctx.step(work, name="first")
    await ctx.wait(DAY, name="break")  # asks
    await ctx.step(work, name="charge")
    await ctx.wait(DAY, name="pause")


async def computed(ctx: DurableContext) -> None:
    for name in ("fir st", "re serve"):
        await ctx.step(work, name=name.replace(" ", "").upper().swapcase())
    for name in ("new", "charges"):
        await ctx.step(work, name=name[:-1])  # asks


async def cut_short(ctx: DurableContext) -> None:
    await ctx.step(work, name="first")
    await ctx.step(work, name="reserve")


async def pay(ctx: DurableContext, name: str) -> None:
    await ctx.step(work, name=f"pay {name}")


async def gathered(ctx: DurableContext) -> None:
    await ctx.step(work, name="first")
    await asyncio.gather(pay(ctx, "x"), pay(ctx, "y"))
    await ctx.wait(DAY, name="pause")


async def in_sequence(ctx: DurableContext) -> None:
    await ctx.step(work, name="first")
    await ctx.step(work, name="pay x")  # asks
    await ctx.step(work, name="pay y")
    await ctx.wait(DAY, name="pause")  # recorded


async def one_more_task(ctx: DurableContext) -> None:
    await ctx.step(work, name="first")
    await asyncio.gather(pay(ctx, "w"), pay(ctx, "x"), pay(ctx, "y"))
    await ctx.wait(DAY, name="pause")


async def other_order(ctx: DurableContext) -> None:
    await ctx.step(work, name="first")
    await asyncio.gather(pay(ctx, "y"), pay(ctx, "x"))
    await ctx.wait(DAY, name="pause")


async def one_more_task_behind(ctx: DurableContext) -> None:
    await ctx.step(work, name="first")
    await asyncio.gather(pay(ctx, "x"), pay(ctx, "y"), pay(ctx, "z"))
    await ctx.wait(DAY, name="pause")


async def function_renamed(ctx: DurableContext) -> None:
    async def charge(name: str) -> None:
        await ctx.step(work, name=f"pay {name}")

    await ctx.step(work, name="first")
    await asyncio.gather(charge("x"), charge("y"))
    await ctx.wait(DAY, name="pause")


async def sequence(ctx: DurableContext) -> None:
    await ctx.step(work, name="first")
    await ctx.step(work, name="pay x")
    await ctx.step(work, name="pay y")
    await ctx.wait(DAY, name="pause")


async def to_tasks(ctx: DurableContext) -> None:
    await ctx.step(work, name="first")
    await asyncio.gather(pay(ctx, "x"), pay(ctx, "y"))
    await ctx.wait(DAY, name="pause")


def all_of(count: int) -> Code:
    async def run(ctx: DurableContext) -> None:
        await ctx.all(*(ctx.step(work, name="each") for _ in range(count)), name="all")
        await ctx.wait(DAY, name="pause")

    return run


async def all_of_one_more_before(ctx: DurableContext) -> None:
    one, two = ctx.step(work, name="each"), ctx.step(work, name="each")
    await ctx.all(one, name="all")
    await two
    await ctx.wait(DAY, name="pause")


def failing(*, fails: bool) -> Code:
    async def run(ctx: DurableContext) -> None:
        async def large(inner: DurableContext) -> str:
            await inner.step(work, name="first")
            if fails:
                raise LookupError("gone")
            return "x" * 300_000

        await ctx.run_in_child_context(large, name="large")
        await ctx.wait(DAY, name="pause")

    return run


def told(before: Code, after: Code, invocations: int = 1) -> str:
    """Run the old code for so many invocations, then the other one, and return the message."""
    codes = [*[before] * invocations, after]

    @durable_execution(checkpointing=CheckpointingMode.BATCHED)
    async def workflow(event: Any, ctx: DurableContext) -> None:
        await (codes.pop(0) if len(codes) > 1 else codes[0])(ctx)

    ran = Rig(workflow).run()
    assert (ran.status, ran.error.error_type) == ("FAILED", "DeterminismError"), ran.error
    message = str(ran.error.error_message)
    assert len(message.encode()) < MAX_ERROR_OBJECT_BYTES / 4
    return message


def line_of(function: Any, comment: str) -> str | None:
    """Return the place of the line with this comment, as the message has it."""
    import inspect

    lines, first = inspect.getsourcelines(function)
    numbers = [n for n, line in enumerate(lines, first) if line.rstrip().endswith(f"# {comment}")]
    return f"{__file__}:{numbers[0]}" if numbers else None


@pytest.mark.parametrize(
    ("before", "after", "change", "parts"),
    [
        (
            old,
            inserted,
            Change.INSERTED,
            ["operation 3 of the handler's context", "step 'charge'", "step 'check'"],
        ),
        (old, removed, Change.REMOVED, ["operation 2", "step 'reserve'", "step 'charge'"]),
        (old, renamed, Change.RENAMED, ["operation 3", "step 'charge'", "step 'pay'"]),
        (old, reordered, Change.REORDERED, ["operation 2", "step 'reserve'", "step 'charge'"]),
        (old, replaced, Change.REPLACED, ["operation 2", "step 'reserve'", "wait 'break'"]),
        (old, computed, Change.SHIFTED, ["operation 3", "step 'charge'", "step 'ne'"]),
        (old, cut_short, Change.REMOVED, ["step 'charge' (operation 3", "asked for nothing else"]),
        (gathered, in_sequence, Change.GATHER_TO_SEQUENCE, ["operation 2", "step 'pay x'"]),
        (gathered, one_more_task, Change.TASK_ADDED, ["operation 1 of task pay 1", "step 'pay w'"]),
        (gathered, other_order, Change.TASK_ADDED, ["operation 1 of task pay 1", "step 'pay y'"]),
        (gathered, one_more_task_behind, Change.TASK_ADDED, ["wait 'pause'", "step 'pay z'"]),
        (gathered, function_renamed, Change.FUNCTION_RENAMED, ["operation 1 of task pay 1"]),
        (sequence, to_tasks, Change.SEQUENCE_TO_GATHER, ["operation 2", "step 'pay x'"]),
        (
            all_of(2),
            all_of_one_more_before,
            Change.CONTENT,
            ["step 'all'", "2 operands", "gave it 1"],
        ),
        (
            failing(fails=False),
            failing(fails=True),
            Change.CONTENT,
            ["child context 'large'", "gone"],
        ),
    ],
    ids=lambda each: getattr(each, "__name__", None) or getattr(each, "name", ""),
)
def test_the_error_says_the_place_both_sides_and_the_likely_change(
    before: Code, after: Code, change: Change, parts: list[str]
) -> None:
    message = told(before, after)
    for part in [*parts, f"Likely {change}. ", WAYS_OUT, "not recorded"]:
        assert part in message, message
    for comment, words in (("asks", "The code asks for it at"), ("recorded", "may be that at")):
        place = line_of(after, comment)
        assert place is None or f"{words} {place}, in " in message, message


@pytest.mark.parametrize(
    ("after", "before_it"),
    [
        (inserted, "It comes after 'first', 'reserve'."),
        (removed, "It comes after 'first'."),
        (cut_short, "It comes after 'first', 'reserve'."),
    ],
)
def test_the_error_names_the_operations_before(after: Code, before_it: str) -> None:
    assert before_it in told(old, after)


def test_it_names_three_at_most_and_those_without_a_name_by_their_kind() -> None:
    async def many(ctx: DurableContext, name: str = "sixth") -> None:
        for each in ("first", "second", "third"):
            await ctx.step(work, name=each)
        await ctx.wait(Duration.from_seconds(1))
        await ctx.step(work, name="fifth")
        await ctx.step(work, name=name)
        await ctx.wait(DAY)

    async def other(ctx: DurableContext) -> None:
        await many(ctx, "else")

    assert "It comes after 'third', an unnamed wait, 'fifth'." in told(many, other, 2)


def test_a_divergence_before_any_operation_names_none() -> None:
    async def other(ctx: DurableContext) -> None:
        await ctx.step(work, name="other")

    assert "It comes after" not in told(old, other)


def test_the_error_that_is_raised_for_a_retry_says_the_same() -> None:
    codes = [old, renamed]

    @durable_execution(on_divergence=OnDivergence.RETRY)
    async def workflow(event: Any, ctx: DurableContext) -> None:
        await (codes.pop(0) if len(codes) > 1 else codes[0])(ctx)

    rig = Rig(workflow)
    ran = rig.drive(rig.start(), until=rig.clock.now() + 25 * 3_600_000)
    failed = [
        e.invocation_completed_details.error for e in ran.events if e.invocation_completed_details
    ]
    messages = {str(each.payload.error_message) for each in failed if each}
    assert len(messages) == 1
    assert WAYS_OUT in messages.pop()

"""Programs with planted faults of replay, and the checks that find them.

Each program depends on state that replay does not repeat, as the SDK itself once did. Most keep it in
the memory of the process, so a replay in the same process differs. `docs/proofs.md` has the table.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from durable_execution_sdk import DurableContext, Duration, durable_execution
from durable_execution_sdk.runtime.completions import Completions
from durable_execution_sdk.testing import (
    LocalDurableTestRunner,
    check_crash_safety_sync,
    check_replay_sync,
    check_schedules_sync,
)

PAGE = Path(__file__).parents[2] / "docs" / "proofs.md"
# State in the memory of the process, and effects outside.
MEMORY: list[str] = []
CHARGES: list[str] = []
PAUSE = Duration.from_seconds(5)


async def echo(value: Any) -> Any:
    return value


async def charge(label: str) -> str:
    CHARGES.append(label)
    return label


async def shifted_tasks(event: int, ctx: DurableContext) -> int:
    """Plant L1: state left by a step makes one more task, as the garbage collector once did."""

    async def stream() -> int:
        MEMORY.append("a generator that nobody has finished")
        return 1

    async def pay(label: str | None) -> None:
        if label is not None:
            await ctx.step(charge, label, name="charge")

    await ctx.step(stream)
    for label in "abc":
        if MEMORY:
            MEMORY.pop()
            await asyncio.create_task(pay(None))
        async with asyncio.TaskGroup() as group:
            group.create_task(pay(label))
    await ctx.wait(PAUSE)
    return 1


class Numbered:
    """An object whose hash is a number."""

    def __init__(self, label: str, number: int) -> None:
        self.label = label
        self.number = number

    def __hash__(self) -> int:
        return self.number

    def __eq__(self, other: object) -> bool:
        return self is other


async def counted_hashes(event: int, ctx: DurableContext) -> int:
    """Plant L2: hashes count over the invocation, and objects of a completed map are not made again."""
    count = 0

    async def item(inner: DurableContext, each: int, index: int) -> int:
        nonlocal count
        count += 1
        return int(await inner.step(echo, each, name="work"))

    await ctx.map(range(6), item)
    for each in {Numbered(label, count + n) for n, label in enumerate("abc")}:
        await ctx.step(echo, each.label, name="notify")
    await ctx.wait(PAUSE)
    return 1


async def lost_timeout(event: int, ctx: DurableContext) -> int:
    """Plant L3: a timeout has passed before a wait is awaited; on replay its end is there at once."""
    word = "in time"
    try:
        async with asyncio.timeout(0):
            await ctx.wait(PAUSE, name="limit")
    except TimeoutError:
        word = "too late"
    await ctx.step(echo, word, name="tell")
    await ctx.wait(PAUSE)
    return 1


@pytest.fixture
def hasty(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deliver every recorded end at once, for L3, which no program can cause by itself."""

    def deliver_at_once(self: Completions, completion: Any) -> None:
        while not completion.is_done:
            self.deliver_next()

    if fault == "L3":
        monkeypatch.setattr(Completions, "deliver_at_once", deliver_at_once)


async def order_of_addresses(event: int, ctx: DurableContext) -> int:
    """Plant L4: a set has another order in each run."""
    MEMORY.append("run")
    for each in {Numbered(label, (n + len(MEMORY)) % 3) for n, label in enumerate("abc")}:
        await ctx.step(echo, each.label, name="notify")
    await ctx.wait(PAUSE)
    return 1


async def unvisited_operations(event: int, ctx: DurableContext) -> int:
    """Plant L5: a cold start uses two tasks, and code with a warm cache another one."""

    async def pay(label: str) -> None:
        await ctx.step(charge, label, name="charge")

    async def pay_again(label: str) -> None:
        await pay(label)

    if MEMORY:
        await asyncio.create_task(pay_again("a"))
    else:
        MEMORY.append("warm")
        await asyncio.gather(pay("a"), pay("b"))
    await ctx.wait(PAUSE)
    return 1


PLANTED: dict[str, Any] = {
    "L1": shifted_tasks,
    "L2": counted_hashes,
    "L3": lost_timeout,
    "L4": order_of_addresses,
    "L5": unvisited_operations,
}


def reset() -> None:
    MEMORY.clear()
    CHARGES.clear()


def by_crashes(workflow: Any) -> Any:
    return check_crash_safety_sync(workflow, 1, setup=reset)


def by_schedules(workflow: Any) -> Any:
    return check_schedules_sync(workflow, 1, setup=reset, seeds=range(6))


def by_replay(workflow: Any) -> Any:
    reset()
    return check_replay_sync(workflow, LocalDurableTestRunner(workflow).run_sync(1))


CHECKS: dict[str, Callable[[Any], Any]] = {
    "check_crash_safety": by_crashes,
    "check_schedules": by_schedules,
    "check_replay": by_replay,
}


def table() -> list[Any]:
    """Return the cells of the page's table: the fault, the check, and the result."""
    cells = []
    for fault, line in re.findall(
        r"^\| (L\d) \|(.*)\|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE
    ):
        answers = [cell.strip() for cell in line.split("|")][-len(CHECKS) :]
        assert set(answers) <= {"yes", "no"}
        for check, answer in zip(CHECKS, answers, strict=True):
            cells.append(pytest.param(fault, check, answer == "yes"))
    return cells


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(("fault", "check", "is_found"), table())
def test_a_check_finds_what_the_table_says(fault: str, check: str, is_found: bool) -> None:
    report = CHECKS[check](durable_execution(PLANTED[fault]))
    assert bool(report) is not is_found, str(report)


def test_the_table_has_each_fault_with_each_check() -> None:
    cells = [(each.values[0], each.values[1]) for each in table()]
    assert cells == [(fault, check) for fault in PLANTED for check in CHECKS]
    head = "| " + " | ".join(f"`{check}`" for check in CHECKS) + " |"
    assert head.removeprefix("| ") in PAGE.read_text(encoding="utf-8")

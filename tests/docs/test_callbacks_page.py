"""Every row of the table on timeouts around callbacks is true."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.docs.tables import DOCS

from durable_execution_sdk import (
    DurableContext,
    Duration,
    OperationCancelledError,
    durable_execution,
)
from durable_execution_sdk.testing import LocalDurableTestRunner

MINUTE = Duration.from_seconds(60)

Way = Callable[[DurableContext, Any], Awaitable[object]]


async def timeout(ctx: DurableContext, handle: Any) -> object:
    async with asyncio.timeout(60):
        return await handle


async def wait_for(ctx: DurableContext, handle: Any) -> object:
    return await asyncio.wait_for(handle, 60)


async def shield(ctx: DurableContext, handle: Any) -> object:
    async with asyncio.timeout(60):
        return await asyncio.shield(handle)


async def race(ctx: DurableContext, handle: Any) -> object:
    return await ctx.race(handle, ctx.wait(MINUTE))


async def race_that_cancels(ctx: DurableContext, handle: Any) -> object:
    return await ctx.race(handle, ctx.wait(MINUTE), cancel_losers=True)


async def wait(ctx: DurableContext, handle: Any) -> object:
    return await asyncio.wait([handle], timeout=60)


ROWS: dict[str, tuple[Way, ...]] = {
    "`asyncio.timeout(60)`, `asyncio.wait_for(handle, 60)`": (timeout, wait_for),
    "`asyncio.timeout(60)` around `asyncio.shield(handle)`": (shield,),
    "`ctx.race(handle, ctx.wait(MINUTE))`": (race,),
    "`ctx.race(handle, ctx.wait(MINUTE), cancel_losers=True)`": (race_that_cancels,),
    "`asyncio.wait([handle], timeout=60)`": (wait,),
}


def table() -> dict[str, list[str]]:
    """Return the two verdicts of each row: for a callback, and for a ``wait_for_callback``."""
    section = (DOCS / "callbacks.md").read_text(encoding="utf-8").split("| awaited in |")[1]
    lines = section.split("\n\n")[0].splitlines()[2:]
    cells = ([cell.strip() for cell in line.split("|")[1:-1]] for line in lines)
    return {code: verdicts for code, *verdicts in cells}


TABLE = table()


def test_each_row_has_a_program() -> None:
    assert list(TABLE) == list(ROWS)


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("is_long_form", [True, False])
def test_what_a_timeout_does_to_it(row: str, *, is_long_form: bool) -> None:
    for way in ROWS[row]:
        check(way, TABLE[row][0 if is_long_form else 1], is_long_form=is_long_form)


def check(way: Way, verdict: str, *, is_long_form: bool) -> None:
    @durable_execution
    async def workflow(event: Any, ctx: DurableContext) -> object:
        if is_long_form:
            handle: Any = await ctx.create_callback(name="answer")
        else:
            handle = ctx.wait_for_callback(submit, name="answer")
        with contextlib.suppress(TimeoutError):
            await way(ctx, handle)
        await ctx.wait(Duration.from_seconds(9), name="later")
        try:
            return await handle
        except OperationCancelledError:
            return "given up"

    runner = LocalDurableTestRunner(workflow).sync
    runner.start(None)
    name = "answer" if is_long_form else "answer create callback id"
    callback = runner.wait_for_callback(name)
    runner.advance(seconds=65)
    if verdict == "stays open":
        callback.succeed("open")
        assert runner.complete().result == "open"
    else:
        assert verdict == "**given up**"
        assert runner.complete().result == "given up"


def submit(callback_id: str) -> None:
    """Ignore the id, so that no answer comes."""

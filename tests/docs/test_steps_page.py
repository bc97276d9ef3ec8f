"""The table of retries on the page about steps counts right."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.docs.tables import DOCS

from durable_execution_sdk import (
    DurableContext,
    NoRetry,
    StepConfig,
    WaitForConditionConfig,
    WithRetryConfig,
    durable_execution,
    poll_until,
)
from durable_execution_sdk.testing import LocalDurableTestRunner

Count = Callable[[], None]


class Broken(Exception):
    """Raised by each run."""


def failing(runs: list[int]) -> Count:
    def fail() -> None:
        runs.append(1)
        raise Broken

    return fail


async def step(ctx: DurableContext, fail: Count) -> None:
    await ctx.step(lambda: fail(), name="it")


async def submitter(ctx: DurableContext, fail: Count) -> None:
    await ctx.wait_for_callback(lambda _id: fail(), name="it")


async def compensation(ctx: DurableContext, fail: Count) -> None:
    async with ctx.saga() as saga:
        saga.add_compensation(lambda: fail())
        raise Broken


async def check(ctx: DurableContext, fail: Count) -> None:
    def look(state: int) -> int:
        fail()
        return state

    config = WaitForConditionConfig(initial_state=0, wait_strategy=poll_until(bool))
    await ctx.wait_for_condition(look, config)


async def child(ctx: DurableContext, fail: Count) -> None:
    async def function(ctx: DurableContext) -> None:
        fail()

    await ctx.run_in_child_context(function)


async def block(ctx: DurableContext, fail: Count) -> None:
    async def function(ctx: DurableContext) -> None:
        await ctx.step(lambda: fail(), name="it", config=StepConfig(retry_strategy=NoRetry()))

    await ctx.with_retry(function, config=WithRetryConfig())


async def invoke(ctx: DurableContext, fail: Count) -> None:
    await ctx.invoke("other", None)


async def workflow_code(ctx: DurableContext, fail: Count) -> None:
    fail()


ROWS: list[Callable[[DurableContext, Count], Awaitable[None]]] = [
    step,
    submitter,
    compensation,
    check,
    child,
    block,
    invoke,
    workflow_code,
]


def runs_on_the_page() -> list[int]:
    text = (DOCS / "steps.md").read_text(encoding="utf-8")
    table = text.partition("## Who tries what again")[2].partition("\n## ")[0]
    lines = [line for line in table.splitlines() if line.endswith("* |")]
    return [int(line.split("*")[1]) for line in lines]


def test_each_row_with_a_number_has_a_program() -> None:
    assert len(runs_on_the_page()) == len(ROWS)


@pytest.mark.parametrize("row", range(len(ROWS)), ids=[row.__name__ for row in ROWS])
def test_what_fails_runs_as_often_as_the_page_says(row: int) -> None:
    runs: list[int] = []
    fail = failing(runs)

    @durable_execution
    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ROWS[row](ctx, fail)

    other = {"other": lambda _event, _context: fail()}
    result = LocalDurableTestRunner(workflow, functions=other).run_sync(None)
    assert result.status == "FAILED"
    assert len(runs) == runs_on_the_page()[row]

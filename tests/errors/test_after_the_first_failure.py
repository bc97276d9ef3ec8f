"""Operations whose modules are loaded after a failure record their own failures as those loaded before do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import asyncio
from tests.memory_service import MemoryService
from durable_execution_sdk import StepConfig, durable_execution
from durable_execution_sdk.retry import NoRetry

async def fails(*args):
    raise ValueError("told")

ONCE = StepConfig(retry_strategy=NoRetry())

@durable_execution
async def workflow(event, ctx):
    try:
        await ctx.step(fails, config=ONCE)
    except Exception as error:
        first = [isinstance(error, ValueError), str(error)]
    try:
        {operation}
    except Exception as error:
        return [first, [isinstance(error, ValueError), str(error)]]

service = MemoryService()
outcome = workflow.bind(service)(service.event("null"), None)
print(outcome["Status"], outcome.get("Result"), outcome.get("Error"))
"""


@pytest.mark.parametrize(
    "operation",
    [
        "await ctx.run_in_child_context(fails)",
        "(await ctx.parallel([fails])).throw_if_error()",
        "(await ctx.map([1], fails)).throw_if_error()",
        "await ctx.all(ctx.step(fails, config=ONCE))",
    ],
)
def test_an_operation_that_is_first_used_after_a_failure(operation: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT.replace("{operation}", operation)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert run.stdout.strip() == 'SUCCEEDED [[true,"told"],[true,"told"]] None'

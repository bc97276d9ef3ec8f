"""A timer for nan seconds would never fire, so it is refused with a message, on every version of Python."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest
from tests.rig import run_workflow

from durable_execution_sdk import DurableContext, NoRetry, StepConfig


async def sleep() -> None:
    await asyncio.sleep(math.nan)


async def time_out() -> None:
    async with asyncio.timeout(math.nan):
        await asyncio.sleep(3600)


async def call_later() -> None:
    asyncio.get_running_loop().call_later(math.nan, print)


@pytest.mark.parametrize("body", [sleep, time_out, call_later])
@pytest.mark.parametrize("in_step", [True, False])
def test_nan_seconds_are_refused(body: Any, *, in_step: bool) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        try:
            if in_step:
                await ctx.step(body, config=StepConfig(retry_strategy=NoRetry()))
            else:
                await body()
        except ValueError as error:
            return str(error).lower()
        return "not reached"

    ran = run_workflow(workflow)
    assert ran.status == "SUCCEEDED", ran.error
    assert "nan" in ran.result

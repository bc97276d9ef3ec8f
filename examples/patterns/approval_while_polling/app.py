"""Wait for a person's approval of a release while polling its canary; the first event decides.

The workflow uses plain asyncio: two tasks with durable operations, and a timeout.

Run it with::

    durable run examples/patterns/approval_while_polling/app.py:release --input '{"version": "1.4"}'
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from durable_execution_sdk import (
    DurableContext,
    JitterStrategy,
    WaitForCallbackConfig,
    WaitForConditionConfig,
    durable_execution,
    poll_while,
)

A_DAY = 24 * 60 * 60


@dataclass(frozen=True)
class Release:
    version: str
    breaks_after: int = 1000


@dataclass(frozen=True)
class Canary:
    version: str
    breaks_after: int
    checks: int = 0


def is_healthy(canary: Canary) -> bool:
    return canary.checks < canary.breaks_after


def ask_for_approval(callback_id: str, version: str) -> None:
    print(f"May {version} be released? durable callback succeed {callback_id} --data '\"Ada\"'")


def check_canary(canary: Canary) -> Canary:
    return Canary(canary.version, canary.breaks_after, canary.checks + 1)


def roll(direction: Literal["out", "back"], version: str) -> str:
    return f"{version} rolled {direction}"


async def approval(ctx: DurableContext, version: str) -> str:
    return await ctx.wait_for_callback(
        ask_for_approval, version, name="approval", config=WaitForCallbackConfig(result_type=str)
    )


async def broken_canary(ctx: DurableContext, release: Release) -> None:
    while_healthy = poll_while(
        is_healthy,
        initial_delay=timedelta(minutes=15),
        max_delay=timedelta(minutes=15),
        backoff_rate=1,
        jitter=JitterStrategy.NONE,
        max_attempts=10_000,
    )
    start = Canary(release.version, release.breaks_after)
    config = WaitForConditionConfig(initial_state=start, wait_strategy=while_healthy)
    await ctx.wait_for_condition(check_canary, config, name="canary")


@durable_execution
async def release(event: Release, ctx: DurableContext) -> str:
    approval_task = asyncio.create_task(approval(ctx, event.version))
    canary_task = asyncio.create_task(broken_canary(ctx, event))
    try:
        async with asyncio.timeout(A_DAY):
            await asyncio.wait([approval_task, canary_task], return_when=asyncio.FIRST_COMPLETED)
    except TimeoutError:
        ctx.log_warn("not approved within a day", version=event.version)
    if approval_task.done():
        canary_task.cancel()
        ctx.log_info("approved", by=await approval_task)
        return await ctx.step(roll, "out", event.version)
    approval_task.cancel()
    if canary_task.done():
        await canary_task  # raises if a check has failed; returns if the canary is broken
    canary_task.cancel()
    return await ctx.step(roll, "back", event.version)

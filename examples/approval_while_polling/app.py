"""A release waits for a person, while the metrics of its canary are watched: whichever is first.

Plain asyncio does it: two tasks, a timeout, and durable operations in each.

Run it with::

    durable run examples/approval_while_polling/app.py:release --input '{"version": "1.4"}'
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
    wait_while,
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
    looks: int = 0

    @property
    def is_healthy(self) -> bool:
        return self.looks < self.breaks_after


def ask_for_approval(callback_id: str, version: str) -> None:
    print(f"May {version} be released? durable callback succeed {callback_id} --data '\"Ada\"'")


def look_at(canary: Canary) -> Canary:
    return Canary(canary.version, canary.breaks_after, canary.looks + 1)


def roll(where: Literal["out", "back"], version: str) -> str:
    return f"{version} rolled {where}"


async def approval(ctx: DurableContext, version: str) -> str:
    return await ctx.wait_for_callback(
        ask_for_approval, version, name="approval", config=WaitForCallbackConfig(result_type=str)
    )


async def trouble(ctx: DurableContext, release: Release) -> None:
    healthy = wait_while(
        lambda canary: canary.is_healthy,
        initial_delay=timedelta(minutes=15),
        max_delay=timedelta(minutes=15),
        backoff_rate=1,
        jitter=JitterStrategy.NONE,
        max_attempts=10_000,
    )
    start = Canary(release.version, release.breaks_after)
    config = WaitForConditionConfig(initial_state=start, wait_strategy=healthy)
    await ctx.wait_for_condition(look_at, config, name="canary")


@durable_execution
async def release(event: Release, ctx: DurableContext) -> str:
    approving = asyncio.create_task(approval(ctx, event.version))
    watching = asyncio.create_task(trouble(ctx, event))
    try:
        async with asyncio.timeout(A_DAY):
            await asyncio.wait([approving, watching], return_when=asyncio.FIRST_COMPLETED)
    except TimeoutError:
        ctx.log_warn("nobody has approved", version=event.version)
    if approving.done():
        watching.cancel()
        ctx.log_info("approved", by=await approving)
        return await ctx.step(roll, "out", event.version)
    approving.cancel()
    if watching.done():
        await watching  # raises if looking has failed; otherwise the canary has
    watching.cancel()
    return await ctx.step(roll, "back", event.version)

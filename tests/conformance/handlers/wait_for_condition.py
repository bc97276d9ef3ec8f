"""Polling: counters, names, delays, states of any shape, failures."""

from __future__ import annotations

from typing import Literal, TypedDict

from durable_execution_sdk import (
    DurableContext,
    Duration,
    JitterStrategy,
    SerDesContext,
    WaitDecision,
    WaitForConditionConfig,
    WaitStrategy,
    durable_execution,
    poll_until,
    poll_while,
)

SECOND = Duration.from_seconds(1)


def up_to(threshold: int, delay: Duration = SECOND) -> WaitStrategy[int]:
    """Look again after a fixed delay, until the state has reached the threshold."""

    def decide(state: int, attempt: int) -> WaitDecision:
        return WaitDecision.stop() if state >= threshold else WaitDecision.continue_after(delay)

    return decide


async def increment(state: int) -> int:
    return state + 1


@durable_execution
async def basic(threshold: int, ctx: DurableContext) -> int:
    config = WaitForConditionConfig(
        initial_state=0,
        wait_strategy=poll_until(
            lambda state: state >= threshold, initial_delay=SECOND, jitter=JitterStrategy.NONE
        ),
    )
    return await ctx.wait_for_condition(increment, config)


@durable_execution
async def named(threshold: int, ctx: DurableContext) -> int:
    config = WaitForConditionConfig(initial_state=0, wait_strategy=up_to(threshold))
    return await ctx.wait_for_condition(increment, config, name="poll-status")


@durable_execution
async def fixed_delay(threshold: int, ctx: DurableContext) -> int:
    strategy = up_to(threshold, Duration.from_seconds(2))
    config = WaitForConditionConfig(initial_state=0, wait_strategy=strategy)
    return await ctx.wait_for_condition(increment, config)


@durable_execution
async def failing(event: None, ctx: DurableContext) -> int:
    async def check(state: int) -> int:
        raise RuntimeError("nobody can tell")

    return await ctx.wait_for_condition(
        check, WaitForConditionConfig(initial_state=0, wait_strategy=up_to(3))
    )


class Job(TypedDict):
    status: Literal["PENDING", "DONE"]
    attempts: int


@durable_execution
async def structured(event: None, ctx: DurableContext) -> Job:
    async def check(job: Job) -> Job:
        attempts = job["attempts"] + 1
        return Job(status="DONE" if attempts >= 2 else "PENDING", attempts=attempts)

    config = WaitForConditionConfig(
        initial_state=Job(status="PENDING", attempts=0),
        wait_strategy=poll_while(lambda job: job["status"] == "PENDING", initial_delay=SECOND),
    )
    return await ctx.wait_for_condition(check, config)


class Enveloped:
    """Keeps a text in an envelope."""

    def serialize(self, value: str, context: SerDesContext, /) -> str:
        return f"<{value}>"

    def deserialize(self, payload: str, context: SerDesContext, /) -> str:
        assert payload.startswith("<")
        return payload[1:-1]


@durable_execution
async def custom_serdes(event: None, ctx: DurableContext) -> str:
    async def append(state: str) -> str:
        return state + "x"

    config = WaitForConditionConfig(
        initial_state="",
        wait_strategy=poll_until(lambda state: len(state) >= 2, initial_delay=SECOND),
        serdes=Enveloped(),
    )
    return await ctx.wait_for_condition(append, config)


@durable_execution
async def sequential(event: None, ctx: DurableContext) -> int:
    first = await ctx.wait_for_condition(
        increment, WaitForConditionConfig(initial_state=0, wait_strategy=up_to(2))
    )
    return await ctx.wait_for_condition(
        increment, WaitForConditionConfig(initial_state=first, wait_strategy=up_to(4))
    )


HANDLERS = {
    "6-1": basic,
    "6-3": named,
    "6-5": fixed_delay,
    "6-7": failing,
    "6-9": structured,
    "6-11": custom_serdes,
    "6-13": sequential,
}

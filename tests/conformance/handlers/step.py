"""Steps: results, retries, errors, crashes, logs."""

from __future__ import annotations

import os

from durable_execution_sdk import (
    DurableContext,
    Duration,
    FixedDelay,
    NoRetry,
    StepConfig,
    StepContext,
    StepSemantics,
    durable_execution,
)

SECOND = Duration.from_seconds(1)
NO_RETRY = StepConfig(retry_strategy=NoRetry())


class TransientError(Exception):
    """Something that goes away by itself."""


async def greet(name: str) -> str:
    return f"Hello, {name}!"


@durable_execution
async def basic(name: str, ctx: DurableContext) -> str:
    return await ctx.step(greet, name)


@durable_execution
async def sequential(event: None, ctx: DurableContext) -> str:
    async def step_one() -> str:
        return "first"

    async def step_two(before: str) -> str:
        return f"{before}_second"

    result = await ctx.step(step_one)
    return await ctx.step(step_two, result)


@durable_execution
async def nothing(event: None, ctx: DurableContext) -> None:
    async def do_nothing() -> None:
        pass

    await ctx.step(do_nothing)


@durable_execution
async def logging_step(name: str, ctx: DurableContext) -> str:
    async def greet_and_log(name: str) -> str:
        logger = StepContext.current().logger
        logger.info("Greeting step started for: %s", name)
        greeting = f"Hello, {name}!"
        logger.info("Greeting step completed with: %s", greeting)
        return greeting

    return await ctx.step(greet_and_log, name)


@durable_execution
async def step_then_wait(event: None, ctx: DurableContext) -> str:
    async def compute() -> str:
        StepContext.current().logger.info("step executed")
        return "cached_value"

    value = await ctx.step(compute)
    await ctx.wait(SECOND)
    return value


async def fail_once() -> str:
    if StepContext.current().attempt == 1:
        raise RuntimeError("not yet")
    return "Operation succeeded"


@durable_execution
async def retried(event: None, ctx: DurableContext) -> str:
    strategy = FixedDelay(delay=SECOND, max_attempts=3)
    return await ctx.step(fail_once, config=StepConfig(retry_strategy=strategy))


@durable_execution
async def retried_by_default(event: None, ctx: DurableContext) -> str:
    async def unreliable() -> str:
        if StepContext.current().attempt < 3:
            raise RuntimeError("not yet")
        return "Operation succeeded"

    return await ctx.step(unreliable)


@durable_execution
async def retried_if_transient(event: None, ctx: DurableContext) -> str:
    async def flaky() -> str:
        if StepContext.current().attempt == 1:
            raise TransientError("try again")
        return "done"

    strategy = FixedDelay(delay=SECOND, max_attempts=3, retryable=(TransientError,))
    return await ctx.step(flaky, config=StepConfig(retry_strategy=strategy))


@durable_execution
async def crashing(text: str, ctx: DurableContext) -> str:
    async def crash(text: str) -> str:
        StepContext.current().logger.info("about to crash: %s", text)
        os._exit(1)

    config = StepConfig(semantics=StepSemantics.AT_MOST_ONCE_PER_RETRY, retry_strategy=NoRetry())
    return await ctx.step(crash, text, name="at_most_once_flaky_step", config=config)


@durable_execution
async def failing(event: None, ctx: DurableContext) -> None:
    async def fail() -> None:
        raise RuntimeError("this never works")

    await ctx.step(fail, config=NO_RETRY)


HANDLERS = {
    "1-1": basic,
    "1-3": sequential,
    "1-5": nothing,
    "1-7": logging_step,
    "1-9": step_then_wait,
    "1-11": retried,
    "1-13": retried_by_default,
    "1-15": retried_if_transient,
    "1-17": crashing,
    "1-19": failing,
}

"""Child contexts: results, errors, retries, large results, logs."""

from __future__ import annotations

from durable_execution_sdk import (
    DurableContext,
    Duration,
    FixedDelay,
    NoRetry,
    ReplayLogging,
    StepConfig,
    StepContext,
    durable_execution,
)

SECOND = Duration.from_seconds(1)
NO_RETRY = StepConfig(retry_strategy=NoRetry())
LARGE = 300 * 1024


async def echo(text: str) -> str:
    return text


async def fail() -> str:
    raise RuntimeError("this never works")


async def one_step(ctx: DurableContext, text: str) -> str:
    return await ctx.step(echo, text)


@durable_execution
async def basic(text: str, ctx: DurableContext) -> str:
    return await ctx.run_in_child_context(one_step, text)


@durable_execution
async def sequential(text: str, ctx: DurableContext) -> str:
    async def two_steps(child: DurableContext) -> str:
        first = await child.step(echo, text)
        return await child.step(echo, first)

    return await ctx.run_in_child_context(two_steps, name="two_steps")


@durable_execution
async def caught(text: str, ctx: DurableContext) -> str:
    async def failing(child: DurableContext) -> str:
        return await child.step(fail, config=NO_RETRY)

    try:
        return await ctx.run_in_child_context(failing)
    except RuntimeError:
        return await ctx.step(echo, text, name="recover")


@durable_execution
async def retried(text: str, ctx: DurableContext) -> str:
    async def fail_once() -> str:
        if StepContext.current().attempt == 1:
            raise RuntimeError("not yet")
        return text

    async def with_retries(child: DurableContext) -> str:
        config = StepConfig(retry_strategy=FixedDelay(delay=SECOND, max_attempts=2))
        return await child.step(fail_once, config=config)

    return await ctx.run_in_child_context(with_retries)


@durable_execution
async def cached(text: str, ctx: DurableContext) -> str:
    result = await ctx.run_in_child_context(one_step, text)
    await ctx.wait(SECOND)
    return result


@durable_execution(replay_logging=ReplayLogging.ALL)
async def large(text: str, ctx: DurableContext) -> str:
    async def build(child: DurableContext) -> str:
        child.logger.info("building from %s", text)
        letter = await child.step(echo, "x")
        return letter * LARGE

    result = await ctx.run_in_child_context(build)
    await ctx.wait(SECOND)
    return f"{len(result)} characters"


@durable_execution
async def waiting(text: str, ctx: DurableContext) -> str:
    async def wait_inside(child: DurableContext) -> str:
        await child.wait(SECOND)
        return text

    result = await ctx.run_in_child_context(wait_inside)
    return await ctx.step(echo, result)


@durable_execution
async def raising(event: None, ctx: DurableContext) -> None:
    async def raise_directly(_: DurableContext) -> None:
        raise ValueError("no step is to blame")

    await ctx.run_in_child_context(raise_directly)


@durable_execution(replay_logging=ReplayLogging.ALL)
async def logging_only(text: str, ctx: DurableContext) -> str:
    async def log(child: DurableContext) -> str:
        child.logger.info("in the child: %s", text)
        return text

    result = await ctx.run_in_child_context(log)
    await ctx.wait(SECOND)
    return result


HANDLERS = {
    "3-1": basic,
    "3-3": sequential,
    "3-5": caught,
    "3-7": retried,
    "3-9": cached,
    "3-11": large,
    "3-13": waiting,
    "3-15": raising,
    "3-17": logging_only,
}

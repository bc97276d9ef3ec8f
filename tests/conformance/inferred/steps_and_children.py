"""Steps, waits and child contexts, beyond what the requirements at hand ask."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from tests.conformance.handlers.child import LARGE, NO_RETRY, SECOND, echo, fail
from tests.conformance.handlers.step import TransientError
from tests.conformance.inferred.story import InferredRequirement

from durable_execution_sdk import (
    CheckpointingMode,
    ChildConfig,
    DurableContext,
    Duration,
    FixedDelay,
    PassThroughSerDes,
    ReplayLogging,
    StepConfig,
    StepContext,
    StepSemantics,
    durable_execution,
)

TWICE = FixedDelay(delay=SECOND, max_attempts=2)


@durable_execution
async def exhausted(event: None, ctx: DurableContext) -> None:
    await ctx.step(fail, config=StepConfig(retry_strategy=TWICE))


@durable_execution
async def not_retryable(event: None, ctx: DurableContext) -> None:
    strategy = FixedDelay(delay=SECOND, max_attempts=3, retryable=(TransientError,))
    await ctx.step(fail, config=StepConfig(retry_strategy=strategy))


@durable_execution
async def caught(text: str, ctx: DurableContext) -> str:
    try:
        await ctx.step(fail, config=NO_RETRY)
    except RuntimeError as error:
        return await ctx.step(echo, f"{text}: {error}", name="recover")
    return "not reached"


@durable_execution
async def replayed_twice(text: str, ctx: DurableContext) -> str:
    async def log(text: str) -> str:
        StepContext.current().logger.info("in the step: %s", text)
        return text

    result = await ctx.step(log, text)
    ctx.logger.info("after the step: %s", text)
    await ctx.wait(SECOND)
    await ctx.wait(SECOND)
    ctx.logger.info("at the end: %s", text)
    return result


@durable_execution
async def raw(text: str, ctx: DurableContext) -> str:
    return await ctx.step(echo, text, config=StepConfig(serdes=PassThroughSerDes()))


@durable_execution
async def a_year(event: None, ctx: DurableContext) -> None:
    await ctx.wait(Duration.from_days(365), name="a-year")


@durable_execution
async def nested(text: str, ctx: DurableContext) -> str:
    async def inner(child: DurableContext) -> str:
        return await child.step(echo, text)

    async def outer(child: DurableContext) -> str:
        return await child.run_in_child_context(inner, name="inner")

    return await ctx.run_in_child_context(outer, name="outer")


@durable_execution
async def uncaught(event: None, ctx: DurableContext) -> None:
    async def failing(child: DurableContext) -> None:
        await child.step(fail, config=NO_RETRY)

    await ctx.run_in_child_context(failing)


@durable_execution
async def summarized(text: str, ctx: DurableContext) -> int:
    async def build(child: DurableContext) -> str:
        letter = await child.step(echo, "x")
        return letter * LARGE

    config = ChildConfig(summary_generator=lambda result: f"{len(result)} characters")
    result = await ctx.run_in_child_context(build, config=config)
    await ctx.wait(SECOND)
    return len(result)


@durable_execution(replay_logging=ReplayLogging.NONE)
async def silent_on_replay(text: str, ctx: DurableContext) -> str:
    async def build(child: DurableContext) -> str:
        child.logger.info("building: %s", text)
        letter = await child.step(echo, "x")
        child.logger.info("built: %s", text)
        return letter * LARGE

    result = await ctx.run_in_child_context(build)
    await ctx.wait(SECOND)
    ctx.logger.info("waited: %s", text)
    return result[:1]


@durable_execution
async def crashing_twice(text: str, ctx: DurableContext) -> None:
    async def crash(text: str) -> None:
        step = StepContext.current()
        step.logger.info("attempt %d: %s", step.attempt, text)
        os._exit(1)

    config = StepConfig(semantics=StepSemantics.AT_MOST_ONCE_PER_RETRY, retry_strategy=TWICE)
    await ctx.step(crash, text, config=config)


def counted() -> int:
    """Count the calls over all processes."""
    with Path(os.environ["COUNTER"]).open("a+") as counter:
        counter.write(".")
        return counter.tell()


@durable_execution
async def crashing_once_in_a_child(text: str, ctx: DurableContext) -> str:
    async def crash_once(text: str) -> str:
        if counted() == 1:
            os._exit(1)
        return text

    config = StepConfig(semantics=StepSemantics.AT_MOST_ONCE_PER_RETRY, retry_strategy=TWICE)

    async def inside(child: DurableContext) -> str:
        return await child.step(crash_once, text, config=config)

    return await ctx.run_in_child_context(inside)


@durable_execution(checkpointing=CheckpointingMode.EAGER)
async def crashing_eagerly(text: str, ctx: DurableContext) -> str:
    """At least once: the step runs again in the same attempt, whose start is recorded by then."""

    def crash_once(text: str) -> str:
        if counted() == 1:
            os._exit(1)
        return text

    async def inside(child: DurableContext) -> str:
        return await child.step(crash_once, text)

    return await ctx.run_in_child_context(inside)


@durable_execution
async def held_once(text: str, ctx: DurableContext) -> str:
    """Does not come back from its step the first time: somebody has to end the process."""

    def hold_once(text: str) -> str:
        if counted() == 1:
            threading.Event().wait()
        return text

    async def inside(child: DurableContext) -> str:
        return await child.step(hold_once, text)

    return await ctx.run_in_child_context(inside)


ONCE_MORE = """
    ContextStarted/RunInChildContext C
    StepStarted/Step S <C
    InvocationCompleted Error.Payload.ErrorType=Runtime.ExitError
    StepSucceeded/Step S <C Result.Payload="abc" RetryDetails.CurrentAttempt=1
    ContextSucceeded/RunInChildContext C Result.Payload="abc"
    InvocationCompleted
    ExecutionSucceeded
    """

INFERRED = [
    InferredRequirement(
        "a step out of attempts",
        exhausted,
        """
        StepStarted/Step S
        StepFailed/Step S Error.Payload.ErrorType=RuntimeError RetryDetails.CurrentAttempt=1 RetryDetails.NextAttemptDelaySeconds=1
        InvocationCompleted
        StepStarted/Step S
        StepFailed/Step S Error.Payload.ErrorType=RuntimeError RetryDetails.CurrentAttempt=2
        InvocationCompleted
        ExecutionFailed Error.Payload.ErrorType=RuntimeError Error.Payload.ErrorMessage=this_never_works
        """,
        status="FAILED",
    ),
    InferredRequirement(
        "a step whose error is not worth another attempt",
        not_retryable,
        """
        StepStarted/Step S
        StepFailed/Step S RetryDetails.CurrentAttempt=1
        InvocationCompleted
        ExecutionFailed Error.Payload.ErrorType=*
        """,
        status="FAILED",
    ),
    InferredRequirement(
        "a failed step that is caught",
        caught,
        """
        StepStarted/Step S Name=fail
        StepFailed/Step S Name=fail
        StepStarted/Step R Name=recover
        StepSucceeded/Step R Result.Payload="a:_this_never_works"
        InvocationCompleted
        ExecutionSucceeded Result.Payload="a:_this_never_works"
        """,
        event="a",
        result="a: this never works",
    ),
    InferredRequirement(
        "a step that is replayed twice",
        replayed_twice,
        """
        StepStarted/Step S
        StepSucceeded/Step S
        WaitStarted/Wait V Duration=1
        InvocationCompleted
        WaitSucceeded/Wait V Duration=1
        WaitStarted/Wait W
        InvocationCompleted
        WaitSucceeded/Wait W
        InvocationCompleted
        ExecutionSucceeded
        """,
        event="abc",
        result="abc",
        logs=[
            {"match": {"message": "in the step: abc", "attempt": 1, "level": "INFO"}, "count": 1},
            {
                "match": {"message": "after the step: abc"},
                "count": 1,
                "after": [{"message": "in the step: abc"}],
                "before": [{"message": "at the end: abc"}],
            },
            {"match": {"message": "at the end: abc"}, "count": 1},
        ],
    ),
    InferredRequirement(
        "a step that keeps its text as it is",
        raw,
        """
        StepStarted/Step S
        StepSucceeded/Step S Result.Payload=plain
        InvocationCompleted
        ExecutionSucceeded Result.Payload="plain"
        """,
        event="plain",
        result="plain",
    ),
    InferredRequirement(
        "a wait of a year",
        a_year,
        """
        WaitStarted/Wait W Name=a-year Duration=31536000 ScheduledEndTimestamp=*
        InvocationCompleted
        """,
        status=None,
        actions=[],
    ),
    InferredRequirement(
        "a child in a child",
        nested,
        """
        ContextStarted/RunInChildContext O Name=outer
        ContextStarted/RunInChildContext I <O Name=inner
        StepStarted/Step S <I
        StepSucceeded/Step S <I Result.Payload="abc"
        ContextSucceeded/RunInChildContext I <O Result.Payload="abc"
        ContextSucceeded/RunInChildContext O Result.Payload="abc"
        InvocationCompleted
        ExecutionSucceeded
        """,
        event="abc",
        result="abc",
    ),
    InferredRequirement(
        "a child whose failure nobody catches",
        uncaught,
        """
        ContextStarted/RunInChildContext C
        StepStarted/Step S <C
        StepFailed/Step S <C Error.Payload.ErrorType=*
        ContextFailed/RunInChildContext C Error.Payload.ErrorType=*
        InvocationCompleted
        ExecutionFailed Error.Payload.ErrorType=* Error.Payload.ErrorMessage=*
        """,
        status="FAILED",
    ),
    InferredRequirement(
        "a child with a large result and a summary",
        summarized,
        """
        ContextStarted/RunInChildContext C
        StepStarted/Step S <C
        StepSucceeded/Step S <C
        ContextSucceeded/RunInChildContext C Result.Payload=307200_characters
        WaitStarted/Wait W
        InvocationCompleted
        WaitSucceeded/Wait W
        InvocationCompleted
        ExecutionSucceeded
        """,
        event="abc",
        result=LARGE,
    ),
    InferredRequirement(
        "a child that is built again says nothing twice",
        silent_on_replay,
        """
        ContextStarted/RunInChildContext C
        StepStarted/Step S <C
        StepSucceeded/Step S <C
        ContextSucceeded/RunInChildContext C
        WaitStarted/Wait W
        InvocationCompleted
        WaitSucceeded/Wait W
        InvocationCompleted
        ExecutionSucceeded
        """,
        event="abc",
        result="x",
        logs=[
            {"match": {"message": "building: abc"}, "count": 1},
            {"match": {"message": "built: abc"}, "count": 1},
            {"match": {"message": "waited: abc"}, "count": 1},
        ],
    ),
]

CRASHING = [
    InferredRequirement(
        "a crash in each attempt of an at-most-once step",
        crashing_twice,
        """
        StepStarted/Step S
        InvocationCompleted Error.Payload.ErrorType=Runtime.ExitError
        StepFailed/Step S Error.Payload.ErrorType=StepInterruptedError RetryDetails.CurrentAttempt=1 RetryDetails.NextAttemptDelaySeconds=1
        InvocationCompleted
        StepStarted/Step S
        InvocationCompleted Error.Payload.ErrorType=Runtime.ExitError
        StepFailed/Step S Error.Payload.ErrorType=StepInterruptedError RetryDetails.CurrentAttempt=2
        InvocationCompleted
        ExecutionFailed Error.Payload.ErrorType=StepInterruptedError
        """,
        event="abc",
        status="FAILED",
        logs=[
            {"match": {"message": "/: abc/"}, "count": 2},
            {"match": {"message": "attempt 2: abc"}, "after": [{"message": "attempt 1: abc"}]},
        ],
    ),
    InferredRequirement(
        "a crash in a child, once",
        crashing_once_in_a_child,
        """
        ContextStarted/RunInChildContext C
        StepStarted/Step S <C
        InvocationCompleted Error.Payload.ErrorType=Runtime.ExitError
        StepFailed/Step S <C RetryDetails.CurrentAttempt=1
        InvocationCompleted
        StepStarted/Step S <C
        StepSucceeded/Step S <C Result.Payload="abc" RetryDetails.CurrentAttempt=2
        ContextSucceeded/RunInChildContext C Result.Payload="abc"
        InvocationCompleted
        ExecutionSucceeded
        """,
        event="abc",
        result="abc",
    ),
    InferredRequirement(
        "a crash in an at-least-once step, eagerly recorded",
        crashing_eagerly,
        ONCE_MORE,
        event="abc",
        result="abc",
    ),
]

KILLED = InferredRequirement(
    "a kill in an at-least-once step whose start is recorded",
    held_once,
    ONCE_MORE,
    event="abc",
    result="abc",
)

"""Polling, maps and parallels, beyond what the requirements at hand ask."""

from __future__ import annotations

from typing import Any

from tests.conformance.handlers.map import Joined, in_capitals, returned, unless_bad
from tests.conformance.handlers.parallel import (
    COUNTS,
    Wrapping,
    failing,
    returning,
    stepping,
    told,
)
from tests.conformance.handlers.wait_for_condition import SECOND, increment, up_to
from tests.conformance.inferred.story import InferredRequirement

from durable_execution_sdk import (
    BatchResult,
    CompletionConfig,
    DurableContext,
    Duration,
    JitterStrategy,
    MapConfig,
    ParallelConfig,
    SerDesContext,
    WaitForConditionConfig,
    WaitForConditionError,
    durable_execution,
    poll_until,
)

ALL = ("completionReason", "status", *COUNTS)


@durable_execution
async def holds_at_once(event: None, ctx: DurableContext) -> int:
    config = WaitForConditionConfig(initial_state=0, wait_strategy=up_to(1))
    return await ctx.wait_for_condition(lambda state: state + 1, config)


@durable_execution
async def growing_delays(event: None, ctx: DurableContext) -> int:
    strategy = poll_until(
        lambda state: state >= 3,
        initial_delay=SECOND,
        max_delay=Duration.from_seconds(10),
        backoff_rate=2,
        jitter=JitterStrategy.NONE,
    )
    config = WaitForConditionConfig(initial_state=0, wait_strategy=strategy)
    return await ctx.wait_for_condition(increment, config)


@durable_execution
async def check_fails_once(event: None, ctx: DurableContext) -> str:
    async def check(state: int) -> int:
        if state == 1:
            raise ValueError("nobody can tell")
        return state + 1

    config = WaitForConditionConfig(initial_state=0, wait_strategy=up_to(3))
    try:
        await ctx.wait_for_condition(check, config)
    except ValueError as error:
        return str(error)
    return "not reached"


@durable_execution
async def never_holds(event: None, ctx: DurableContext) -> int:
    strategy = poll_until(
        lambda state: state > 9, initial_delay=SECOND, max_attempts=2, jitter=JitterStrategy.NONE
    )
    config = WaitForConditionConfig(initial_state=0, wait_strategy=strategy)
    try:
        return await ctx.wait_for_condition(increment, config)
    except WaitForConditionError:
        ctx.logger.info("gave up")
        raise


@durable_execution
async def in_a_child(event: None, ctx: DurableContext) -> int:
    async def poll(child: DurableContext) -> int:
        config = WaitForConditionConfig(initial_state=0, wait_strategy=up_to(2))
        return await child.wait_for_condition(increment, config)

    return await ctx.run_in_child_context(poll)


@durable_execution
async def unnamed_with_steps(event: None, ctx: DurableContext) -> list[str]:
    return (await ctx.parallel([stepping("a")])).results()


@durable_execution
async def fail_fast_by_default(event: None, ctx: DurableContext) -> dict[str, Any]:
    config = ParallelConfig(max_concurrency=1)
    return told(await ctx.parallel([failing, returning("never")], config=config), *ALL)


@durable_execution
async def enough(event: None, ctx: DurableContext) -> dict[str, Any]:
    config = ParallelConfig(max_concurrency=1, completion=CompletionConfig(min_successful=1))
    branches = [failing, returning("b"), returning("never")]
    return told(await ctx.parallel(branches, config=config), *ALL)


@durable_execution
async def within_percentage(event: None, ctx: DurableContext) -> dict[str, Any]:
    completion = CompletionConfig(tolerated_failure_percentage=50)
    config = ParallelConfig(max_concurrency=1, completion=completion)
    return told(await ctx.parallel([failing, returning("b")], config=config), *ALL)


class Length:
    """Keeps of a batch how many succeeded."""

    def serialize(self, value: BatchResult[Any], context: SerDesContext, /) -> str:
        return f"{value.success_count} succeeded"

    def deserialize(self, payload: str, context: SerDesContext, /) -> Any:
        return payload


@durable_execution
async def operation_serdes(event: None, ctx: DurableContext) -> Any:
    config = ParallelConfig(max_concurrency=1, serdes=Length())
    result: Any = await ctx.parallel([returning("a"), returning("b")], config=config)
    await ctx.wait(SECOND)
    return result


@durable_execution
async def waiting_branches(event: None, ctx: DurableContext) -> list[str]:
    async def wait_first(child: DurableContext) -> str:
        await child.wait(SECOND)
        return "waited"

    return (await ctx.parallel({"a": wait_first, "b": returning("b")})).results()


@durable_execution
async def impossible(event: None, ctx: DurableContext) -> Any:
    config = ParallelConfig(completion=CompletionConfig(min_successful=3))
    return (await ctx.parallel([returning("a")], config=config)).results()


@durable_execution
async def no_items(event: list[str], ctx: DurableContext) -> dict[str, Any]:
    return told(await ctx.map(event, returned, name="empty"), *ALL)


@durable_execution
async def throwing(event: None, ctx: DurableContext) -> list[str]:
    config = MapConfig(max_concurrency=1)
    batch = await ctx.map(["ok", "bad", "never"], unless_bad, config=config)
    batch.throw_if_error()
    return batch.results()


@durable_execution
async def nested(event: None, ctx: DurableContext) -> list[list[str]]:
    async def inner(child: DurableContext, letters: list[str], index: int) -> list[str]:
        config = MapConfig(max_concurrency=1)
        return (await child.map(letters, in_capitals, name="inner", config=config)).results()

    config = MapConfig(max_concurrency=1)
    return (await ctx.map([["a"], ["b"]], inner, name="outer", config=config)).results()


@durable_execution
async def item_serdes(event: None, ctx: DurableContext) -> list[str]:
    config = MapConfig(max_concurrency=1, item_serdes=Wrapping())
    return (await ctx.map(["x"], returned, config=config)).results()


@durable_execution
async def large(event: None, ctx: DurableContext) -> list[int]:
    async def repeat(child: DurableContext, letter: str, index: int) -> str:
        return letter * 150_000

    batch = await ctx.map(["a", "b"], repeat, config=MapConfig(max_concurrency=1))
    await ctx.wait(SECOND)
    return [len(result) for result in batch.results()]


@durable_execution
async def failed_then_wait(event: None, ctx: DurableContext) -> dict[str, Any]:
    completion = CompletionConfig(tolerated_failure_count=1)
    config = MapConfig(max_concurrency=1, completion=completion)
    batch = await ctx.map(["bad", "ok"], unless_bad, config=config)
    await ctx.wait(SECOND)
    return {**told(batch, *ALL), "error": str(batch.errors()[0])}


@durable_execution
async def serdes_on_replay(event: None, ctx: DurableContext) -> list[str]:
    config = MapConfig(max_concurrency=1, serdes=Joined())
    batch = await ctx.map(["x", "y"], in_capitals, config=config)
    await ctx.wait(SECOND)
    return batch.results()


def counts(reason: str, succeeded: int, failed: int) -> dict[str, Any]:
    return {
        "completionReason": reason,
        "status": "FAILED" if failed else "SUCCEEDED",
        "successCount": succeeded,
        "failureCount": failed,
        "totalCount": succeeded + failed,
    }


WAITED = """
        WaitStarted/Wait V Duration=1
        InvocationCompleted
        WaitSucceeded/Wait V Duration=1
        InvocationCompleted
        ExecutionSucceeded
"""

INFERRED = [
    InferredRequirement(
        "a condition that holds at once",
        holds_at_once,
        """
        StepStarted/WaitForCondition S
        StepSucceeded/WaitForCondition S Result.Payload='1' RetryDetails.CurrentAttempt=1
        InvocationCompleted
        ExecutionSucceeded
        """,
        result=1,
    ),
    InferredRequirement(
        "delays that grow",
        growing_delays,
        """
        StepStarted/WaitForCondition S
        StepSucceeded/WaitForCondition S RetryDetails.CurrentAttempt=1 RetryDetails.NextAttemptDelaySeconds=1
        InvocationCompleted
        StepStarted/WaitForCondition S
        StepSucceeded/WaitForCondition S RetryDetails.CurrentAttempt=2 RetryDetails.NextAttemptDelaySeconds=2
        InvocationCompleted
        StepStarted/WaitForCondition S
        StepSucceeded/WaitForCondition S RetryDetails.CurrentAttempt=3
        InvocationCompleted
        ExecutionSucceeded
        """,
        result=3,
    ),
    InferredRequirement(
        "a check that fails later, and is caught",
        check_fails_once,
        """
        StepStarted/WaitForCondition S
        StepSucceeded/WaitForCondition S RetryDetails.NextAttemptDelaySeconds=1
        InvocationCompleted
        StepStarted/WaitForCondition S
        StepFailed/WaitForCondition S Error.Payload.ErrorType=ValueError RetryDetails.CurrentAttempt=2
        InvocationCompleted
        ExecutionSucceeded
        """,
        result="nobody can tell",
    ),
    InferredRequirement(
        "a condition that never holds",
        never_holds,
        """
        StepStarted/WaitForCondition S
        StepSucceeded/WaitForCondition S
        InvocationCompleted
        StepStarted/WaitForCondition S
        StepFailed/WaitForCondition S Error.Payload.ErrorType=WaitForConditionError
        InvocationCompleted
        ExecutionFailed Error.Payload.ErrorType=WaitForConditionError
        """,
        status="FAILED",
        logs=[{"match": {"message": "gave up"}, "count": 1}],
    ),
    InferredRequirement(
        "a condition in a child",
        in_a_child,
        """
        ContextStarted/RunInChildContext C
        StepStarted/WaitForCondition S <C
        StepSucceeded/WaitForCondition S <C
        InvocationCompleted
        StepStarted/WaitForCondition S <C
        StepSucceeded/WaitForCondition S <C
        ContextSucceeded/RunInChildContext C
        InvocationCompleted
        ExecutionSucceeded
        """,
        result=2,
    ),
    InferredRequirement(
        "a parallel without a name",
        unnamed_with_steps,
        """
        ContextStarted/Parallel P
        ContextStarted/ParallelBranch B <P
        StepStarted/Step S <B
        StepSucceeded/Step S <B Result.Payload="a"
        ContextSucceeded/ParallelBranch B <P Result.Payload="a"
        ContextSucceeded/Parallel P Result=*
        InvocationCompleted
        ExecutionSucceeded
        """,
        result=["a"],
    ),
    InferredRequirement(
        "a parallel that nobody told what to tolerate",
        fail_fast_by_default,
        """
        ContextStarted/Parallel P
        ContextStarted/ParallelBranch B <P
        ContextFailed/ParallelBranch B <P Error.Payload.ErrorType=RuntimeError
        ContextSucceeded/Parallel P
        InvocationCompleted
        ExecutionSucceeded
        """,
        result=counts("FAILURE_TOLERANCE_EXCEEDED", 0, 1),
    ),
    InferredRequirement(
        "a parallel of which one is enough",
        enough,
        """
        ContextStarted/Parallel P
        ContextStarted/ParallelBranch A <P
        ContextFailed/ParallelBranch A <P
        ContextStarted/ParallelBranch B <P
        ContextSucceeded/ParallelBranch B <P
        ContextSucceeded/Parallel P
        InvocationCompleted
        ExecutionSucceeded
        """,
        result=counts("MIN_SUCCESSFUL_REACHED", 1, 1),
    ),
    InferredRequirement(
        "a parallel of which half may fail",
        within_percentage,
        """
        ContextStarted/Parallel P
        ContextStarted/ParallelBranch A <P
        ContextFailed/ParallelBranch A <P
        ContextStarted/ParallelBranch B <P
        ContextSucceeded/ParallelBranch B <P
        ContextSucceeded/Parallel P
        InvocationCompleted
        ExecutionSucceeded
        """,
        result=counts("ALL_COMPLETED", 1, 1),
    ),
    InferredRequirement(
        "a parallel whose result has a serdes of its own",
        operation_serdes,
        f"""
        ContextStarted/Parallel P
        ContextStarted/ParallelBranch A <P
        ContextSucceeded/ParallelBranch A <P Result.Payload="a"
        ContextStarted/ParallelBranch B <P
        ContextSucceeded/ParallelBranch B <P Result.Payload="b"
        ContextSucceeded/Parallel P Result.Payload=2_succeeded
        {WAITED}
        """,
        result="2 succeeded",
    ),
    InferredRequirement(
        "a parallel of which one branch waits",
        waiting_branches,
        """
        ContextStarted/Parallel P
        ContextStarted/ParallelBranch A <P Name=a
        ContextStarted/ParallelBranch B <P Name=b
        WaitStarted/Wait W <A
        ContextSucceeded/ParallelBranch B <P Name=b
        InvocationCompleted
        WaitSucceeded/Wait W <A
        ContextSucceeded/ParallelBranch A <P Name=a
        ContextSucceeded/Parallel P
        InvocationCompleted
        ExecutionSucceeded
        """,
        result=["waited", "b"],
    ),
    InferredRequirement(
        "a parallel that can never succeed",
        impossible,
        """
        InvocationCompleted
        ExecutionFailed Error.Payload.ErrorType=*
        """,
        status="FAILED",
    ),
    InferredRequirement(
        "a map of nothing",
        no_items,
        """
        ContextStarted/Map M Name=empty
        ContextSucceeded/Map M Name=empty Result=*
        InvocationCompleted
        ExecutionSucceeded
        """,
        event=[],
        result=counts("ALL_COMPLETED", 0, 0),
    ),
    InferredRequirement(
        "a map whose failure is thrown",
        throwing,
        """
        ContextStarted/Map M
        ContextStarted/MapIteration A <M
        ContextSucceeded/MapIteration A <M
        ContextStarted/MapIteration B <M
        ContextFailed/MapIteration B <M Error.Payload.ErrorType=RuntimeError
        ContextSucceeded/Map M
        InvocationCompleted
        ExecutionFailed Error.Payload.ErrorType=*
        """,
        status="FAILED",
    ),
    InferredRequirement(
        "a map in a map",
        nested,
        """
        ContextStarted/Map O Name=outer
        ContextStarted/MapIteration A <O
        ContextStarted/Map I <A Name=inner
        ContextStarted/MapIteration X <I
        ContextSucceeded/MapIteration X <I Result.Payload="A"
        ContextSucceeded/Map I <A Name=inner
        ContextSucceeded/MapIteration A <O
        ContextStarted/MapIteration B <O
        ContextStarted/Map J <B Name=inner
        ContextStarted/MapIteration Y <J
        ContextSucceeded/MapIteration Y <J Result.Payload="B"
        ContextSucceeded/Map J <B Name=inner
        ContextSucceeded/MapIteration B <O
        ContextSucceeded/Map O Name=outer
        InvocationCompleted
        ExecutionSucceeded
        """,
        result=[["A"], ["B"]],
    ),
    InferredRequirement(
        "a map whose items have a serdes",
        item_serdes,
        """
        ContextStarted/Map M
        ContextStarted/MapIteration A <M
        ContextSucceeded/MapIteration A <M Result.Payload=${/wrapped/}
        ContextSucceeded/Map M
        InvocationCompleted
        ExecutionSucceeded
        """,
        result=["x"],
    ),
    InferredRequirement(
        "a map with more than can be stored",
        large,
        f"""
        ContextStarted/Map M
        ContextStarted/MapIteration A <M
        ContextSucceeded/MapIteration A <M
        ContextStarted/MapIteration B <M
        ContextSucceeded/MapIteration B <M
        ContextSucceeded/Map M Result=*
        {WAITED}
        """,
        result=[150_000, 150_000],
    ),
    InferredRequirement(
        "a map with a failure, and a wait",
        failed_then_wait,
        f"""
        ContextStarted/Map M
        ContextStarted/MapIteration A <M
        ContextFailed/MapIteration A <M
        ContextStarted/MapIteration B <M
        ContextSucceeded/MapIteration B <M
        ContextSucceeded/Map M
        {WAITED}
        """,
        result={**counts("ALL_COMPLETED", 1, 1), "error": "item 0 is bad"},
    ),
    InferredRequirement(
        "a map with a serdes of its own, on replay",
        serdes_on_replay,
        f"""
        ContextStarted/Map M
        ContextStarted/MapIteration A <M
        ContextSucceeded/MapIteration A <M
        ContextStarted/MapIteration B <M
        ContextSucceeded/MapIteration B <M
        ContextSucceeded/Map M Result.Payload=OPSERDE:X,Y
        {WAITED}
        """,
        result=["X", "Y"],
    ),
]

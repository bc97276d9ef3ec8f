"""Callbacks and chained invokes, beyond what the requirements at hand ask."""

from __future__ import annotations

from typing import Any

from tests.conformance.handlers.invoke import ECHO, FAILING
from tests.conformance.handlers.wait_for_callback import submit
from tests.conformance.inferred.story import InferredRequirement, failure, heartbeat, success

from durable_execution_sdk import (
    CallbackConfig,
    CallbackError,
    CallbackTimeoutError,
    DurableContext,
    Duration,
    FixedDelay,
    InvokeConfig,
    InvokeError,
    PassThroughSerDes,
    SerDesContext,
    StepContext,
    WaitForCallbackConfig,
    durable_execution,
)

seconds = Duration.from_seconds


@durable_execution
async def asking(name: str, ctx: DurableContext) -> Any:
    return await (await ctx.create_callback(name=name))


@durable_execution
async def beating(name: str, ctx: DurableContext) -> Any:
    config: CallbackConfig[Any] = CallbackConfig(heartbeat_timeout=seconds(3))
    return await (await ctx.create_callback(name=name, config=config))


@durable_execution
async def timeout_caught(name: str, ctx: DurableContext) -> str:
    config: CallbackConfig[Any] = CallbackConfig(timeout=seconds(2))
    callback = await ctx.create_callback(name=name, config=config)
    try:
        await callback
    except CallbackTimeoutError as error:
        said = f"{type(error).__name__}: {error.error_type}"
    await ctx.wait(seconds(2))
    return said


class Refusing:
    """Understands nothing."""

    def serialize(self, value: Any, context: SerDesContext, /) -> str:
        raise NotImplementedError

    def deserialize(self, payload: str, context: SerDesContext, /) -> Any:
        raise ValueError(f"what is {payload}?")


@durable_execution
async def not_understood(name: str, ctx: DurableContext) -> Any:
    callback = await ctx.create_callback(name=name, config=CallbackConfig(serdes=Refusing()))
    return await callback


@durable_execution
async def both_in_order(names: list[str], ctx: DurableContext) -> list[Any]:
    first = await ctx.create_callback(name=names[0])
    second = await ctx.create_callback(name=names[1])
    return [await first, await second]


@durable_execution
async def raw(name: str, ctx: DurableContext) -> str:
    config = WaitForCallbackConfig(serdes=PassThroughSerDes())
    return await ctx.wait_for_callback(submit, name=name, config=config)


@durable_execution
async def refused(name: str, ctx: DurableContext) -> Any:
    return await ctx.wait_for_callback(submit, name=name)


@durable_execution
async def refusal_caught(name: str, ctx: DurableContext) -> str:
    try:
        await ctx.wait_for_callback(submit, name=name)
    except CallbackError as error:
        return f"{error.error_type}: {error}"
    return "not reached"


@durable_execution
async def submitter_retried(name: str, ctx: DurableContext) -> Any:
    async def fail_once(callback_id: str) -> None:
        if StepContext.current().attempt == 1:
            raise ConnectionError("not yet")

    config: WaitForCallbackConfig[Any] = WaitForCallbackConfig(
        retry_strategy=FixedDelay(delay=seconds(1), max_attempts=2)
    )
    return await ctx.wait_for_callback(fail_once, name=name, config=config)


@durable_execution
async def no_heartbeat(name: str, ctx: DurableContext) -> Any:
    config: WaitForCallbackConfig[Any] = WaitForCallbackConfig(heartbeat_timeout=seconds(3))
    return await ctx.wait_for_callback(submit, name=name, config=config)


@durable_execution
async def in_a_child(name: str, ctx: DurableContext) -> Any:
    async def ask(child: DurableContext) -> Any:
        return await child.wait_for_callback(submit, name=name)

    return await ctx.run_in_child_context(ask, name="outer")


@durable_execution
async def failure_caught(event: None, ctx: DurableContext) -> str:
    try:
        await ctx.invoke(FAILING, event)
    except InvokeError as error:
        return f"{error.error_type}: {error}"
    return "not reached"


@durable_execution
async def not_there(event: None, ctx: DurableContext) -> str:
    try:
        await ctx.invoke("nobody:$LATEST")
    except InvokeError as error:
        return str(error.error_type)
    return "not reached"


@durable_execution
async def named(event: None, ctx: DurableContext) -> Any:
    return await ctx.invoke(ECHO, event, name="call-the-echo")


@durable_execution
async def for_a_tenant(event: str, ctx: DurableContext) -> Any:
    return await ctx.invoke(ECHO, event, config=InvokeConfig(tenant_id="tenant-1"))


@durable_execution
async def one_after_the_other(event: str, ctx: DurableContext) -> Any:
    first = await ctx.invoke(ECHO, event)
    return await ctx.invoke(ECHO, {"again": first})


class Capitals:
    """Reads whatever comes as a text in capitals."""

    def serialize(self, value: Any, context: SerDesContext, /) -> str:
        return str(value)

    def deserialize(self, payload: str, context: SerDesContext, /) -> str:
        return payload.upper()


@durable_execution
async def in_capitals(event: str, ctx: DurableContext) -> str:
    return await ctx.invoke(ECHO, event, config=InvokeConfig(serdes=Capitals()))


SUBMITTED = """
        ContextStarted/WaitForCallback W Name=ask
        CallbackStarted/Callback C <W CallbackId=*
        StepStarted/Step S <W
        StepSucceeded/Step S <W
        InvocationCompleted
"""

INFERRED = [
    InferredRequirement(
        "a callback that is refused",
        asking,
        """
        CallbackStarted/Callback C Name=ask CallbackId=*
        InvocationCompleted
        CallbackFailed/Callback C Name=ask Error.Payload.ErrorType=RejectedError Error.Payload.ErrorMessage=not_approved
        InvocationCompleted
        ExecutionFailed Error.Payload.ErrorType=*
        """,
        event="ask",
        status="FAILED",
        actions=[failure("ask")],
    ),
    InferredRequirement(
        "a callback without a heartbeat",
        beating,
        """
        CallbackStarted/Callback C Name=ask HeartbeatTimeout=3
        InvocationCompleted
        CallbackTimedOut/Callback C Name=ask Error.Payload.ErrorType=Callback.Heartbeat
        InvocationCompleted
        ExecutionFailed Error.Payload.ErrorType=*
        """,
        event="ask",
        status="FAILED",
        actions=[],
    ),
    InferredRequirement(
        "a callback that dies after a heartbeat",
        beating,
        """
        CallbackStarted/Callback C Name=ask HeartbeatTimeout=3
        InvocationCompleted
        CallbackFailed/Callback C Name=ask Error.Payload.ErrorType=RejectedError
        InvocationCompleted
        ExecutionFailed Error.Payload.ErrorType=*
        """,
        event="ask",
        status="FAILED",
        actions=[heartbeat("ask", 1), failure("ask", 0)],
    ),
    InferredRequirement(
        "a timeout that is caught, and a wait",
        timeout_caught,
        """
        CallbackStarted/Callback C Name=ask Timeout=2
        InvocationCompleted
        CallbackTimedOut/Callback C Name=ask Error.Payload.ErrorType=Callback.Timeout
        WaitStarted/Wait W Duration=2
        InvocationCompleted
        WaitSucceeded/Wait W Duration=2
        InvocationCompleted
        ExecutionSucceeded Result=*
        """,
        event="ask",
        result="CallbackTimeoutError: Callback.Timeout",
        actions=[],
    ),
    InferredRequirement(
        "an answer that the serdes does not understand",
        not_understood,
        """
        CallbackStarted/Callback C Name=ask CallbackId=*
        InvocationCompleted
        CallbackSucceeded/Callback C Name=ask Result.Payload="hello"
        InvocationCompleted
        ExecutionFailed Error.Payload.ErrorType=*
        """,
        event="ask",
        status="FAILED",
        actions=[success("ask", payload="hello")],
    ),
    InferredRequirement(
        "two callbacks, answered in order",
        both_in_order,
        """
        CallbackStarted/Callback A Name=a
        CallbackStarted/Callback B Name=b
        InvocationCompleted
        CallbackSucceeded/Callback A Name=a Result.Payload="1"
        InvocationCompleted
        CallbackSucceeded/Callback B Name=b Result.Payload="2"
        InvocationCompleted
        ExecutionSucceeded
        """,
        event=["a", "b"],
        result=["1", "2"],
        actions=[success("b", 4, payload="2"), success("a", payload="1")],
    ),
    InferredRequirement(
        "an answer without a payload",
        asking,
        """
        CallbackStarted/Callback C Name=ask
        InvocationCompleted
        CallbackSucceeded/Callback C Name=ask Result=*
        InvocationCompleted
        ExecutionSucceeded Result.Payload=null
        """,
        event="ask",
        result=None,
        actions=[success("ask")],
    ),
    InferredRequirement(
        "a payload as it came",
        raw,
        f"""{SUBMITTED}
        CallbackSucceeded/Callback C <W Result.Payload={{"a":_1}}
        ContextSucceeded/WaitForCallback W Name=ask Result.Payload="{{\\"a\\":_1}}"
        InvocationCompleted
        ExecutionSucceeded
        """,
        event="ask",
        result='{"a": 1}',
        actions=[success(payload={"a": 1})],
    ),
    InferredRequirement(
        "a refusal that nobody catches",
        refused,
        f"""{SUBMITTED}
        CallbackFailed/Callback C <W Error.Payload.ErrorType=RejectedError Error.Payload.ErrorMessage=not_approved
        ContextFailed/WaitForCallback W Name=ask Error.Payload.ErrorType=*
        InvocationCompleted
        ExecutionFailed Error.Payload.ErrorType=*
        """,
        event="ask",
        status="FAILED",
        actions=[failure()],
    ),
    InferredRequirement(
        "a refusal that is caught",
        refusal_caught,
        f"""{SUBMITTED}
        CallbackFailed/Callback C <W Error.Payload.ErrorType=RejectedError
        ContextFailed/WaitForCallback W Name=ask Error.Payload.ErrorType=*
        InvocationCompleted
        ExecutionSucceeded
        """,
        event="ask",
        result="RejectedError: not approved",
        # A callback in a context that has a name goes by that name for whoever answers.
        actions=[failure("${/ask/}")],
    ),
    InferredRequirement(
        "a submitter that is tried again",
        submitter_retried,
        """
        ContextStarted/WaitForCallback W Name=ask
        CallbackStarted/Callback C <W CallbackId=*
        StepStarted/Step S <W
        StepFailed/Step S <W RetryDetails.CurrentAttempt=1 RetryDetails.NextAttemptDelaySeconds=1
        InvocationCompleted
        StepStarted/Step S <W
        StepSucceeded/Step S <W RetryDetails.CurrentAttempt=2
        InvocationCompleted
        CallbackSucceeded/Callback C <W Result.Payload="yes"
        ContextSucceeded/WaitForCallback W Name=ask Result.Payload="yes"
        InvocationCompleted
        ExecutionSucceeded
        """,
        event="ask",
        result="yes",
        actions=[success(delay=3, payload="yes")],
    ),
    InferredRequirement(
        "a submitted callback without a heartbeat",
        no_heartbeat,
        """
        ContextStarted/WaitForCallback W Name=ask
        CallbackStarted/Callback C <W HeartbeatTimeout=3
        StepStarted/Step S <W
        StepSucceeded/Step S <W
        InvocationCompleted
        CallbackTimedOut/Callback C <W Error.Payload.ErrorType=Callback.Heartbeat
        ContextFailed/WaitForCallback W Error.Payload.ErrorType=*
        InvocationCompleted
        ExecutionFailed Error.Payload.ErrorType=*
        """,
        event="ask",
        status="FAILED",
        actions=[],
    ),
    InferredRequirement(
        "a submitted callback in a child",
        in_a_child,
        """
        ContextStarted/RunInChildContext O Name=outer
        ContextStarted/WaitForCallback W <O Name=ask
        CallbackStarted/Callback C <W CallbackId=*
        StepStarted/Step S <W
        StepSucceeded/Step S <W
        InvocationCompleted
        CallbackSucceeded/Callback C <W Result.Payload="yes"
        ContextSucceeded/WaitForCallback W <O Result.Payload="yes"
        ContextSucceeded/RunInChildContext O Name=outer Result.Payload="yes"
        InvocationCompleted
        ExecutionSucceeded
        """,
        event="ask",
        result="yes",
        actions=[success(payload="yes")],
    ),
    InferredRequirement(
        "a failure of the target that is caught",
        failure_caught,
        """
        ChainedInvokeStarted I FunctionName=failing:$LATEST Input.Payload=null ExecutedVersion=$LATEST DurableExecutionArn=*
        InvocationCompleted
        ChainedInvokeFailed I Error.Payload.ErrorType=RuntimeError Error.Payload.ErrorMessage=the_target_is_broken
        InvocationCompleted
        ExecutionSucceeded
        """,
        result="RuntimeError: the target is broken",
    ),
    InferredRequirement(
        "a target that is not there",
        not_there,
        """
        ChainedInvokeStarted I FunctionName=nobody:$LATEST Input=*
        ChainedInvokeFailed I Error.Payload.ErrorType=ResourceNotFoundException
        InvocationCompleted
        ExecutionSucceeded
        """,
        result="ResourceNotFoundException",
    ),
    InferredRequirement(
        "an invoke of nothing that has a name",
        named,
        """
        ChainedInvokeStarted I Name=call-the-echo Input.Payload=null ExecutedVersion=*
        InvocationCompleted
        ChainedInvokeSucceeded I Name=call-the-echo Result.Payload=null
        InvocationCompleted
        ExecutionSucceeded Result.Payload=null
        """,
        result=None,
        actions=[],
    ),
    InferredRequirement(
        "an invoke for a tenant",
        for_a_tenant,
        """
        ChainedInvokeStarted I FunctionName=echo:$LATEST TenantId=tenant-1 Input.Payload="abc"
        InvocationCompleted
        ChainedInvokeSucceeded I Result.Payload="abc"
        InvocationCompleted
        ExecutionSucceeded
        """,
        event="abc",
        result="abc",
        actions=[],
    ),
    InferredRequirement(
        "two invokes",
        one_after_the_other,
        """
        ChainedInvokeStarted I Input.Payload="abc"
        InvocationCompleted
        ChainedInvokeSucceeded I Result.Payload="abc"
        ChainedInvokeStarted J Input.Payload={"again":"abc"}
        InvocationCompleted
        ChainedInvokeSucceeded J Result.Payload={"again":"abc"}
        InvocationCompleted
        ExecutionSucceeded
        """,
        event="abc",
        result={"again": "abc"},
        actions=[],
    ),
    InferredRequirement(
        "a result in capitals, quotes and all",
        in_capitals,
        """
        ChainedInvokeStarted I
        InvocationCompleted
        ChainedInvokeSucceeded I Result.Payload="hello"
        InvocationCompleted
        ExecutionSucceeded
        """,
        event="hello",
        result='"HELLO"',
        actions=[],
    ),
]

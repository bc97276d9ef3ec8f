"""Go on as new: the end of an execution that starts the next one, of the same function, with another input.

A log only grows, and an execution ends after 366 days and 3,000 operations at most. A workflow without an end
therefore hands its state to a new execution now and then, which begins with an empty log.

The rules:

- The input is recorded first, in a STEP of its own. So each attempt to start the next execution sends the same bytes,
  and to the service the same name with the same input is the same execution.
- The next execution is started in a second STEP, which runs at least once and is retried by its strategy. The name
  follows from this execution's ARN (``protocol.continuation``), so that however often the start is repeated, there is
  one next execution. A refusal because the name is taken counts as a start: only this execution uses the name. But if an
  earlier call has failed or was given up, then the service has started that one all the same, with another input. To end
  with a pointer to it would lose the input of this call in silence, so this call fails too.
- Then this execution ends with a pointer to the next one as its result. What else runs is left as at the handler's
  return (``complete_execution``).

An example, of a crash after the start::

    log                                               the code
    continue_as_new input  SUCCEEDED {"month": 2}
    continue_as_new        (no record: the process died)
                                                      invocation 2: the start again, by the same name -> the same ARN
    continue_as_new        SUCCEEDED {"durable_continued_as": {"of": this ARN, "name": ..., "arn": ...}}
    EXECUTION              SUCCEEDED with the same text

A fork takes the log over, and must not end with the pointer of its origin: two executions would go on as one. The
record of the start names the execution that made it, so a fork passes over the records of others and makes one more.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable
from typing import Any, ClassVar, NoReturn
from weakref import WeakSet

from durable_execution_sdk.errors import (
    ConfigError,
    ContextMisuseError,
    ContinueAsNewError,
    ExecutionError,
    OperationError,
    PayloadSizeError,
    ServiceError,
)
from durable_execution_sdk.operations.complete_execution import ended
from durable_execution_sdk.operations.lifecycle.argument_checks import check_strategy
from durable_execution_sdk.operations.step import Step, StepConfig, defaults_for
from durable_execution_sdk.ports import DataPlane, start_execution
from durable_execution_sdk.protocol.continuation import (
    Continuation,
    continuation_of,
    next_name,
    pointer_text,
)
from durable_execution_sdk.protocol.control_plane import InvocationType, InvokeRequest
from durable_execution_sdk.protocol.error_codes import ALREADY_STARTED
from durable_execution_sdk.protocol.error_object import READS_FROM_OUTSIDE
from durable_execution_sdk.protocol.ids import ExecutionArn
from durable_execution_sdk.protocol.limits import MAX_ALIAS_CHARACTERS, MAX_PAYLOAD_BYTES
from durable_execution_sdk.protocol.operations import OperationType
from durable_execution_sdk.protocol.updates import OperationAction, OperationUpdate, text_bytes
from durable_execution_sdk.retry import NoRetry, RetryStrategy
from durable_execution_sdk.runtime.contexts import ContextState
from durable_execution_sdk.runtime.contexts.scope import IdScope
from durable_execution_sdk.runtime.run import InvocationRun
from durable_execution_sdk.runtime.settings import Invoked
from durable_execution_sdk.runtime.verdicts import InvocationEnded
from durable_execution_sdk.serdes import (
    JsonSerDes,
    PassThroughSerDes,
    SerDes,
    ValueContext,
    checked_text,
    serdes_for_type,
)

__all__ = ["continue_as_new"]

_QUALIFIER = re.compile(rf"\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9_-]{{1,{MAX_ALIAS_CHARACTERS}}}")
_NAME = "continue_as_new"
_INPUT_NAME = "continue_as_new input"
_VERBATIM = PassThroughSerDes()  # the texts are JSON already
# The invocations whose code has caught the failure of a start, or given one up: the service may have started it.
_HAVE_FAILED: WeakSet[InvocationRun] = WeakSet()


async def continue_as_new(
    scope: IdScope, event: object, qualifier: str | None, retry_strategy: RetryStrategy | None
) -> NoReturn:
    """Record the input, start the next execution with it, and end this one."""
    context_state = scope.context_state
    run = context_state.run
    _check_place(context_state)
    check_strategy("ctx.continue_as_new(retry_strategy=...)", retry_strategy)
    name, function = next_name(run.invoked.arn), _function(run.invoked, qualifier)
    text = _written(run, event)
    text = await _recorded_input(scope, text)
    request = InvokeRequest(
        function_name=function,
        payload=text.encode(),
        invocation_type=InvocationType.EVENT,
        durable_execution_name=name,
        tenant_id=getattr(run.invoked.lambda_context, "tenant_id", None),
    )
    config = StepConfig(
        retry_strategy=retry_strategy,
        serdes=_VERBATIM,
        # An optimistic step hands its result on before it is recorded: the START is behind the input in the queue.
        acknowledge_start=run.is_optimistic,
    )
    plane, arn = run.plane, run.invoked.arn

    async def start() -> str:
        return await _start(plane, arn, request, has_failed=run in _HAVE_FAILED)

    defaults = defaults_for(start, config, run)
    pointer = None
    try:
        while continuation_of(arn, pointer) is None:
            pointer = await _Start(scope, defaults, (), _NAME, config, _VERBATIM).handle
    except BaseException:
        _HAVE_FAILED.add(run)
        raise
    update = OperationUpdate(
        id=run.journal.execution_id,
        type=OperationType.EXECUTION,
        action=OperationAction.SUCCEED,
        payload=pointer,
    )
    ending: Awaitable[object] = ended(run, update)
    await ending
    raise InvocationEnded  # as the ending has done


class _Start(Step[str]):
    """The step that starts the next execution."""

    __slots__ = ()

    error_class: ClassVar[type[OperationError]] = ContinueAsNewError


def _check_place(context_state: ContextState) -> None:
    if context_state.parent is not None:
        raise ContextMisuseError(
            "ctx.continue_as_new ends the execution, and is called with the handler's own context, not in"
            f" {context_state.title}: return from its function what the next execution needs, and call"
            " ctx.continue_as_new in the handler"
        )


def _function(invoked: Invoked, qualifier: str | None) -> str:
    """Return the name of this execution's function, with the version or alias that the next one is to have."""
    if qualifier is not None and not (
        isinstance(qualifier, str) and _QUALIFIER.fullmatch(qualifier)
    ):
        raise ConfigError(
            "ctx.continue_as_new(qualifier=...) takes a version or an alias of this function, as in"
            f" qualifier='live', or None for the version that runs, not {qualifier!r}"
        )
    parts = ExecutionArn.read(invoked.arn)
    if parts is not None:
        return f"{parts.function_name}:{qualifier or parts.version}"
    context = invoked.lambda_context
    name, version = (getattr(context, f"function_{part}", None) for part in ("name", "version"))
    if not (isinstance(name, str) and isinstance(qualifier or version, str)):
        raise ConfigError(
            f"ctx.continue_as_new starts an execution of the same function, and neither the ARN {invoked.arn!r} nor the"
            " Lambda context (function_name, function_version) names the function"
        )
    return f"{name}:{qualifier or version}"


def _written(run: InvocationRun, event: object) -> str:
    """Write the input as the handler reads it; raise if it cannot be written or read, or is too large."""
    context = ValueContext(
        operation_id=run.journal.execution_id,
        durable_execution_arn=run.invoked.arn,
        is_outward=True,
        subject="the input of the next execution (ctx.continue_as_new)",
        remedy="or give the handler a serdes: @durable_execution(serdes=...)",
    )
    serdes: SerDes[Any] = run.event_serdes or run.settings.serdes or serdes_for_type(Any)
    text = checked_text(
        serdes.serialize(event, context), f"what the serdes writes as {context.what}"
    )
    if isinstance(serdes, JsonSerDes):
        # The next execution would fail with an input that it cannot read; here the caller sees it.
        token = READS_FROM_OUTSIDE.set(True)
        try:
            serdes.deserialize(text, context)
        finally:
            READS_FROM_OUTSIDE.reset(token)
    size = text_bytes(text)
    if size > MAX_PAYLOAD_BYTES:
        raise PayloadSizeError(
            f"{context.what} is {size:,} bytes of JSON; an asynchronous invocation takes at most"
            f" {MAX_PAYLOAD_BYTES:,}: keep the data elsewhere (S3, a database) and pass its key"
        )
    return text


async def _recorded_input(scope: IdScope, text: str) -> str:
    config = StepConfig(retry_strategy=NoRetry(), serdes=_VERBATIM)
    defaults = defaults_for(_same, config, scope.context_state.run)
    step = Step[str](scope, defaults, (text,), _INPUT_NAME, config, _VERBATIM)
    recorded = await step.handle
    run, record = step.run, step.record
    if run.is_rehearsal and record is not None:
        run.built_again(record, text, lambda payload: payload)
    return recorded


async def _same(text: str) -> str:
    return text


async def _start(plane: DataPlane, arn: str, request: InvokeRequest, *, has_failed: bool) -> str:
    """Start the next execution, or find the one that an earlier attempt has started; return the pointer to it."""
    name = request.durable_execution_name or ""
    try:
        response = await start_execution(plane, request)
        started = response.durable_execution_arn
    except ServiceError as error:
        if error.code != ALREADY_STARTED:
            raise _explained(error, request) from error
        if has_failed:
            raise ExecutionError(
                f"ctx.continue_as_new found that {name} of {request.function_name} runs already, with another input: an"
                " earlier call, which has failed or was given up, had started it all the same. The input of this call is"
                " not used. Let each call have the same input, or return without another one: the next execution goes on"
            ) from error
        started = None
    return pointer_text(
        Continuation(of=arn, name=name, function=request.function_name, arn=started)
    )


def _explained(error: ServiceError, request: InvokeRequest) -> ServiceError:
    """Name the function and the execution, and what the function's role needs if that is the reason."""
    cure = ""
    if error.status == 403 and not error.is_about_credentials:
        function = request.function_name.partition(":")[0]
        cure = (
            f". The function's role needs lambda:InvokeFunction for itself: the resource is the ARN of {function},"
            f" followed by ':*'"
        )
    elif error.is_transient and error.status != 429:
        cure = "; it may have been started all the same, since only the answer may have been lost"
    return ServiceError(
        f"ctx.continue_as_new could not start the execution {request.durable_execution_name} of"
        f" {request.function_name}: {error.message}{cure}",
        code=error.code,
        status=error.status,
    )

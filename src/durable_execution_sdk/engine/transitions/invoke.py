"""CHAINED_INVOKE: the SDK starts it, and the invoked function ends it."""

from __future__ import annotations

from msgspec.structs import replace

from durable_execution_sdk.engine.commands import FunctionTarget
from durable_execution_sdk.engine.events import (
    ChainedInvokeFailed,
    ChainedInvokeStarted,
    ChainedInvokeStopped,
    ChainedInvokeSucceeded,
    ChainedInvokeTimedOut,
    OperationEvent,
)
from durable_execution_sdk.engine.rejections import invalid
from durable_execution_sdk.engine.transitions.table import (
    ABSENT,
    Applies,
    Facts,
    Move,
    Moves,
    Rule,
    TimersAfter,
    Updates,
    opened,
    reference,
)
from durable_execution_sdk.protocol.error_codes import NOT_FOUND
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.operations import (
    ChainedInvokeDetails,
    Operation,
    OperationStatus,
    OperationType,
)
from durable_execution_sdk.protocol.updates import (
    ChainedInvokeOptions,
    OperationAction,
    OperationUpdate,
)


def _start(
    update: OperationUpdate, _current: Operation | None, facts: Facts
) -> list[OperationEvent]:
    options = update.chained_invoke_options
    if options is None:
        raise invalid(
            f"Invalid ChainedInvokeOptions for invoke {update.id}: START needs FunctionName."
        )
    if isinstance(facts.target, FunctionTarget):
        return [_started(update, options, facts, facts.target)]
    # The service answers in the same response: the operation starts, and fails at once.
    error = facts.target or ErrorObject(
        error_type=NOT_FOUND,
        error_message=f"Function not found: {options.function_name}",
    )
    return [
        _started(update, options, facts, None),
        ChainedInvokeFailed(at=facts.at, operation=reference(update), error=error),
    ]


def _started(
    update: OperationUpdate,
    options: ChainedInvokeOptions,
    facts: Facts,
    target: FunctionTarget | None,
) -> ChainedInvokeStarted:
    return ChainedInvokeStarted(
        at=facts.at,
        operation=reference(update),
        function_name=options.function_name,
        input=update.payload,
        function_arn=target.function_arn if target else "",
        executed_version=target.version if target else None,
        child_arn=facts.child_arn if target and target.durable else None,
        execution_timeout=target.execution_timeout if target else None,
        tenant_id=options.tenant_id,
        trace_id=options.x_amzn_trace_id or facts.trace_id,
    )


UPDATES: Updates = {
    (OperationAction.START, ABSENT): Rule(OperationStatus.STARTED, _start),
}

MOVES: Moves = {
    ChainedInvokeSucceeded: Move(OperationStatus.STARTED, OperationStatus.SUCCEEDED),
    ChainedInvokeFailed: Move(OperationStatus.STARTED, OperationStatus.FAILED),
    ChainedInvokeTimedOut: Move(OperationStatus.STARTED, OperationStatus.TIMED_OUT),
    ChainedInvokeStopped: Move(OperationStatus.STARTED, OperationStatus.STOPPED),
}


def _running(previous: Operation | None, event: ChainedInvokeStarted) -> Operation:
    return replace(
        previous or opened(OperationType.CHAINED_INVOKE, event.operation, event.at),
        chained_invoke_details=ChainedInvokeDetails(),
    )


def _succeeded(previous: Operation | None, event: ChainedInvokeSucceeded) -> Operation:
    return _ended(previous, event, ChainedInvokeDetails(result=event.result))


def _failed(
    previous: Operation | None,
    event: ChainedInvokeFailed | ChainedInvokeTimedOut | ChainedInvokeStopped,
) -> Operation:
    return _ended(previous, event, ChainedInvokeDetails(error=event.error))


def _ended(
    previous: Operation | None, event: OperationEvent, details: ChainedInvokeDetails
) -> Operation:
    return replace(
        previous or opened(OperationType.CHAINED_INVOKE, event.operation, event.at),
        status=MOVES[type(event)].to,
        end_timestamp=event.at,
        chained_invoke_details=details,
    )


APPLIES: Applies = {
    ChainedInvokeStarted: _running,
    ChainedInvokeSucceeded: _succeeded,
    ChainedInvokeFailed: _failed,
    ChainedInvokeTimedOut: _failed,
    ChainedInvokeStopped: _failed,
}

# The invoked execution has a timeout of its own.
TIMERS: TimersAfter = {}

"""Decide results from outside: of callbacks and of invoked functions."""

from __future__ import annotations

from durable_execution_sdk.engine.commands import (
    CompleteCallback,
    FailCallback,
    FinishChainedInvoke,
    HeartbeatCallback,
)
from durable_execution_sdk.engine.decide.validation import check_error_size
from durable_execution_sdk.engine.events import (
    CallbackFailed,
    CallbackHeartbeatReceived,
    CallbackSucceeded,
    ChainedInvokeFailed,
    ChainedInvokeStarted,
    ChainedInvokeStopped,
    ChainedInvokeSucceeded,
    ChainedInvokeTimedOut,
    Event,
    OperationRef,
    clock_at,
)
from durable_execution_sdk.engine.limits import Limits
from durable_execution_sdk.engine.rejections import callback_closed, invalid, not_found
from durable_execution_sdk.engine.state import ExecutionState, TimerKind
from durable_execution_sdk.protocol.error_codes import INVALID_PARAMETER
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.ids import ExecutionArn
from durable_execution_sdk.protocol.operations import (
    Operation,
    OperationStatus,
    OperationSubType,
    OperationType,
)
from durable_execution_sdk.protocol.updates import text_bytes

# Characters of an execution's error that a rejection quotes.
_LONGEST_REASON = 500

CallbackAnswer = CompleteCallback | FailCallback | HeartbeatCallback


def operation_ref(operation: Operation) -> OperationRef:
    """Return the reference that events hold to a stored operation."""
    return OperationRef(
        id=operation.id,
        parent_id=operation.parent_id,
        name=operation.name,
        sub_type=operation.sub_type,
    )


def decide_callback_answer(
    state: ExecutionState, command: CallbackAnswer, at: int, now: int, limits: Limits
) -> list[Event]:
    """Complete a callback or record its heartbeat; raise ``Rejected`` when it has ended."""
    operation = _open_callback(state, command.operation_id, command.callback_id, now)
    match command:
        case HeartbeatCallback():
            seconds = state.heartbeats.get(operation.id, 0)
            return [
                CallbackHeartbeatReceived(
                    at=at,
                    clock_at=clock_at(at, now),
                    operation=operation_ref(operation),
                    heartbeat_seconds=seconds,
                )
            ]
        case CompleteCallback():
            max_bytes = limits.callback_result_bytes
            if text_bytes(command.result) > max_bytes:
                raise invalid(
                    f"Callback result size must be less than or equal to {max_bytes} bytes. "
                    f"(callback {operation.id} {operation.name or ''!r}, "
                    f"{text_bytes(command.result)} bytes)"
                )
            return [
                CallbackSucceeded(at=at, operation=operation_ref(operation), result=command.result)
            ]
        case FailCallback():
            check_error_size(command.error, limits, "Callback")
            error = command.error or ErrorObject()
            return [CallbackFailed(at=at, operation=operation_ref(operation), error=error)]


def _open_callback(
    state: ExecutionState, operation_id: str, callback_id: str | None, now: int
) -> Operation:
    operation = state.operations.get(operation_id)
    if operation is None or operation.type != OperationType.CALLBACK:
        raise not_found(f"There is no callback {operation_id} in {state.arn}.")
    details = operation.callback_details
    if callback_id is not None and (details is None or details.callback_id != callback_id):
        raise not_found(f"There is no callback {callback_id!r}: the id is not one of ours.")
    closed = _closed(operation, state, now)
    if closed is not None:
        raise callback_closed(f"{_title(operation, state)} is closed: {closed}.")
    return operation


def _closed(operation: Operation, state: ExecutionState, now: int) -> str | None:
    """Say how a callback ended; ``None`` while it is open."""
    details = operation.callback_details
    reason = _reason(None if details is None else details.error)
    match operation.status:
        case OperationStatus.STARTED:
            pass
        case OperationStatus.SUCCEEDED:
            return "it has SUCCEEDED, with an earlier answer. A callback takes one answer"
        case OperationStatus.FAILED:
            return f"it has FAILED, with an earlier answer{reason}. A callback takes one answer"
        case _:
            return f"it is {operation.status}, without an answer{reason}"
    if state.is_closed:
        return f"its execution is {state.status}{_reason(state.error)}"
    for kind in (TimerKind.CALLBACK_TIMEOUT, TimerKind.CALLBACK_HEARTBEAT):
        due_at = state.timers.get((operation.id, kind))
        if due_at is not None and due_at <= now:
            return f"its {kind} has passed"
    return None


def _title(operation: Operation, state: ExecutionState) -> str:
    """Name a callback as the workflow does: that of a ``wait_for_callback`` by the outer name."""
    outer = state.operations.get(operation.parent_id or "")
    is_inside = outer is not None and outer.sub_type == OperationSubType.WAIT_FOR_CALLBACK
    name = outer.name if outer is not None and is_inside else operation.name
    shown = f"Callback {name!r} ({operation.id})" if name else f"Callback {operation.id}"
    return f"{shown} of the execution {ExecutionArn.parse(state.arn).execution_name!r}"


def _reason(error: ErrorObject | None) -> str:
    """Return the execution's error in parentheses, to end a sentence with; "" if there is none."""
    parts = [] if error is None else [error.error_type, error.error_message]
    text = ": ".join(part for part in parts if part)
    text = text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}..."
    return f" ({text})" if text else ""


def decide_finish_chained_invoke(
    state: ExecutionState, command: FinishChainedInvoke, at: int, limits: Limits
) -> list[Event]:
    """End a chained invoke; a repeated or late report changes nothing."""
    operation = state.operations.get(command.operation_id)
    started = state.invokes.get(command.operation_id)
    if operation is None or operation.type != OperationType.CHAINED_INVOKE:
        raise not_found(f"There is no chained invoke {command.operation_id} in {state.arn}.")
    if state.is_closed or started is None:
        return []
    ref = operation_ref(operation)
    match command.status:
        case OperationStatus.SUCCEEDED:
            max_bytes = limits.chained_invoke_payload_bytes
            if text_bytes(command.result) > max_bytes:
                error = ErrorObject(
                    error_type=INVALID_PARAMETER,
                    error_message=(
                        "CHAINED_INVOKE output payload size must be less than or equal to "
                        f"{max_bytes} bytes."
                    ),
                )
                return [ChainedInvokeFailed(at=at, operation=ref, error=error)]
            return [ChainedInvokeSucceeded(at=at, operation=ref, result=command.result)]
        case OperationStatus.FAILED:
            error = command.error or ErrorObject()
            return [ChainedInvokeFailed(at=at, operation=ref, error=error)]
        case OperationStatus.TIMED_OUT:
            error = command.error or _timeout_error(started)
            return [ChainedInvokeTimedOut(at=at, operation=ref, error=error)]
        case OperationStatus.STOPPED:
            error = command.error or ErrorObject(
                error_type="ChainedInvoke.Stopped",
                error_message=f"The execution of {started.function_name} was stopped.",
            )
            return [ChainedInvokeStopped(at=at, operation=ref, error=error)]
        case _:
            raise invalid(f"A chained invoke cannot end as {command.status}.")


def _timeout_error(started: ChainedInvokeStarted) -> ErrorObject:
    seconds = started.execution_timeout
    return ErrorObject(
        error_type="ChainedInvoke.Timeout",
        error_message="CHAINED_INVOKE timed out"
        + (f" after {seconds} seconds." if seconds is not None else "."),
    )

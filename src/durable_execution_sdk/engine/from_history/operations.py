"""Rebuild the events of operations from the entries of a history."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any

from durable_execution_sdk.engine.events import (
    CallbackFailed,
    CallbackHeartbeatReceived,
    CallbackStarted,
    CallbackSucceeded,
    CallbackTimedOut,
    ChainedInvokeFailed,
    ChainedInvokeStarted,
    ChainedInvokeStopped,
    ChainedInvokeSucceeded,
    ChainedInvokeTimedOut,
    ContextFailed,
    ContextStarted,
    ContextSucceeded,
    Event,
    OperationRef,
    StepFailed,
    StepRetryScheduled,
    StepStarted,
    StepSucceeded,
    WaitCancelled,
    WaitStarted,
    WaitSucceeded,
)
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.history import (
    CallbackStartedDetails,
    ErrorDetails,
    EventType,
    HistoryEvent,
    ResultDetails,
    RetryDetails,
)

__all__ = ["error_of", "operation_events", "result_of", "whole"]

_Change = Callable[[HistoryEvent, int, OperationRef], list[Event]]


def operation_events(entry: HistoryEvent, at: int) -> list[Event]:
    """Return the events of an entry about an operation; none for a type that this version does not know."""
    change = _CHANGES.get(entry.event_type)
    if change is None or entry.id is None:
        return []
    reference = OperationRef(
        id=entry.id, parent_id=entry.parent_id, name=entry.name, sub_type=entry.sub_type
    )
    return change(entry, at, reference)


def whole(milliseconds: float) -> int:
    """Round a time; the service has fractions of milliseconds."""
    return round(milliseconds)


def result_of(details: ResultDetails | None) -> str | None:
    """Return the result in the details of a success, if it is there."""
    return None if details is None else details.result.payload


def error_of(details: ErrorDetails | None) -> ErrorObject | None:
    """Return the error in the details of a failure, if it is there."""
    return None if details is None or details.error is None else details.error.payload


def _step(entry: HistoryEvent, at: int, operation: OperationRef) -> list[Event]:
    succeeded, failed = entry.step_succeeded_details, entry.step_failed_details
    details = succeeded or failed
    retry = RetryDetails() if details is None else details.retry_details
    attempt, delay = retry.current_attempt, retry.next_attempt_delay_seconds
    result = None if succeeded is None else succeeded.result.payload
    error = None if failed is None else failed.error.payload or ErrorObject()
    # AWS's local runner writes 0 for none.
    if delay:
        return [
            StepRetryScheduled(
                at=at,
                operation=operation,
                attempt=attempt,
                delay_seconds=delay,
                due_at=at + delay * 1_000,
                result=result,
                error=error,
            )
        ]
    if error is not None:
        return [StepFailed(at=at, operation=operation, attempt=attempt, error=error)]
    return [StepSucceeded(at=at, operation=operation, attempt=attempt, result=result)]


def _wait(entry: HistoryEvent, at: int, operation: OperationRef) -> list[Event]:
    details = entry.wait_started_details
    seconds = 0 if details is None else details.duration
    due_at = at if details is None else whole(details.scheduled_end_timestamp)
    return [WaitStarted(at=at, operation=operation, seconds=seconds, due_at=due_at)]


def _waited(entry: HistoryEvent, at: int, operation: OperationRef) -> list[Event]:
    details = entry.wait_succeeded_details
    seconds = 0 if details is None else details.duration or 0
    return [WaitSucceeded(at=at, operation=operation, seconds=seconds)]


def _cancelled(entry: HistoryEvent, at: int, operation: OperationRef) -> list[Event]:
    return [WaitCancelled(at=at, operation=operation, error=error_of(entry.wait_cancelled_details))]


def _callback(entry: HistoryEvent, at: int, operation: OperationRef) -> list[Event]:
    details = entry.callback_started_details or CallbackStartedDetails(callback_id="")
    heartbeat = details.heartbeat_timeout or 0
    started = CallbackStarted(
        at=at,
        operation=operation,
        callback_id=details.callback_id,
        timeout_seconds=details.timeout or 0,
        heartbeat_seconds=heartbeat,
    )
    undated = CallbackHeartbeatReceived(at=at, operation=operation)
    return [started, undated] if heartbeat else [started]


def _invoke(entry: HistoryEvent, at: int, operation: OperationRef) -> list[Event]:
    details = entry.chained_invoke_started_details
    if details is None:
        return [ChainedInvokeStarted(at=at, operation=operation, function_name="")]
    return [
        ChainedInvokeStarted(
            at=at,
            operation=operation,
            function_name=details.function_name,
            input=details.input.payload if details.input else None,
            function_arn=details.function_name,
            executed_version=details.executed_version,
            child_arn=details.durable_execution_arn,
            tenant_id=details.tenant_id,
        )
    ]


def _begun(make: Callable[..., Event]) -> _Change:
    return lambda _, at, operation: [make(at=at, operation=operation)]


def _succeeded(make: Callable[..., Event], details: Callable[[HistoryEvent], Any]) -> _Change:
    return lambda entry, at, operation: [
        make(at=at, operation=operation, result=result_of(details(entry)))
    ]


def _failed(make: Callable[..., Event], details: Callable[[HistoryEvent], Any]) -> _Change:
    # The service leaves out what it cannot tell; a failure is one all the same.
    return lambda entry, at, operation: [
        make(at=at, operation=operation, error=error_of(details(entry)) or ErrorObject())
    ]


_CHANGES: Mapping[str, _Change] = {
    EventType.STEP_STARTED: _begun(StepStarted),
    EventType.STEP_SUCCEEDED: _step,
    EventType.STEP_FAILED: _step,
    EventType.WAIT_STARTED: _wait,
    EventType.WAIT_SUCCEEDED: _waited,
    EventType.WAIT_CANCELLED: _cancelled,
    EventType.CONTEXT_STARTED: _begun(ContextStarted),
    EventType.CONTEXT_SUCCEEDED: _succeeded(
        ContextSucceeded, attrgetter("context_succeeded_details")
    ),
    EventType.CONTEXT_FAILED: _failed(ContextFailed, attrgetter("context_failed_details")),
    EventType.CALLBACK_STARTED: _callback,
    EventType.CALLBACK_SUCCEEDED: _succeeded(
        CallbackSucceeded, attrgetter("callback_succeeded_details")
    ),
    EventType.CALLBACK_FAILED: _failed(CallbackFailed, attrgetter("callback_failed_details")),
    EventType.CALLBACK_TIMED_OUT: _failed(
        CallbackTimedOut, attrgetter("callback_timed_out_details")
    ),
    EventType.CHAINED_INVOKE_STARTED: _invoke,
    EventType.CHAINED_INVOKE_SUCCEEDED: _succeeded(
        ChainedInvokeSucceeded, attrgetter("chained_invoke_succeeded_details")
    ),
    EventType.CHAINED_INVOKE_FAILED: _failed(
        ChainedInvokeFailed, attrgetter("chained_invoke_failed_details")
    ),
    EventType.CHAINED_INVOKE_TIMED_OUT: _failed(
        ChainedInvokeTimedOut, attrgetter("chained_invoke_timed_out_details")
    ),
    EventType.CHAINED_INVOKE_STOPPED: _failed(
        ChainedInvokeStopped, attrgetter("chained_invoke_stopped_details")
    ),
}

"""History entries for events of operations."""

from __future__ import annotations

from msgspec.structs import replace

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
    OperationEvent,
    StepFailed,
    StepReady,
    StepRetryScheduled,
    StepStarted,
    StepSucceeded,
    WaitCancelled,
    WaitStarted,
    WaitSucceeded,
)
from durable_execution_sdk.engine.views.payloads import error_of, input_of, result_of
from durable_execution_sdk.protocol.history import (
    CallbackStartedDetails,
    ChainedInvokeStartedDetails,
    EmptyDetails,
    ErrorDetails,
    EventType,
    HistoryEvent,
    ResultDetails,
    RetryDetails,
    StepFailedDetails,
    StepSucceededDetails,
    WaitStartedDetails,
    WaitSucceededDetails,
)

_StepEvent = StepStarted | StepSucceeded | StepFailed | StepRetryScheduled | StepReady
_WaitEvent = WaitStarted | WaitSucceeded | WaitCancelled
_ContextEvent = ContextStarted | ContextSucceeded | ContextFailed
_CallbackEvent = (
    CallbackStarted
    | CallbackHeartbeatReceived
    | CallbackSucceeded
    | CallbackFailed
    | CallbackTimedOut
)
_InvokeEvent = (
    ChainedInvokeStarted
    | ChainedInvokeSucceeded
    | ChainedInvokeFailed
    | ChainedInvokeTimedOut
    | ChainedInvokeStopped
)


def operation_entry(
    event: OperationEvent, event_id: int, *, include_data: bool
) -> HistoryEvent | None:
    """Return the entry of an event; ``None`` when the API does not show it."""
    operation = event.operation
    blank = HistoryEvent(
        event_type="",
        event_id=event_id,
        event_timestamp=event.at,
        sub_type=operation.sub_type,
        id=operation.id,
        name=operation.name,
        parent_id=operation.parent_id,
    )
    match event:
        case StepStarted() | StepSucceeded() | StepFailed() | StepRetryScheduled() | StepReady():
            return _step(event, blank, include_data=include_data)
        case WaitStarted() | WaitSucceeded() | WaitCancelled():
            return _wait(event, blank, include_data=include_data)
        case ContextStarted() | ContextSucceeded() | ContextFailed():
            return _context(event, blank, include_data=include_data)
        case (
            ChainedInvokeStarted()
            | ChainedInvokeSucceeded()
            | ChainedInvokeFailed()
            | ChainedInvokeTimedOut()
            | ChainedInvokeStopped()
        ):
            return _invoke(event, blank, include_data=include_data)
        case _:
            return _callback(event, blank, include_data=include_data)


def _step(event: _StepEvent, blank: HistoryEvent, *, include_data: bool) -> HistoryEvent | None:
    match event:
        case StepStarted():
            return replace(
                blank, event_type=EventType.STEP_STARTED, step_started_details=EmptyDetails()
            )
        case StepReady():
            return None
        case StepRetryScheduled():
            retry = RetryDetails(
                current_attempt=event.attempt, next_attempt_delay_seconds=event.delay_seconds
            )
        case StepSucceeded() | StepFailed():
            retry = RetryDetails(current_attempt=event.attempt)
    # A poll that goes on has no error: the service logs it as a success, with a next attempt.
    if isinstance(event, StepSucceeded) or (
        isinstance(event, StepRetryScheduled) and event.error is None
    ):
        return replace(
            blank,
            event_type=EventType.STEP_SUCCEEDED,
            step_succeeded_details=StepSucceededDetails(
                result=result_of(event.result, include_data=include_data), retry_details=retry
            ),
        )
    return replace(
        blank,
        event_type=EventType.STEP_FAILED,
        step_failed_details=StepFailedDetails(
            error=error_of(event.error, include_data=include_data), retry_details=retry
        ),
    )


def _wait(event: _WaitEvent, blank: HistoryEvent, *, include_data: bool) -> HistoryEvent:
    match event:
        case WaitStarted():
            return replace(
                blank,
                event_type=EventType.WAIT_STARTED,
                wait_started_details=WaitStartedDetails(
                    duration=event.seconds, scheduled_end_timestamp=event.due_at
                ),
            )
        case WaitSucceeded():
            return replace(
                blank,
                event_type=EventType.WAIT_SUCCEEDED,
                wait_succeeded_details=WaitSucceededDetails(duration=event.seconds),
            )
        case WaitCancelled():
            error = (
                error_of(event.error, include_data=include_data)
                if event.error is not None
                else None
            )
            return replace(
                blank,
                event_type=EventType.WAIT_CANCELLED,
                wait_cancelled_details=ErrorDetails(error=error),
            )


def _context(event: _ContextEvent, blank: HistoryEvent, *, include_data: bool) -> HistoryEvent:
    match event:
        case ContextStarted():
            return replace(
                blank, event_type=EventType.CONTEXT_STARTED, context_started_details=EmptyDetails()
            )
        case ContextSucceeded():
            return replace(
                blank,
                event_type=EventType.CONTEXT_SUCCEEDED,
                context_succeeded_details=ResultDetails(
                    result=result_of(event.result, include_data=include_data)
                ),
            )
        case ContextFailed():
            return replace(
                blank,
                event_type=EventType.CONTEXT_FAILED,
                context_failed_details=ErrorDetails(
                    error=error_of(event.error, include_data=include_data)
                ),
            )


def _callback(
    event: _CallbackEvent, blank: HistoryEvent, *, include_data: bool
) -> HistoryEvent | None:
    match event:
        case CallbackStarted():
            return replace(
                blank,
                event_type=EventType.CALLBACK_STARTED,
                callback_started_details=CallbackStartedDetails(
                    callback_id=event.callback_id,
                    heartbeat_timeout=event.heartbeat_seconds or None,
                    timeout=event.timeout_seconds or None,
                ),
            )
        case CallbackHeartbeatReceived():
            return None
        case CallbackSucceeded():
            return replace(
                blank,
                event_type=EventType.CALLBACK_SUCCEEDED,
                callback_succeeded_details=ResultDetails(
                    result=result_of(event.result, include_data=include_data)
                ),
            )
        case CallbackFailed():
            return replace(
                blank,
                event_type=EventType.CALLBACK_FAILED,
                callback_failed_details=ErrorDetails(
                    error=error_of(event.error, include_data=include_data)
                ),
            )
        case CallbackTimedOut():
            return replace(
                blank,
                event_type=EventType.CALLBACK_TIMED_OUT,
                callback_timed_out_details=ErrorDetails(
                    error=error_of(event.error, include_data=include_data)
                ),
            )


def _invoke(event: _InvokeEvent, blank: HistoryEvent, *, include_data: bool) -> HistoryEvent:
    match event:
        case ChainedInvokeStarted():
            return replace(
                blank,
                event_type=EventType.CHAINED_INVOKE_STARTED,
                chained_invoke_started_details=ChainedInvokeStartedDetails(
                    function_name=event.function_name,
                    tenant_id=event.tenant_id,
                    input=input_of(event.input, include_data=include_data),
                    executed_version=event.executed_version,
                    durable_execution_arn=event.child_arn,
                ),
            )
        case ChainedInvokeSucceeded():
            return replace(
                blank,
                event_type=EventType.CHAINED_INVOKE_SUCCEEDED,
                chained_invoke_succeeded_details=ResultDetails(
                    result=result_of(event.result, include_data=include_data)
                ),
            )
        case ChainedInvokeFailed():
            return replace(
                blank,
                event_type=EventType.CHAINED_INVOKE_FAILED,
                chained_invoke_failed_details=ErrorDetails(
                    error=error_of(event.error, include_data=include_data)
                ),
            )
        case ChainedInvokeTimedOut():
            return replace(
                blank,
                event_type=EventType.CHAINED_INVOKE_TIMED_OUT,
                chained_invoke_timed_out_details=ErrorDetails(
                    error=error_of(event.error, include_data=include_data)
                ),
            )
        case ChainedInvokeStopped():
            return replace(
                blank,
                event_type=EventType.CHAINED_INVOKE_STOPPED,
                chained_invoke_stopped_details=ErrorDetails(
                    error=error_of(event.error, include_data=include_data)
                ),
            )

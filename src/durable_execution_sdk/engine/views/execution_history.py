"""History entries for events of the execution itself; bookkeeping events have none."""

from __future__ import annotations

from durable_execution_sdk.engine.events import (
    ExecutionEvent,
    ExecutionFailed,
    ExecutionPaused,
    ExecutionResumed,
    ExecutionStarted,
    ExecutionStopped,
    ExecutionSucceeded,
    ExecutionTimedOut,
    InvocationCompleted,
)
from durable_execution_sdk.engine.views.payloads import error_of, input_of, reason_of, result_of
from durable_execution_sdk.protocol.history import (
    ErrorDetails,
    EventType,
    ExecutionPausedDetails,
    ExecutionResumedDetails,
    ExecutionStartedDetails,
    HistoryEvent,
    InvocationCompletedDetails,
    ResultDetails,
)


def execution_entry(
    event: ExecutionEvent, event_id: int, *, include_data: bool
) -> HistoryEvent | None:
    """Return the entry of an event; ``None`` when the API does not show it."""
    match event:
        case ExecutionStarted():
            return HistoryEvent(
                event_type=EventType.EXECUTION_STARTED,
                event_id=event_id,
                event_timestamp=event.at,
                execution_started_details=ExecutionStartedDetails(
                    input=input_of(event.input, include_data=include_data),
                    execution_timeout=event.execution_timeout,
                ),
            )
        case InvocationCompleted():
            return _invocation_completed(event, event_id, include_data=include_data)
        case ExecutionSucceeded():
            return HistoryEvent(
                event_type=EventType.EXECUTION_SUCCEEDED,
                event_id=event_id,
                event_timestamp=event.at,
                execution_succeeded_details=ResultDetails(
                    result=result_of(event.result, include_data=include_data)
                ),
            )
        case ExecutionFailed():
            return HistoryEvent(
                event_type=EventType.EXECUTION_FAILED,
                event_id=event_id,
                event_timestamp=event.at,
                execution_failed_details=ErrorDetails(
                    error=error_of(event.error, include_data=include_data)
                ),
            )
        case ExecutionTimedOut():
            return HistoryEvent(
                event_type=EventType.EXECUTION_TIMED_OUT,
                event_id=event_id,
                event_timestamp=event.at,
                execution_timed_out_details=ErrorDetails(
                    error=error_of(event.error, include_data=include_data)
                ),
            )
        case ExecutionStopped():
            return HistoryEvent(
                event_type=EventType.EXECUTION_STOPPED,
                event_id=event_id,
                event_timestamp=event.at,
                execution_stopped_details=ErrorDetails(
                    error=error_of(event.error, include_data=include_data)
                ),
            )
        case ExecutionPaused() | ExecutionResumed():
            return _pause_entry(event, event_id, include_data=include_data)
        case _:
            return None


def _invocation_completed(
    event: InvocationCompleted, event_id: int, *, include_data: bool
) -> HistoryEvent:
    return HistoryEvent(
        event_type=EventType.INVOCATION_COMPLETED,
        event_id=event_id,
        event_timestamp=event.at,
        invocation_completed_details=InvocationCompletedDetails(
            start_timestamp=event.started_at,
            end_timestamp=event.at,
            request_id=event.request_id,
            error=error_of(event.error, include_data=include_data)
            if event.error is not None
            else None,
        ),
    )


def _pause_entry(
    event: ExecutionPaused | ExecutionResumed, event_id: int, *, include_data: bool
) -> HistoryEvent:
    if isinstance(event, ExecutionPaused):
        return HistoryEvent(
            event_type=EventType.EXECUTION_PAUSED,
            event_id=event_id,
            event_timestamp=event.at,
            execution_paused_details=ExecutionPausedDetails(
                pause_request_timestamp=event.requested_at,
                execution_timeout_paused=event.execution_timeout_paused,
                reason=reason_of(event.reason, include_data=include_data),
            ),
        )
    return HistoryEvent(
        event_type=EventType.EXECUTION_RESUMED,
        event_id=event_id,
        event_timestamp=event.at,
        execution_resumed_details=ExecutionResumedDetails(
            resume_request_timestamp=event.requested_at,
            reason=reason_of(event.reason, include_data=include_data),
        ),
    )

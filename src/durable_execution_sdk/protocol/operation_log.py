"""The log of operations, rebuilt from a history's events."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.history import (
    ErrorDetails,
    EventType,
    HistoryEvent,
    ResultDetails,
)
from durable_execution_sdk.protocol.ids import execution_operation_id
from durable_execution_sdk.protocol.operations import (
    TERMINAL_STATUSES,
    CallbackDetails,
    ChainedInvokeDetails,
    ContextDetails,
    ExecutionDetails,
    Operation,
    OperationStatus,
    OperationStatusName,
    OperationType,
    OperationTypeName,
    StepDetails,
    WaitDetails,
)

__all__ = ["Ending", "Log", "changes_operations"]


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """The end of an execution: the event's type with the result or the error."""

    event_type: str
    result: str | None = None
    error: ErrorObject | None = None

    @property
    def is_own(self) -> bool:
        """True if the code returned or raised; false if the execution was stopped or timed out."""
        return self.event_type in (EventType.EXECUTION_SUCCEEDED, EventType.EXECUTION_FAILED)


class Log:
    """The operations after the events taken so far."""

    def __init__(self, arn: str, started: HistoryEvent) -> None:
        self.execution_id = execution_operation_id(arn)
        self.order: list[str] = []
        self.operations: dict[str, Operation] = {}
        self.ending: Ending | None = None
        self.at = started.event_timestamp
        details = started.execution_started_details
        self.execution = Operation(
            id=self.execution_id,
            type=OperationType.EXECUTION,
            status=OperationStatus.STARTED,
            start_timestamp=started.event_timestamp,
            execution_details=ExecutionDetails(
                input_payload=details.input.payload if details else None
            ),
        )

    def visible(self) -> list[Operation]:
        """Return the operations that the service would send to an invocation, the execution first."""
        hidden: dict[str, bool] = {}
        operations = (self.operations[operation] for operation in self.order)
        return [
            self.execution,
            *(
                operation
                for operation in operations
                if not self._is_inside_failed_context(operation.parent_id, hidden)
            ),
        ]

    def _is_inside_failed_context(self, context_id: str | None, hidden: dict[str, bool]) -> bool:
        """Tell whether an enclosing context has failed, so that its function does not run again."""
        if context_id is None or context_id not in self.operations:
            return False
        if context_id not in hidden:
            context = self.operations[context_id]
            hidden[context_id] = (
                context.status == OperationStatus.FAILED
                or self._is_inside_failed_context(context.parent_id, hidden)
            )
        return hidden[context_id]

    def take(self, event: HistoryEvent) -> None:
        """Apply the next event."""
        self.at = max(self.at, event.event_timestamp)
        if event.event_type in _ENDINGS:
            self.ending = _ending(event)
            return
        change = _CHANGES.get(event.event_type)
        if change is None or event.id is None:
            return  # an event that changes no operation, or that this version does not know
        type_, status = change
        before = self.operations.get(event.id)
        if before is None:
            self.order.append(event.id)
            before = Operation(
                id=event.id,
                type=type_,
                status=status,
                start_timestamp=event.event_timestamp,
                parent_id=event.parent_id,
                name=event.name,
                sub_type=event.sub_type,
            )
        after = _DETAILS[type_](replace(before, status=status), event)
        if after.status in TERMINAL_STATUSES:
            after = replace(after, end_timestamp=event.event_timestamp)
        self.operations[event.id] = after


_CHANGES: dict[str, tuple[OperationTypeName, OperationStatusName]] = {
    EventType.CONTEXT_STARTED: (OperationType.CONTEXT, OperationStatus.STARTED),
    EventType.CONTEXT_SUCCEEDED: (OperationType.CONTEXT, OperationStatus.SUCCEEDED),
    EventType.CONTEXT_FAILED: (OperationType.CONTEXT, OperationStatus.FAILED),
    EventType.WAIT_STARTED: (OperationType.WAIT, OperationStatus.STARTED),
    EventType.WAIT_SUCCEEDED: (OperationType.WAIT, OperationStatus.SUCCEEDED),
    EventType.WAIT_CANCELLED: (OperationType.WAIT, OperationStatus.CANCELLED),
    EventType.STEP_STARTED: (OperationType.STEP, OperationStatus.STARTED),
    EventType.STEP_SUCCEEDED: (OperationType.STEP, OperationStatus.SUCCEEDED),
    EventType.STEP_FAILED: (OperationType.STEP, OperationStatus.FAILED),
    EventType.CHAINED_INVOKE_STARTED: (OperationType.CHAINED_INVOKE, OperationStatus.STARTED),
    EventType.CHAINED_INVOKE_SUCCEEDED: (OperationType.CHAINED_INVOKE, OperationStatus.SUCCEEDED),
    EventType.CHAINED_INVOKE_FAILED: (OperationType.CHAINED_INVOKE, OperationStatus.FAILED),
    EventType.CHAINED_INVOKE_TIMED_OUT: (OperationType.CHAINED_INVOKE, OperationStatus.TIMED_OUT),
    EventType.CHAINED_INVOKE_STOPPED: (OperationType.CHAINED_INVOKE, OperationStatus.STOPPED),
    EventType.CALLBACK_STARTED: (OperationType.CALLBACK, OperationStatus.STARTED),
    EventType.CALLBACK_SUCCEEDED: (OperationType.CALLBACK, OperationStatus.SUCCEEDED),
    EventType.CALLBACK_FAILED: (OperationType.CALLBACK, OperationStatus.FAILED),
    EventType.CALLBACK_TIMED_OUT: (OperationType.CALLBACK, OperationStatus.TIMED_OUT),
}

_ENDINGS = frozenset(
    {
        EventType.EXECUTION_SUCCEEDED,
        EventType.EXECUTION_FAILED,
        EventType.EXECUTION_TIMED_OUT,
        EventType.EXECUTION_STOPPED,
    }
)


def changes_operations(event: HistoryEvent) -> bool:
    """Return ``True`` for an event that the log of operations takes in."""
    return event.id is not None and event.event_type in _CHANGES


def _ending(event: HistoryEvent) -> Ending:
    return Ending(
        event_type=event.event_type,
        result=_result(event.execution_succeeded_details),
        error=_error(
            event.execution_failed_details,
            event.execution_timed_out_details,
            event.execution_stopped_details,
        ),
    )


def _result(details: ResultDetails | None) -> str | None:
    return None if details is None else details.result.payload


def _error(*details: ErrorDetails | None) -> ErrorObject | None:
    errors = (detail.error for detail in details if detail is not None and detail.error is not None)
    return next((detail.payload for detail in errors if detail.payload is not None), None)


def _context(operation: Operation, event: HistoryEvent) -> Operation:
    """Set the context's details; one that succeeded replays its children, so that its code is checked."""
    return replace(
        operation,
        context_details=ContextDetails(
            replay_children=operation.status == OperationStatus.SUCCEEDED or None,
            result=_result(event.context_succeeded_details),
            error=_error(event.context_failed_details),
        ),
    )


def _wait(operation: Operation, event: HistoryEvent) -> Operation:
    started = event.wait_started_details
    if started is None:
        return operation
    return replace(
        operation,
        wait_details=WaitDetails(scheduled_end_timestamp=started.scheduled_end_timestamp),
    )


def _step(operation: Operation, event: HistoryEvent) -> Operation:
    before = operation.step_details or StepDetails(attempt=0)
    succeeded, failed = event.step_succeeded_details, event.step_failed_details
    ended = succeeded or failed
    if ended is None:
        return replace(operation, step_details=before)
    # AWS's local runner writes 0 for no delay, and leaves the number of a successful attempt out.
    delay = ended.retry_details.next_attempt_delay_seconds or None
    details = StepDetails(
        attempt=ended.retry_details.current_attempt or (before.attempt or 0) + 1,
        next_attempt_timestamp=None if delay is None else event.event_timestamp + delay * 1000,
        result=None if succeeded is None else succeeded.result.payload,
        error=None if failed is None else failed.error.payload,
    )
    status = operation.status if delay is None else OperationStatus.PENDING
    return replace(operation, status=status, step_details=details)


def _callback(operation: Operation, event: HistoryEvent) -> Operation:
    started = event.callback_started_details
    before = operation.callback_details or CallbackDetails()
    return replace(
        operation,
        callback_details=CallbackDetails(
            callback_id=started.callback_id if started else before.callback_id,
            result=_result(event.callback_succeeded_details),
            error=_error(event.callback_failed_details, event.callback_timed_out_details),
        ),
    )


def _invoke(operation: Operation, event: HistoryEvent) -> Operation:
    return replace(
        operation,
        chained_invoke_details=ChainedInvokeDetails(
            result=_result(event.chained_invoke_succeeded_details),
            error=_error(
                event.chained_invoke_failed_details,
                event.chained_invoke_timed_out_details,
                event.chained_invoke_stopped_details,
            ),
        ),
    )


_DETAILS: dict[OperationTypeName, Callable[[Operation, HistoryEvent], Operation]] = {
    OperationType.CONTEXT: _context,
    OperationType.WAIT: _wait,
    OperationType.STEP: _step,
    OperationType.CALLBACK: _callback,
    OperationType.CHAINED_INVOKE: _invoke,
}

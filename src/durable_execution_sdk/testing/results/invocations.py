"""The invocations of an execution, with the operations that each replayed and executed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from durable_execution_sdk.protocol.control_plane import ExecutionStatus
from durable_execution_sdk.protocol.data_plane import OutcomeStatus
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.history import EventType, HistoryEvent
from durable_execution_sdk.testing.results.operations import RecordedOperation, at

__all__ = ["RecordedInvocation", "invocations_of"]

# Events that a handler records; the service adds the others.
_BY_HANDLER = frozenset(
    {
        EventType.STEP_STARTED,
        EventType.STEP_SUCCEEDED,
        EventType.STEP_FAILED,
        EventType.CONTEXT_STARTED,
        EventType.CONTEXT_SUCCEEDED,
        EventType.CONTEXT_FAILED,
        EventType.WAIT_STARTED,
        EventType.WAIT_CANCELLED,
        EventType.CALLBACK_STARTED,
        EventType.CHAINED_INVOKE_STARTED,
    }
)


class RecordedInvocation(msgspec.Struct, frozen=True, kw_only=True):
    """One invocation of the handler that has ended.

    ``executed`` are the operations of which it recorded a start or an end. ``replayed`` are the
    operations that had ended before it began, without those in contexts that had ended, which replay
    does not enter. ``status`` is ``PENDING`` if it suspended, the execution's status if it ended the
    execution, and ``FAILED`` with an ``error`` if it crashed or timed out.
    """

    request_id: str | None
    started_at: datetime
    ended_at: datetime
    status: str
    error: ErrorObject | None
    executed: list[RecordedOperation]
    replayed: list[RecordedOperation]

    @property
    def duration(self) -> timedelta:
        """The duration, on the runner's clock."""
        return self.ended_at - self.started_at


def invocations_of(
    history: Sequence[HistoryEvent], operations: Sequence[RecordedOperation], status: str
) -> list[RecordedInvocation]:
    """Return the invocations in a history; ``status`` is that of the execution."""
    last = [event for event in history if event.invocation_completed_details is not None][-1:]
    return [
        _invocation(event, operations, status if event in last else OutcomeStatus.PENDING)
        for event in history
        if event.invocation_completed_details is not None
    ]


def _invocation(
    event: HistoryEvent, operations: Sequence[RecordedOperation], status: str
) -> RecordedInvocation:
    details = event.invocation_completed_details
    assert details is not None
    began, ended = details.start_timestamp, details.end_timestamp
    error = None if details.error is None else details.error.payload or ErrorObject()
    answered = status in {ExecutionStatus.SUCCEEDED, ExecutionStatus.FAILED}
    return RecordedInvocation(
        request_id=details.request_id,
        started_at=at(began),
        ended_at=at(ended),
        status=OutcomeStatus.FAILED if error else status if answered else OutcomeStatus.PENDING,
        error=error,
        executed=[
            operation
            for operation in operations
            if any(
                other_event.event_type in _BY_HANDLER
                and began <= other_event.event_timestamp <= ended
                for other_event in operation.events
            )
        ],
        replayed=_replayed(operations, at(began)),
    )


def _replayed(operations: Sequence[RecordedOperation], began: datetime) -> list[RecordedOperation]:
    by_id = {operation.id: operation for operation in operations}

    def is_over(operation: RecordedOperation) -> bool:
        return operation.ended_at is not None and operation.ended_at < began

    def is_hidden(operation: RecordedOperation) -> bool:
        context = by_id.get(operation.parent_id or "")
        if context is None:
            return False
        return (is_over(context) and not context.replays_children) or is_hidden(context)

    return [
        operation for operation in operations if is_over(operation) and not is_hidden(operation)
    ]

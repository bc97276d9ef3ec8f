"""The invocations of an execution: what each found done already, and what it did."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from durable_execution_sdk.model.control import ExecutionStatus
from durable_execution_sdk.model.failure import ErrorObject
from durable_execution_sdk.model.history import EventType, HistoryEvent
from durable_execution_sdk.model.invocation import OutcomeStatus
from durable_execution_sdk.testing.operations import RecordedOperation, at

__all__ = ["RecordedInvocation", "invocations_of"]

# What a handler records; all else is the service's doing.
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
    """One invocation of the handler that is over.

    ``executed`` are the operations of which it recorded a start or an end, ``replayed`` those that
    had ended before it began, but for those within a context whose own end is recorded: these are
    not looked at again. ``status`` is what it answered: ``PENDING`` when it suspended, or how
    the execution ended; ``FAILED`` with an ``error`` when it crashed or ran out of time.
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
        """How long it took, on the runner's clock."""
        return self.ended_at - self.started_at


def invocations_of(
    history: Sequence[HistoryEvent], operations: Sequence[RecordedOperation], status: str
) -> list[RecordedInvocation]:
    """The invocations in a history; ``status`` is that of the execution."""
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
            each
            for each in operations
            if any(
                one.event_type in _BY_HANDLER and began <= one.event_timestamp <= ended
                for one in each.events
            )
        ],
        replayed=_replayed(operations, at(began)),
    )


def _replayed(operations: Sequence[RecordedOperation], began: datetime) -> list[RecordedOperation]:
    known = {each.id: each for each in operations}

    def is_over(each: RecordedOperation) -> bool:
        return each.ended_at is not None and each.ended_at < began

    def is_hidden(each: RecordedOperation) -> bool:
        context = known.get(each.parent_id or "")
        if context is None:
            return False
        return (is_over(context) and not context.replays_children) or is_hidden(context)

    return [each for each in operations if is_over(each) and not is_hidden(each)]

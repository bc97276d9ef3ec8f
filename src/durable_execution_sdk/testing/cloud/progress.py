"""Derive an execution's progress from its history, the API's only source about operations."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from durable_execution_sdk.engine.state import is_pending
from durable_execution_sdk.engine.views.progress import (
    Awaited,
    ExecutionProgress,
    OperationProgress,
    Waiting,
    is_for_message,
    last_status,
)
from durable_execution_sdk.protocol.control_plane import CLOSED_STATUSES, ExecutionDescription
from durable_execution_sdk.protocol.history import EventType, HistoryEvent
from durable_execution_sdk.protocol.ids import ExecutionArn
from durable_execution_sdk.protocol.operations import (
    TERMINAL_STATUSES,
    ContextDetails,
    Operation,
    OperationStatus,
    is_status,
)
from durable_execution_sdk.replay.document import Document
from durable_execution_sdk.replay.recording import record

__all__ = ["progress_of"]


def progress_of(
    described: ExecutionDescription, history: Sequence[HistoryEvent], now: int
) -> ExecutionProgress:
    """Derive the progress of an execution at the time ``now``.

    A history lacks heartbeats, the invocation that runs, and the flag of contexts whose result was too
    large to be stored.
    """
    arn = described.durable_execution_arn
    completed = [
        event.invocation_completed_details
        for event in history
        if event.invocation_completed_details is not None
    ]
    recorded = _recorded(history, arn)
    started = {event.id: event for event in reversed(history) if _begins(event)}
    is_closed = described.status in CLOSED_STATUSES
    is_idle = bool(history) and history[-1].event_type == EventType.INVOCATION_COMPLETED
    return ExecutionProgress(
        arn=arn,
        status=described.status,
        started_at=round(described.start_timestamp),
        ended_at=None if described.end_timestamp is None else round(described.end_timestamp),
        last_at=round(history[-1].event_timestamp if history else described.start_timestamp),
        invocations=len(completed),
        is_idle=is_idle,
        is_invoked=not (is_idle or is_closed),
        failures=_failures_in_a_row([entry.error is not None for entry in completed]),
        retry_at=None,
        last_failure=(failed.payload if completed and (failed := completed[-1].error) else None),
        custom_status=last_status(recorded),
        operations=[
            OperationProgress(
                operation=operation,
                attempt=_attempt(operation),
                waiting=None if is_closed else _waiting(operation, started.get(operation.id)),
            )
            for operation in (_as_of(entry, now) for entry in recorded)
            if not is_status(operation.id, operation.name)
        ],
    )


def _recorded(history: Sequence[HistoryEvent], arn: str) -> list[Operation]:
    if not history:
        return []
    parts = ExecutionArn.read(arn)
    name = "function" if parts is None else parts.function_name
    recording = record(Document(list(history)), name, arn)
    return [recording.operations[operation_id] for operation_id in recording.order]


def _begins(event: HistoryEvent) -> bool:
    return event.event_type.endswith("Started") and event.execution_started_details is None


def _as_of(operation: Operation, now: int) -> Operation:
    """Remove the flags that replay needs, and make a step READY whose retry is due at ``now``."""
    details = operation.context_details
    if details is not None and details.replay_children:
        return replace(
            operation, context_details=ContextDetails(result=details.result, error=details.error)
        )
    step = operation.step_details
    if (
        operation.status == OperationStatus.PENDING
        and step is not None
        and step.next_attempt_timestamp is not None
        and step.next_attempt_timestamp <= now
    ):
        return replace(
            operation,
            status=OperationStatus.READY,
            step_details=replace(step, next_attempt_timestamp=None),
        )
    return operation


def _attempt(operation: Operation) -> int | None:
    if operation.step_details is None:
        return None
    ended = operation.step_details.attempt or 0
    return ended if operation.status in TERMINAL_STATUSES else ended + 1


def _waiting(operation: Operation, started: HistoryEvent | None) -> Waiting | None:
    """Return the event that an operation waits for; one that was recorded by its end alone has no start."""
    if not is_pending(operation):
        return None
    step, wait = operation.step_details, operation.wait_details
    if step is not None:
        return Waiting(awaited=Awaited.RETRY, until=_whole(step.next_attempt_timestamp))
    if wait is not None:
        return Waiting(awaited=Awaited.TIME, until=_whole(wait.scheduled_end_timestamp))
    awaited = Awaited.MESSAGE if is_for_message(operation) else Awaited.ANSWER
    if started is None:
        return Waiting(awaited=awaited)
    invoke = started.chained_invoke_started_details
    if invoke is not None:
        return Waiting(
            awaited=Awaited.FUNCTION,
            function_name=invoke.function_name,
            execution_arn=invoke.durable_execution_arn,
        )
    callback = started.callback_started_details
    ends = callback is not None and callback.timeout
    return Waiting(
        awaited=awaited,
        until=round(started.event_timestamp) + ends * 1_000 if ends else None,
    )


def _whole(milliseconds: float | None) -> int | None:
    return None if milliseconds is None else round(milliseconds)


def _failures_in_a_row(failed: Sequence[bool]) -> int:
    count = 0
    for is_failure in failed:
        count = count + 1 if is_failure else 0
    return count

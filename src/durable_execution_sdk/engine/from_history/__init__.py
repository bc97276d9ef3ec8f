"""Rebuild the events of an execution from its history, the inverse of ``views.history``.

A history has less than the log. The events that are made up for it change nothing in the history that they
give: an invocation begins just before its end is recorded, and a callback has no deadline for a heartbeat,
since heartbeats may have moved it. What the history lacks is missing: checkpoints, the invocation that runs,
the time at which a failed invocation is repeated, the pause that was requested and has not begun, the origin
of a fork.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec.structs import replace

from durable_execution_sdk.engine.events import (
    Event,
    ExecutionFailed,
    ExecutionPaused,
    ExecutionResumed,
    ExecutionStarted,
    ExecutionStopped,
    ExecutionSucceeded,
    ExecutionTimedOut,
    InvocationCompleted,
    InvocationStarted,
    OperationRef,
    ParentLink,
    StepReady,
)
from durable_execution_sdk.engine.evolution import evolve
from durable_execution_sdk.engine.execution_time import REAL_TIME, ExecutionTime
from durable_execution_sdk.engine.from_history.operations import (
    error_of,
    operation_events,
    result_of,
    whole,
)
from durable_execution_sdk.engine.limits import DEFAULT_LIMITS
from durable_execution_sdk.engine.state import ExecutionState
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.history import (
    EventType,
    HistoryEvent,
    InvocationCompletedDetails,
)
from durable_execution_sdk.protocol.ids import ExecutionArn
from durable_execution_sdk.protocol.operations import OperationStatus

__all__ = ["HistoryLog"]


class HistoryLog:
    """The log and the state of one execution, rebuilt from its history as it is read.

    Args:
        arn: The execution's ARN.
        time: The way in which its time passes for those who look at it.
        parent: The invoke that it was started by.
        retention: The days for which it is kept, 0 if that is not known.
    """

    def __init__(
        self,
        arn: str,
        *,
        time: ExecutionTime = REAL_TIME,
        parent: ParentLink | None = None,
        retention: int = 0,
    ) -> None:
        self.arn = arn
        self.state: ExecutionState | None = None
        self._time = time
        self._parent = parent
        self._retention = retention

    def take(self, entry: HistoryEvent) -> list[Event]:
        """Return the events of the next entry; none for a type that this version does not know.

        An entry before the first one, ExecutionStarted, and a second one of these are passed over.
        """
        events = self._events(entry)
        for event in events:
            self.state = evolve(self.state, event)
        return events

    def _events(self, entry: HistoryEvent) -> list[Event]:
        at = whole(entry.event_timestamp)
        state = self.state
        if (state is None) != (entry.event_type == EventType.EXECUTION_STARTED):
            return []
        if state is None:
            return [self._started(entry, at)]
        match entry.event_type:
            case EventType.INVOCATION_COMPLETED:
                return _invocation(entry, state)
            case EventType.EXECUTION_PAUSED:
                return [_paused(entry, at, state)]
            case EventType.EXECUTION_RESUMED:
                return [_resumed(entry, at, state)]
            case _:
                pass
        end = _ENDS.get(entry.event_type)
        if end is not None:
            return [end(entry, at)]
        return [
            *_delay_over(state, entry.id, at),
            *operation_events(_with_attempt(entry, state), at),
        ]

    def _started(self, entry: HistoryEvent, at: int) -> ExecutionStarted:
        details = entry.execution_started_details
        parts = ExecutionArn.read(self.arn)
        return ExecutionStarted(
            at=at,
            arn=self.arn,
            # Another service may write ARNs in another way; those who look at the state have no use for this part.
            function_arn="" if parts is None else parts.function_arn,
            input=(details.input.payload if details else None) or "",
            execution_timeout=details.execution_timeout if details else 0,
            retention=self._retention,
            parent=self._parent,
            time=self._time,
        )


def _delay_over(state: ExecutionState, operation_id: str | None, at: int) -> list[Event]:
    """Return the event that ends the delay before a step's attempt, if the step goes on before it is told."""
    operation = state.operations.get(operation_id or "")
    if operation is None or operation.status != OperationStatus.PENDING:
        return []
    reference = OperationRef(
        id=operation.id,
        parent_id=operation.parent_id,
        name=operation.name,
        sub_type=operation.sub_type,
    )
    return [StepReady(at=at, operation=reference)]


def _with_attempt(entry: HistoryEvent, state: ExecutionState) -> HistoryEvent:
    """Add the number of a successful attempt, which AWS's local runner leaves out."""
    details = entry.step_succeeded_details
    if details is None or details.retry_details.current_attempt:
        return entry
    operation = state.operations.get(entry.id or "")
    step = None if operation is None else operation.step_details
    ended = 0 if step is None else step.attempt or 0
    retry = replace(details.retry_details, current_attempt=ended + 1)
    return replace(entry, step_succeeded_details=replace(details, retry_details=retry))


def _invocation(entry: HistoryEvent, state: ExecutionState) -> list[Event]:
    at = whole(entry.event_timestamp)
    # AWS's local runner leaves the details out.
    details = entry.invocation_completed_details or InvocationCompletedDetails(
        start_timestamp=at, end_timestamp=at, request_id=""
    )
    number = state.invocation_count + 1
    error = None if details.error is None else details.error.payload or ErrorObject()
    return [
        InvocationStarted(
            at=whole(details.start_timestamp),
            number=number,
            request_id=details.request_id,
            token="",
        ),
        InvocationCompleted(
            at=whole(details.end_timestamp),
            number=number,
            request_id=details.request_id,
            started_at=whole(details.start_timestamp),
            error=error,
            invoke_again=error is not None and not state.is_closed,
        ),
    ]


def _paused(entry: HistoryEvent, at: int, state: ExecutionState) -> Event:
    details = entry.execution_paused_details
    stands = details is None or details.execution_timeout_paused
    longest = state.started_at + DEFAULT_LIMITS.paused_execution_seconds * 1_000
    return ExecutionPaused(
        at=at,
        requested_at=at if details is None else whole(details.pause_request_timestamp),
        times_out_at=longest if stands else state.times_out_at,
        execution_timeout_paused=stands,
        reason=details.reason.payload if details and details.reason else None,
    )


def _resumed(entry: HistoryEvent, at: int, state: ExecutionState) -> Event:
    details, pause = entry.execution_resumed_details, state.pause
    times_out_at = state.times_out_at
    if pause and pause.execution_timeout_paused and pause.timed_out_at is not None:
        paused_for = at - (pause.began_at or at)
        times_out_at = min(times_out_at, pause.timed_out_at + paused_for)
    return ExecutionResumed(
        at=at,
        requested_at=at if details is None else whole(details.resume_request_timestamp),
        times_out_at=times_out_at,
        reason=details.reason.payload if details and details.reason else None,
    )


_ENDS: Mapping[str, Callable[[HistoryEvent, int], Event]] = {
    EventType.EXECUTION_SUCCEEDED: lambda entry, at: ExecutionSucceeded(
        at=at, result=result_of(entry.execution_succeeded_details)
    ),
    EventType.EXECUTION_FAILED: lambda entry, at: ExecutionFailed(
        at=at, error=error_of(entry.execution_failed_details) or ErrorObject()
    ),
    EventType.EXECUTION_TIMED_OUT: lambda entry, at: ExecutionTimedOut(
        at=at, error=error_of(entry.execution_timed_out_details) or ErrorObject()
    ),
    EventType.EXECUTION_STOPPED: lambda entry, at: ExecutionStopped(
        at=at, error=error_of(entry.execution_stopped_details)
    ),
}

"""Progress of an execution: its operations, what each waits for, and until what time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

import msgspec

from durable_execution_sdk.engine.events import (
    CheckpointAccepted,
    Event,
    ForkOrigin,
    InvocationStarted,
)
from durable_execution_sdk.engine.execution_time import REAL_TIME, ExecutionTime
from durable_execution_sdk.engine.state import ExecutionState, TimerKind, is_pending
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.inboxes import inbox_of
from durable_execution_sdk.protocol.operations import (
    TERMINAL_STATUSES,
    Operation,
    OperationType,
    is_status,
)


class Awaited(StrEnum):
    """Kinds of event that an operation waits for."""

    TIME = "time"
    RETRY = "retry"
    ANSWER = "answer"
    MESSAGE = "message"
    FUNCTION = "function"


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """The event that an operation waits for; ``until`` is the time of its earliest timer.

    ``execution_arn`` is the execution of an invoked durable function.
    """

    awaited: Awaited
    until: int | None = None
    function_name: str | None = None
    execution_arn: str | None = None


class OperationProgress(msgspec.Struct, frozen=True, kw_only=True):
    """One operation; ``attempt`` counts from 1: the running or next attempt, or the last if ended."""

    operation: Operation
    attempt: int | None = None
    waiting: Waiting | None = None


class CustomStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The status that workflow code set last; ``payload`` is ``None`` where histories are read without data."""

    payload: str | None
    at: float


class ExecutionProgress(msgspec.Struct, frozen=True, kw_only=True):
    """Progress of one execution.

    ``failures`` is the number of failed invocations since the last successful one, ``last_failure`` the
    error of the latest invocation, if it failed. ``is_idle``: the handler neither runs nor is due.
    ``is_invoked``: an invocation has begun and not ended, be it that its process was killed. The records of
    statuses are not among the ``operations``.
    """

    arn: str
    status: str
    started_at: int
    ended_at: int | None
    last_at: int
    invocations: int
    is_idle: bool
    is_invoked: bool
    failures: int
    retry_at: int | None
    last_failure: ErrorObject | None = None
    time: ExecutionTime = REAL_TIME
    forked_from: ForkOrigin | None = None
    custom_status: CustomStatus | None = None
    operations: list[OperationProgress]


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of an execution's invocations, operations and checkpoints."""

    invocations: int
    operations: int
    checkpoints: int


_AWAITED = {
    OperationType.STEP: Awaited.RETRY,
    OperationType.WAIT: Awaited.TIME,
    OperationType.CALLBACK: Awaited.ANSWER,
    OperationType.CHAINED_INVOKE: Awaited.FUNCTION,
}


def progress(state: ExecutionState) -> ExecutionProgress:
    """Return the progress of an execution, with its operations in start order."""
    ordered = [state.operations[operation_id] for operation_id in state.order]
    return ExecutionProgress(
        arn=state.arn,
        status=state.status,
        started_at=state.started_at,
        ended_at=state.ended_at,
        last_at=state.last_at,
        invocations=state.invocation_count,
        is_idle=state.invocation is None and not state.wants_invocation,
        is_invoked=state.invocation is not None,
        failures=state.failures,
        retry_at=state.retry_at,
        last_failure=state.last_failure,
        time=state.time,
        forked_from=state.forked_from,
        custom_status=last_status(ordered),
        operations=[
            OperationProgress(
                operation=operation, attempt=_attempt(operation), waiting=_waiting(state, operation)
            )
            for operation in ordered
            if operation.type != OperationType.EXECUTION and not _is_status(operation)
        ],
    )


def last_status(operations: Sequence[Operation]) -> CustomStatus | None:
    """Return the status that workflow code set last, given all operations in the order of their records."""
    record = next((each for each in reversed(operations) if _is_status(each)), None)
    if record is None:
        return None
    details = record.step_details
    return CustomStatus(
        payload=None if details is None else details.result, at=record.end_timestamp or 0
    )


def tally(state: ExecutionState, events: Iterable[Event]) -> Tally:
    """Count an execution's invocations, operations and checkpoints."""
    counted = [
        event for event in events if isinstance(event, InvocationStarted | CheckpointAccepted)
    ]
    checkpoints = sum(isinstance(event, CheckpointAccepted) for event in counted)
    return Tally(
        invocations=len(counted) - checkpoints,
        operations=sum(
            state.operations[each].type != OperationType.EXECUTION for each in state.order
        ),
        checkpoints=checkpoints,
    )


def _is_status(operation: Operation) -> bool:
    return is_status(operation.id, operation.name)


def _attempt(operation: Operation) -> int | None:
    if operation.step_details is None:
        return None
    ended_attempts = operation.step_details.attempt or 0
    return ended_attempts if operation.status in TERMINAL_STATUSES else ended_attempts + 1


def is_for_message(operation: Operation) -> bool:
    """Return ``True`` for the callback of an inbox, which a message answers."""
    return inbox_of(operation.id, operation.name) is not None


def _waiting(state: ExecutionState, operation: Operation) -> Waiting | None:
    if state.is_closed or not is_pending(operation):
        return None
    ends = (state.timers.get((operation.id, kind)) for kind in TimerKind)
    invoked = state.invokes.get(operation.id)
    return Waiting(
        awaited=Awaited.MESSAGE if is_for_message(operation) else _AWAITED[operation.type],
        until=min((end for end in ends if end is not None), default=None),
        function_name=None if invoked is None else invoked.function_name,
        execution_arn=None if invoked is None else invoked.child_arn,
    )

"""Decide a tick: the events of the timers that are due, in order."""

from __future__ import annotations

from durable_execution_sdk.engine.decide.ends import close_as_settled
from durable_execution_sdk.engine.decide.external_result import operation_ref
from durable_execution_sdk.engine.events import (
    CallbackTimedOut,
    Event,
    ExecutionTimedOut,
    InvocationRetryReady,
    StepReady,
    WaitSucceeded,
)
from durable_execution_sdk.engine.state import ExecutionState, TimerKind
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.operations import Operation


def decide_tick(state: ExecutionState, at: int, now: int) -> list[Event]:
    """Return the events of all timers that are due by now.

    Timers with different due times get events with different times, even when one late tick fires
    both: the SDK orders completions by time, and the earlier deadline must come first.
    """
    events: list[Event] = []
    ended_ids: set[str] = set()
    previous: int | None = None
    for due_at, kind, operation_id in state.due_timers(now):
        if operation_id in ended_ids:
            continue
        if previous is not None and due_at > previous:
            at += 1
        previous = due_at
        recorded_at = state.recorded_at.get((operation_id, kind), due_at)
        at = max(at, recorded_at)
        match kind:
            case TimerKind.INVOCATION_RETRY:
                events.append(InvocationRetryReady(at=at))
            case TimerKind.EXECUTION_TIMEOUT:
                events.append(_time_out(state, at))
                break
            case _:
                ended_ids.add(operation_id)
                events.append(_fire(state.operations[operation_id], kind, at, recorded_at))
    return events


def _fire(operation: Operation, kind: TimerKind, at: int, recorded_at: int) -> Event:
    ref = operation_ref(operation)
    started_at = int(operation.start_timestamp or 0)
    match kind:
        case TimerKind.WAIT:
            return WaitSucceeded(at=at, operation=ref, seconds=(recorded_at - started_at) // 1_000)
        case TimerKind.STEP_RETRY:
            return StepReady(at=at, operation=ref)
        case TimerKind.CALLBACK_HEARTBEAT:
            error = ErrorObject(
                error_type="Callback.Heartbeat",
                error_message="Callback timed out: no heartbeat came in time.",
            )
            return CallbackTimedOut(at=at, operation=ref, error=error)
        case _:
            seconds = (recorded_at - started_at) // 1_000
            error = ErrorObject(
                error_type="Callback.Timeout",
                error_message=f"Callback timed out after {seconds} seconds.",
            )
            return CallbackTimedOut(at=at, operation=ref, error=error)


def _time_out(state: ExecutionState, at: int) -> Event:
    # An accepted outcome is kept, even when the handler has not returned before the timeout.
    if state.settled is not None:
        return close_as_settled(state.settled, at)
    error = ErrorObject(
        error_type="Execution.Timeout",
        error_message=f"Execution timed out after {state.execution_timeout} seconds.",
    )
    return ExecutionTimedOut(at=at, error=error)

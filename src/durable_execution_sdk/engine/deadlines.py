"""Deadlines of an execution: its next timer, and the end of its retention."""

from __future__ import annotations

from durable_execution_sdk.engine.state import ExecutionState, TimerKind
from durable_execution_sdk.protocol.limits import LONGEST_TIMER_SECONDS

_DAY = 24 * 3_600 * 1_000


def next_deadline(state: ExecutionState) -> int | None:
    """Return the execution's time for the next ``Tick``; ``None`` when no timer is armed."""
    return state.timer_heap[0][0] if state.timer_heap else None


def awaited_deadline(state: ExecutionState) -> int | None:
    """Return the next deadline that is worth waiting for, in the execution's time.

    The execution timeout alone does not count when it is the service's maximum of 366 days: an
    execution with no other timer waits for an external event.
    """
    has_only_longest_timeout = (
        state.execution_timeout >= LONGEST_TIMER_SECONDS
        and len(state.timers) == 1
        and ("", TimerKind.EXECUTION_TIMEOUT) in state.timers
    )
    return None if has_only_longest_timeout else next_deadline(state)


def clock_deadline(state: ExecutionState) -> int | None:
    """Return the clock's time for the next ``Tick``; ``None`` when no timer is armed or time stands still."""
    deadline = next_deadline(state)
    stands_at = state.time.stands_at
    if deadline is None or stands_at is None or deadline <= stands_at:
        return None if deadline is None else state.time.on_clock(deadline)
    return None


def retention_ends_at(state: ExecutionState) -> int | None:
    """Return the time when a closed execution expires and its name is free; ``None`` while it is open."""
    if state.ended_at is None:
        return None
    return state.ended_at + state.retention * _DAY

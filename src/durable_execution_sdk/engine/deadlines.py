"""Deadlines of an execution: its next timer, and the end of its retention."""

from __future__ import annotations

from durable_execution_sdk.engine.state import ExecutionState

_DAY = 24 * 3_600 * 1_000


def next_deadline(state: ExecutionState) -> int | None:
    """Return the time for the next ``Tick``; ``None`` when no timer is armed."""
    return state.timer_heap[0][0] if state.timer_heap else None


def retention_ends_at(state: ExecutionState) -> int | None:
    """Return the time when a closed execution expires and its name is free; ``None`` while it is open."""
    if state.ended_at is None:
        return None
    return state.ended_at + state.retention * _DAY

"""When time itself has something to do."""

from __future__ import annotations

from durable_execution_sdk.engine.state import ExecutionState

_DAY = 24 * 3_600 * 1_000


def next_deadline(state: ExecutionState) -> int | None:
    """When to send the next ``Tick``; ``None`` when nothing waits for a time."""
    return state.timer_heap[0][0] if state.timer_heap else None


def retention_ends_at(state: ExecutionState) -> int | None:
    """When a closed execution may be forgotten, and its name used again."""
    if state.ended_at is None:
        return None
    return state.ended_at + state.retention * _DAY

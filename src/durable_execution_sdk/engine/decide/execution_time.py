"""Decide changes of an execution's time, which never runs backwards."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from durable_execution_sdk.engine.commands import AdvanceTime, MoveTime, SetTimeMode
from durable_execution_sdk.engine.events import ENDS, Event, TimeChanged
from durable_execution_sdk.engine.execution_time import TimeMode
from durable_execution_sdk.engine.rejections import conflict
from durable_execution_sdk.engine.state import ExecutionState

# The time of a TimeChanged is the one before the change: what is due in between is recorded after it.


def decide_time(
    state: ExecutionState, command: SetTimeMode | AdvanceTime | MoveTime, at: int, clock: int
) -> list[Event]:
    """Change the mode, begin an advance, or move the time; only a move may find a closed execution."""
    match command:
        case SetTimeMode():
            return _set_mode(state, command, at, clock)
        case AdvanceTime():
            return _advance(state, command, at, clock)
        case MoveTime():
            return _move(state, command, at, clock)


def _set_mode(state: ExecutionState, command: SetTimeMode, at: int, clock: int) -> list[Event]:
    _require_open(state)
    if command.mode is state.time.mode and state.time.advances_to is None:
        return []
    return [TimeChanged(at=at, time=state.time.in_mode(command.mode, clock))]


def _advance(state: ExecutionState, command: AdvanceTime, at: int, clock: int) -> list[Event]:
    _require_open(state)
    if command.to <= max(state.time.now(clock), state.time.advances_to or 0):
        return []
    return [TimeChanged(at=at, time=replace(state.time, advances_to=command.to))]


def _move(state: ExecutionState, command: MoveTime, at: int, clock: int) -> list[Event]:
    if state.is_closed:
        return []
    moved = state.time.moved_to(command.to, clock)
    is_later = moved.now(clock) > state.time.now(clock)
    if not is_later and moved.advances_to == state.time.advances_to:
        return []
    return [TimeChanged(at=at, time=moved)]


def go_on_after_end(state: ExecutionState, events: Sequence[Event], clock: int) -> list[Event]:
    """Return the event with which the time of a paused execution goes on when the execution ends.

    The retention of a closed execution runs, so its time must not stand still.
    """
    if state.time.stands_at is None or not any(type(event) in ENDS for event in events):
        return []
    return [TimeChanged(at=events[-1].at, time=state.time.in_mode(TimeMode.REAL, clock))]


def _require_open(state: ExecutionState) -> None:
    if state.is_closed:
        raise conflict(f"Cannot change the time of {state.arn}: it is {state.status}.")

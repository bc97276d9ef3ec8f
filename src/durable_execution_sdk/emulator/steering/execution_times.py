"""Control of the time of single executions: its mode, and advances.

A change concerns an execution and those that it invoked and waits for.
"""

from __future__ import annotations

from typing import NamedTuple

from durable_execution_sdk.emulator.coordinator import Coordinator
from durable_execution_sdk.engine.commands import AdvanceTime, MoveTime, SetTimeMode
from durable_execution_sdk.engine.deadlines import awaited_deadline
from durable_execution_sdk.engine.execution_time import TimeMode
from durable_execution_sdk.engine.rejections import conflict, invalid
from durable_execution_sdk.engine.state import ExecutionState
from durable_execution_sdk.protocol.ids import ExecutionArn

_LATEST = 221_845_392_000_000
"""The year 9000: times that come after an advance have to be dates, which end with the year 9999."""


class TimeReading(NamedTuple):
    """The time of an execution: its mode, its offset from the clock in milliseconds, and the time itself."""

    mode: TimeMode
    offset: int
    now: int


def read_time(coordinator: Coordinator, arn: str) -> TimeReading:
    """Return an execution's time."""
    with coordinator.holding():
        time, clock = coordinator.state(arn).time, coordinator.clock.now()
        now = time.now(clock)
        return TimeReading(time.mode, now - clock, now)


def set_mode(coordinator: Coordinator, arn: str, mode: TimeMode) -> None:
    """Change the way in which time passes."""
    with coordinator.holding():
        for member in _members(coordinator, arn):
            coordinator.submit(member.arn, SetTimeMode(mode=mode))


def advance(coordinator: Coordinator, arn: str, milliseconds: int | None) -> int:
    """Begin an advance of so many milliseconds, or to the next deadline; return the time of its end.

    Each deadline on the way fires at its time, and the code that it wakes runs before time goes on. So an
    hourly reminder comes three times in three hours. Raises ``ServiceError`` if there is no deadline.
    """
    if milliseconds is not None and milliseconds < 1:
        raise invalid(f"Time advances by 1 millisecond or more, not by {milliseconds}.")
    with coordinator.holding():
        members = _members(coordinator, arn)
        if milliseconds is None:
            to = _next(members, arn)
        else:
            clock = coordinator.clock.now()
            to = milliseconds + max(state.time.now(clock) for state in members)
        if to > _LATEST:
            raise invalid("Time advances to the year 9000 at most; give a shorter duration.")
        for member in members:
            coordinator.submit(member.arn, AdvanceTime(to=to))
        move_time(coordinator, arn)
    return to


def move_time(coordinator: Coordinator, family: str | None) -> bool:
    """Move the time of executions that skip or advance it and only wait; return True if any moved.

    ``family`` names one execution, to move only its family. What is due then is fired.
    """
    with coordinator.holding():
        moves = coordinator.schedule.moves(family)
        for arn, to in moves:
            if coordinator.attempt(arn, MoveTime(to=to)) is not None:
                coordinator.find(arn)
        return bool(moves)


def catch_up(coordinator: Coordinator, arn: str) -> None:
    """Move the time to the last event of the log, which may have been recorded with another clock."""
    with coordinator.holding():
        for member in _members(coordinator, arn):
            if member.time.stands_at is None:
                coordinator.submit(member.arn, MoveTime(to=member.last_at))


def _members(coordinator: Coordinator, arn: str) -> list[ExecutionState]:
    """Return the states of an execution and of the open ones that it invoked, directly or indirectly."""
    members = [coordinator.state(arn)]
    for state in members:
        for started in state.invokes.values():
            invoked = None if started.child_arn is None else coordinator.find(started.child_arn)
            if invoked is not None and not invoked.is_closed:
                members.append(invoked)
    return members


def _next(members: list[ExecutionState], arn: str) -> int:
    deadlines = [at for state in members if (at := awaited_deadline(state)) is not None]
    if not deadlines:
        name = ExecutionArn.parse(arn).execution_name
        raise conflict(
            f"{name} has no timer to advance to: it waits for no time, retry or timeout."
        )
    return min(deadlines)

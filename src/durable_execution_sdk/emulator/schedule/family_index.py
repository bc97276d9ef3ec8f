"""Indexes of the schedule: due work and deadlines of all executions, and of one family.

A family is an execution and all executions that it invoked, directly or indirectly. Time is skipped for a
family when it only waits: no invocation runs or is due, no function is called, and no callback waits for an answer.
Then the member with the earliest deadline moves to it. The others follow when they have a deadline, or
when they hear from a member that is ahead of them, so a skip costs one event, however large the family.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from durable_execution_sdk.emulator.schedule.due_times import DueTimes
from durable_execution_sdk.engine.deadlines import awaited_deadline, clock_deadline
from durable_execution_sdk.engine.effects import CallFunction
from durable_execution_sdk.engine.execution_time import TimeMode
from durable_execution_sdk.engine.state import ExecutionState
from durable_execution_sdk.engine.views.progress import is_for_message

CallKey = tuple[str, str]
"""The chained invoke that a call belongs to: the execution's ARN and the operation's id."""


class TimeMove(NamedTuple):
    """A move of an execution's time to a later one."""

    arn: str
    to: int


class Index:
    """Due work and deadlines of some executions, in the clock's time.

    ``withheld`` are the executions that would be ready, and are held.
    """

    def __init__(self) -> None:
        # OrderedDict, because iterating a dict is slow once many of its first entries were removed.
        self.ready: OrderedDict[str, None] = OrderedDict()
        self.running: dict[str, None] = {}
        self.deadlines = DueTimes[str]()
        self.awaited = DueTimes[str]()
        self.calls: OrderedDict[CallKey, CallFunction] = OrderedDict()
        self.withheld: dict[str, None] = {}

    @property
    def is_empty(self) -> bool:
        """True if no execution is indexed, and no call."""
        return not (
            self.ready or self.running or self.calls or self.withheld or len(self.deadlines)
        )

    def note(self, state: ExecutionState, *, is_held: bool = False) -> None:
        """Update the index from an execution's newest state. One that is held is not ready."""
        arn = state.arn
        _mark(self.ready, arn, belongs=state.wants_invocation and not is_held)
        _mark(self.withheld, arn, belongs=state.wants_invocation and is_held)
        _mark(self.running, arn, belongs=state.invocation is not None)
        deadline = clock_deadline(state)
        self.deadlines.set(arn, deadline)
        self.awaited.set(arn, None if awaited_deadline(state) is None else deadline)

    def forget(self, arn: str) -> None:
        """Remove an execution."""
        self.ready.pop(arn, None)
        self.withheld.pop(arn, None)
        self.running.pop(arn, None)
        self.deadlines.set(arn, None)
        self.awaited.set(arn, None)


class FamilyIndex(Index):
    """Due work and deadlines of an execution and all executions that it invoked.

    ``moments`` are the deadlines in the executions' own time; ``expectant`` are the executions that wait
    for an answer or for the end of a pause, and those that are held.
    """

    def __init__(self) -> None:
        super().__init__()
        self.parents: dict[str, str] = {}
        self.modes: dict[str, TimeMode] = {}
        self.skipping: dict[str, None] = {}
        self.advancing: dict[str, int] = {}
        self.moments = DueTimes[str]()
        self.expectant: dict[str, None] = {}

    @property
    def is_empty(self) -> bool:
        """True if no execution is indexed, and no call."""
        # A paused execution may have no deadline on the clock.
        return super().is_empty and not self.modes

    @property
    def moves_time(self) -> bool:
        """True if a member skips time or was told to advance."""
        return bool(self.skipping or self.advancing)

    def note(self, state: ExecutionState, *, is_held: bool = False) -> None:
        """Update the index from an execution's newest state."""
        super().note(state, is_held=is_held)
        arn, time = state.arn, state.time
        self.modes[arn] = time.mode
        _mark(self.skipping, arn, belongs=time.mode is TimeMode.SKIP)
        self.moments.set(arn, awaited_deadline(state))
        # A message may never come, so an inbox does not hold time up.
        answers = (state.operations[each] for each in state.open_callbacks)
        waits = state.pause is not None or not all(map(is_for_message, answers))
        _mark(self.expectant, arn, belongs=waits or is_held)
        if time.advances_to is None:
            self.advancing.pop(arn, None)
        else:
            self.advancing[arn] = time.advances_to

    def forget(self, arn: str) -> None:
        """Remove an execution."""
        super().forget(arn)
        self.modes.pop(arn, None)
        self.skipping.pop(arn, None)
        self.advancing.pop(arn, None)
        self.moments.set(arn, None)
        self.expectant.pop(arn, None)

    def moves(self, *, skips_real_time: bool) -> list[TimeMove]:
        """Return the moves of time that are possible now: those of an advance, or else of a skip."""
        return self._advances() or self._skips(skips_real_time=skips_real_time)

    def _advances(self) -> list[TimeMove]:
        """Return the moves of members that were told to advance; they do not heed the others."""
        members = self.advancing
        if (
            not members
            or any(
                arn in self.ready or arn in self.running or arn in self.withheld for arn in members
            )
            or any(key[0] in members for key in self.calls)
        ):
            return []
        times = {arn: self.moments.time(arn) for arn in members}
        earliest = min((at for at in times.values() if at is not None), default=None)
        return [
            TimeMove(arn, target if earliest is None else min(earliest, target))
            for arn, target in members.items()
            if earliest is None or target < earliest or times[arn] == earliest
        ]

    def _skips(self, *, skips_real_time: bool) -> list[TimeMove]:
        """Return the moves to the earliest deadline, if the executions that have it skip time."""
        if self.ready or self.running or self.calls or self.expectant:
            return []
        earliest = self.moments.earliest()
        if earliest is None:
            return []
        arns = self.moments.due(earliest)
        modes = {TimeMode.SKIP, TimeMode.REAL} if skips_real_time else {TimeMode.SKIP}
        if any(self.modes[arn] not in modes for arn in arns):
            return []
        return [TimeMove(arn, earliest) for arn in arns]


def _mark(arns: dict[str, None], arn: str, *, belongs: bool) -> None:
    if belongs:
        arns.setdefault(arn)
    else:
        arns.pop(arn, None)

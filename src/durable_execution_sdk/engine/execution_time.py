"""The time of an execution: the clock's time plus an offset, or a time that stands still.

Each execution has its own time, so that one can skip thirty days while the others take theirs: with one
time for all, their callbacks would time out. The offset is recorded (``TimeChanged``), and executions that it
invokes inherit it. Its handler gets it too, because ``ctx.wait_until`` reckons from now. An advance goes from
deadline to deadline, and the code that each wakes runs first, so an hourly reminder comes three times in
three hours. Time never runs backwards: a mode begins with the time that the mode before it has reached.

All times in the log and all deadlines are in the execution's time. Only the emulator compares with the clock,
for which ``deadlines.clock_deadline`` translates.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class TimeMode(StrEnum):
    """Ways in which the time of an execution passes.

    ``SKIP``: it passes like the clock, and jumps to the next deadline when the execution only waits.
    """

    REAL = "real"
    PAUSED = "paused"
    SKIP = "skip"


class ExecutionTime(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Relation between an execution's time and the clock's; times are milliseconds since the epoch.

    ``ahead`` is the execution's time minus the clock's. ``stands_at`` is the time of a paused execution,
    whose ``ahead`` is that of the moment of the pause. Until ``advances_to``, time is skipped in every
    mode, even while a callback is open.
    """

    mode: TimeMode = TimeMode.REAL
    ahead: int = 0
    stands_at: int | None = None
    advances_to: int | None = None

    def now(self, clock: int) -> int:
        """Return the execution's time when the clock shows ``clock``."""
        return clock + self.ahead if self.stands_at is None else self.stands_at

    def on_clock(self, at: int) -> int:
        """Return the clock's time at a time of the execution."""
        return at - self.ahead

    def in_mode(self, mode: TimeMode, clock: int) -> ExecutionTime:
        """Return the time in another mode, from the same moment on; an advance that has not ended ends."""
        return time_in_mode(mode, self.now(clock), clock)

    def moved_to(self, at: int, clock: int) -> ExecutionTime:
        """Return the time moved forward to ``at``; it stays if it is later already."""
        now = max(at, self.now(clock))
        moved = time_in_mode(self.mode, now, clock)
        if self.advances_to is None or self.advances_to <= now:
            return moved
        return msgspec.structs.replace(moved, advances_to=self.advances_to)


REAL_TIME = ExecutionTime()
"""The time of an execution without an offset: the clock's."""


def time_in_mode(mode: TimeMode, now: int, clock: int) -> ExecutionTime:
    """Return a time of this mode that is ``now`` when the clock shows ``clock``."""
    return ExecutionTime(
        mode=mode, ahead=now - clock, stands_at=now if mode is TimeMode.PAUSED else None
    )

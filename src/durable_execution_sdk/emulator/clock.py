"""Time, for the emulator: the real one, or one that jumps when everything waits.

Nothing else in the package reads a clock. Times are integer milliseconds since the epoch.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

_LOOK_AROUND_SECONDS = 0.2
"""How long a clock sleeps at most before the driver looks for other processes' changes again."""


# Time that passes while the computer sleeps counts too, where the system has a clock that tells.
_ASLEEP_TOO: int | None = getattr(
    time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC_RAW", None)
)


def _passed_ns() -> int:
    """Nanoseconds since some moment in the past, whatever the computer's clock is set to."""
    if _ASLEEP_TOO is None:
        return time.monotonic_ns()
    return time.clock_gettime_ns(_ASLEEP_TOO)


class Clock(Protocol):
    """What time it is, and a way to get to a later one."""

    def now(self) -> int:
        """The current time."""
        ...

    def wait(self, until: int | None, woken: threading.Event, *, busy: bool = False) -> None:
        """Come closer to ``until``; return early when woken or when it is time to look around.

        ``None`` is a time that never comes; ``busy`` says that somebody is at work meanwhile, so
        time may not jump. Whoever waits asks ``now`` again, and waits again.
        """
        ...


class RealClock:
    """The computer's clock as it stood when this was made, and what has passed since.

    It is read once: when somebody sets it back an hour, a wait of three seconds still takes three. It is
    ahead by as much as was skipped.
    """

    def __init__(self) -> None:
        self._ahead = time.time_ns() - _passed_ns()
        self._lock = threading.Lock()

    def now(self) -> int:
        """The current time."""
        return (_passed_ns() + self._ahead) // 1_000_000

    def jump_to(self, at: int) -> None:
        """Be this late from now on, if it is not later already; a clock never goes back."""
        with self._lock:
            self._ahead += max(0, at - self.now()) * 1_000_000

    def wait(self, until: int | None, woken: threading.Event, *, busy: bool = False) -> None:
        """Sleep until then, for a fifth of a second at most."""
        left = _LOOK_AROUND_SECONDS if until is None else (until - self.now()) / 1000
        if left > 0:
            woken.wait(min(left, _LOOK_AROUND_SECONDS))


class VirtualClock:
    """A clock that stands still, and jumps to the next thing due when everything waits.

    A year-long wait takes no time at all, and a test sees the same timestamps each time.
    """

    def __init__(self, start: int = 1_767_225_600_000) -> None:
        self._now = start
        self._lock = threading.Lock()

    def now(self) -> int:
        """The current virtual time."""
        return self._now

    def wait(self, until: int | None, woken: threading.Event, *, busy: bool = False) -> None:
        """Jump there; with nothing to jump to, give others a moment of real time."""
        if until is None or busy:
            woken.wait(_LOOK_AROUND_SECONDS)
        elif not woken.is_set():
            self.jump_to(until)

    def advance(self, milliseconds: int) -> None:
        """Let time pass."""
        with self._lock:
            self._now += milliseconds

    def jump_to(self, at: int) -> None:
        """Go forward to a time; a clock never goes back."""
        with self._lock:
            self._now = max(self._now, at)


class SkippingClock(RealClock):
    """The computer's clock, except that what everybody waits for is there at once.

    What runs takes its real time, as in ``durable run --skip-time``. While ``held`` says so, nothing
    is skipped.
    """

    def __init__(self) -> None:
        super().__init__()
        self.held: Callable[[], bool] = lambda: False

    def wait(self, until: int | None, woken: threading.Event, *, busy: bool = False) -> None:
        """Skip ahead; with nothing to skip to, give others a moment of real time."""
        if until is None or busy or self.held():
            super().wait(until, woken, busy=busy)
        elif not woken.is_set():
            self.jump_to(until)

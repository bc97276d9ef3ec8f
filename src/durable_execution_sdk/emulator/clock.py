"""Clocks of the emulator: real time, or time that jumps to the next deadline when all work waits.

The time of each execution is its offset from the clock (``engine.execution_time``).

No other module of the package reads a clock. Times are integer milliseconds since the epoch.
"""

from __future__ import annotations

import threading
import time
from typing import Protocol

VIRTUAL_START = 1_767_225_600_000
"""The time at which virtual clocks begin: 2026-01-01T00:00:00Z in milliseconds."""

_REFRESH_SECONDS = 0.2
"""Longest sleep of a clock, after which the driver reads other processes' changes again."""


# A clock that also counts time during which the computer sleeps, if the system has one.
_BOOT_CLOCK: int | None = getattr(
    time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC_RAW", None)
)


def _elapsed_ns() -> int:
    """Return nanoseconds since a fixed moment; setting the computer's clock does not change it."""
    if _BOOT_CLOCK is None:
        return time.monotonic_ns()
    return time.clock_gettime_ns(_BOOT_CLOCK)


class Clock(Protocol):
    """A source of the current time that can wait for, or jump to, a later time."""

    def now(self) -> int:
        """Return the current time."""
        ...

    def wait(self, until: int | None, woken: threading.Event, *, busy: bool = False) -> None:
        """Wait until ``until``, or less: return early when woken, and at the latest after 0.2 s.

        ``until=None`` has no end. ``busy=True``: other work is in progress, so time must not jump.
        Callers check ``now`` and wait again.
        """
        ...


class RealClock:
    """Real time: the computer's clock at the time of creation plus the time elapsed since.

    Setting the computer's clock afterwards has no effect: a wait of three seconds takes three. Jumps
    add to the time.
    """

    def __init__(self) -> None:
        self._ahead = time.time_ns() - _elapsed_ns()
        self._lock = threading.Lock()

    def now(self) -> int:
        """Return the current time."""
        return (_elapsed_ns() + self._ahead) // 1_000_000

    def jump_to(self, at: int) -> None:
        """Move the time forward to ``at``; do nothing if it is later already."""
        with self._lock:
            self._ahead += max(0, at - self.now()) * 1_000_000

    def wait(self, until: int | None, woken: threading.Event, *, busy: bool = False) -> None:
        """Sleep until ``until``, for 0.2 s at most."""
        seconds = _REFRESH_SECONDS if until is None else (until - self.now()) / 1000
        if seconds > 0:
            woken.wait(min(seconds, _REFRESH_SECONDS))


class VirtualClock:
    """A clock that stands still, and jumps to the next deadline when all work waits.

    A wait of a year takes no real time, and timestamps are the same in each run of a test.
    """

    def __init__(self, start: int = VIRTUAL_START) -> None:
        self._now = start
        self._lock = threading.Lock()

    def now(self) -> int:
        """Return the current virtual time."""
        return self._now

    def wait(self, until: int | None, woken: threading.Event, *, busy: bool = False) -> None:
        """Jump to ``until``; without one, or while others are busy, sleep up to 0.2 s of real time."""
        if until is None or busy:
            woken.wait(_REFRESH_SECONDS)
        elif not woken.is_set():
            self.jump_to(until)

    def advance(self, milliseconds: int) -> None:
        """Move the time forward."""
        with self._lock:
            self._now += milliseconds

    def jump_to(self, at: int) -> None:
        """Move the time forward to ``at``; do nothing if it is later already."""
        with self._lock:
            self._now = max(self._now, at)

"""Questions to the service about pending operations, while running code keeps the invocation open.

The answer to any checkpoint contains what has changed, so a question is a checkpoint without updates. An
operation with a known due time is asked about when that time has come, never before; if the service is
late, again after 0.25 s, 0.5 s and so on. All others (callbacks, invokes) are asked about every ten seconds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

from durable_execution_sdk.runtime.current import sdk_context

__all__ = ["Polling"]

# Interval for callbacks and invokes, whose end is not known in advance.
_POLL_SECONDS = 10.0
# The service's clock, or its timers, may be behind: the first interval of asking again, doubled each time.
_AGAIN_SECONDS = 0.25
# Keeps a clock that stands still, as in tests, from causing a tight loop.
_SOONEST_SECONDS = 0.005


class Polling:
    """Schedules the questions about an invocation's pending operations."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        now: Callable[[], float],
        pending: Callable[[], Iterable[float | None]],
        ask: Callable[[], None],
    ) -> None:
        """Take the callbacks that it needs.

        ``now`` returns the service's time, ``pending`` the due time of each pending operation (``None`` if it
        is not known); both in milliseconds. ``ask`` sends an empty checkpoint.
        """
        self._loop = loop
        self._now = now
        self._pending = pending
        self._ask = ask
        self._asked_at = time.monotonic()
        self._again = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def expect(self, due_at: float | None) -> None:
        """Note another pending operation, due at this time (milliseconds), or at a time that is not known."""
        left = _POLL_SECONDS if due_at is None else (due_at - self._now()) / 1000
        self._look_in(max(0.0, left))

    def stop(self) -> None:
        """Ask no more questions."""
        if self._timer is not None:
            self._timer.cancel()

    def _look_in(self, seconds: float) -> None:
        if self._timer is None or time.monotonic() + seconds < self._timer.when():
            self.stop()
            self._timer = self._loop.call_later(seconds, self._look, context=sdk_context())

    def _look(self) -> None:
        """Ask, if an operation is due or ten seconds have passed; then schedule the next look."""
        self._timer = None
        now = self._now()
        dues = list(self._pending())
        if not dues:
            return
        is_late = any(due is not None and due <= now for due in dues)
        if is_late or time.monotonic() - self._asked_at >= _POLL_SECONDS:
            self._asked_at = time.monotonic()
            self._ask()
        self._again = (self._again * 2 or _AGAIN_SECONDS) if is_late else 0.0
        delays = [(due - now) / 1000 for due in dues if due is not None and due > now]
        delays.append(max(0.0, self._asked_at + _POLL_SECONDS - time.monotonic()))
        if is_late:
            delays.append(self._again)
        self._look_in(max(_SOONEST_SECONDS, min(delays)))

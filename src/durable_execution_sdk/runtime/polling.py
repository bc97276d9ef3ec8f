"""When to ask the service what has changed, while something keeps the invocation open.

The answer to any checkpoint tells, so to ask is to send one without updates. What has a due time is
asked about when that has come, and nothing is asked about early; the rest every ten seconds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

from durable_execution_sdk.runtime.current import sdk_context

__all__ = ["Polling"]

# How often to ask for callbacks and invokes, of which nobody knows when they end.
_POLL_SECONDS = 10.0
# The service's clock, or its timers, may be behind: how soon to ask again, doubled each time.
_AGAIN_SECONDS = 0.25
# A clock that stands still, as in tests, is not looked at in a tight loop.
_SOONEST_SECONDS = 0.005


class Polling:
    """Asks in time for whatever is pending."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        now: Callable[[], float],
        pending: Callable[[], Iterable[float | None]],
        ask: Callable[[], None],
    ) -> None:
        """``now`` and ``pending`` (when each is due, if that is known) are in milliseconds."""
        self._loop = loop
        self._now = now
        self._pending = pending
        self._ask = ask
        self._asked_at = time.monotonic()
        self._again = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def expect(self, due_at: float | None) -> None:
        """Something more is pending, and due at this time, if that is known."""
        left = _POLL_SECONDS if due_at is None else (due_at - self._now()) / 1000
        self._look_in(max(0.0, left))

    def stop(self) -> None:
        """Ask for nothing more."""
        if self._timer is not None:
            self._timer.cancel()

    def _look_in(self, seconds: float) -> None:
        if self._timer is None or time.monotonic() + seconds < self._timer.when():
            self.stop()
            self._timer = self._loop.call_later(seconds, self._look, context=sdk_context())

    def _look(self) -> None:
        """Ask, if something is due; and see when to look again."""
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
        nexts = [(due - now) / 1000 for due in dues if due is not None and due > now]
        nexts.append(max(0.0, self._asked_at + _POLL_SECONDS - time.monotonic()))
        if is_late:
            nexts.append(self._again)
        self._look_in(max(_SOONEST_SECONDS, min(nexts)))

"""Delays between the attempts of a call (exponential backoff, full jitter, ``Retry-After``), and its time limits."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable

import msgspec

__all__ = ["Backoff", "Patience", "Timing"]


class Backoff(msgspec.Struct, frozen=True, kw_only=True):
    """Number of attempts and the delays between them; all times are in seconds.

    No attempt begins later than ``give_up_after`` after the first one.
    """

    attempts: int = 5
    first: float = 0.2
    longest: float = 5.0
    give_up_after: float = 60.0

    def delay(
        self, *, attempt: int, elapsed: float, jitter: float, retry_after: float | None
    ) -> float | None:
        """Return the delay after failed attempt ``attempt`` (from 1); ``None`` means give up.

        ``jitter`` is a random number from 0 to 1.
        """
        if attempt >= self.attempts:
            return None
        seconds = jitter * min(self.longest, self.first * 2 ** (attempt - 1))
        if retry_after is not None:
            seconds = max(seconds, retry_after)
        return seconds if elapsed + seconds <= self.give_up_after else None


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """Time limits in seconds: to connect, for a response, and for reusing an idle connection."""

    connect: float = 5.0
    answer: float = 30.0
    idle: float = 60.0


def _jitter() -> float:
    return int.from_bytes(os.urandom(4)) / 2**32


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """The clocks, the sleep and the random numbers of a client; tests replace them."""

    wall: Callable[[], float] = time.time  # noqa: TID251 - signatures are dated by the wall clock
    elapsed: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    jitter: Callable[[], float] = _jitter

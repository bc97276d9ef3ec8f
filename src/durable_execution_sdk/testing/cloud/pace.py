"""The pace of polling: longer intervals while nothing happens."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.testing.worker import Watch

__all__ = ["Pace", "retry_transient"]

_T = TypeVar("_T")


class Pace:
    """The polling interval, in seconds: half as long again after each poll, and reset by a change."""

    def __init__(self, first: float, longest: float) -> None:
        self.first = first
        self.longest = longest
        self._next = first

    def quicken(self) -> None:
        """Reset the interval after a change."""
        self._next = self.first

    async def wait(self, at_most: float) -> None:
        """Sleep until the next poll, at most ``at_most`` seconds."""
        await asyncio.sleep(min(self._next, at_most))
        self._next = min(self._next * 1.5, self.longest)


async def retry_transient(call: Callable[[], Awaitable[_T]], pace: Pace, watch: Watch) -> _T:
    """Retry a call on transient errors of the service while time is left."""
    while True:
        try:
            return await call()
        except ServiceError as error:
            if not error.is_transient or watch.left <= 0:
                raise
        await pace.wait(watch.left)

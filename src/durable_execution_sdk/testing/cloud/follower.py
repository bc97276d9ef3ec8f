"""Poll an execution through the control plane, at longer intervals while nothing happens."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.ports.control_plane import ControlPlane
from durable_execution_sdk.protocol.control_plane import ExecutionDescription, HistoryRequest
from durable_execution_sdk.protocol.history import HistoryEvent
from durable_execution_sdk.protocol.limits import MAX_PAGE_ITEMS
from durable_execution_sdk.testing.worker import Watch

__all__ = ["Follower", "Pace", "retry_transient"]

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


class Follower:
    """The state of one execution at the API; pages of the history that are complete are read once."""

    def __init__(self, control: ControlPlane, arn: str) -> None:
        self.arn = arn
        self._control = control
        self._settled: list[HistoryEvent] = []
        self._newest: list[HistoryEvent] = []
        self._marker: str | None = None

    @property
    def history(self) -> list[HistoryEvent]:
        """The events read so far."""
        return self._settled + self._newest

    async def look(self) -> ExecutionDescription:
        """Read the execution's description, then the new events of its history.

        The order matters: if the description has a final status, the history read after it is complete.
        """
        described = await self._control.describe(self.arn)
        while True:
            page = await self._control.history(
                HistoryRequest(
                    durable_execution_arn=self.arn, marker=self._marker, max_items=MAX_PAGE_ITEMS
                )
            )
            self._newest = page.events
            if not page.next_marker:
                return described
            self._settled += page.events
            self._newest = []
            self._marker = page.next_marker


async def retry_transient(call: Callable[[], Awaitable[_T]], pace: Pace, watch: Watch) -> _T:
    """Retry a call on transient errors of the service while time is left."""
    while True:
        try:
            return await call()
        except ServiceError as error:
            if not error.is_transient or watch.left <= 0:
                raise
        await pace.wait(watch.left)

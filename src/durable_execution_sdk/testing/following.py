"""Follows an execution through the control plane: page by page, less often the less happens."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from durable_execution_sdk.control import ControlPlane
from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.model.control import ExecutionDescription, HistoryRequest
from durable_execution_sdk.model.history import HistoryEvent
from durable_execution_sdk.testing.worker import Watch

__all__ = ["Follower", "Pace", "although_it_stumbles"]

_T = TypeVar("_T")

_PAGE_ITEMS = 1_000


class Pace:
    """How long to wait before looking again, in seconds: longer each time, until something happens."""

    def __init__(self, first: float, longest: float) -> None:
        self.first = first
        self.longest = longest
        self._next = first

    def quicken(self) -> None:
        """Something has happened, and more may."""
        self._next = self.first

    async def wait(self, at_most: float) -> None:
        """Wait for the next look."""
        await asyncio.sleep(min(self._next, at_most))
        self._next = min(self._next * 1.5, self.longest)


class Follower:
    """One execution as the API tells it; what was read of its history is not read again."""

    def __init__(self, control: ControlPlane, arn: str) -> None:
        self.arn = arn
        self._control = control
        self._settled: list[HistoryEvent] = []
        self._newest: list[HistoryEvent] = []
        self._marker: str | None = None

    @property
    def history(self) -> list[HistoryEvent]:
        """The events so far."""
        return self._settled + self._newest

    async def look(self) -> ExecutionDescription:
        """Look at the execution, and read what is new in its history.

        The status is asked for first: when it is that of an end, the history is whole.
        """
        described = await self._control.describe(self.arn)
        while True:
            page = await self._control.history(
                HistoryRequest(
                    durable_execution_arn=self.arn, marker=self._marker, max_items=_PAGE_ITEMS
                )
            )
            self._newest = page.events
            if not page.next_marker:
                return described
            self._settled += page.events
            self._newest = []
            self._marker = page.next_marker


async def although_it_stumbles(call: Callable[[], Awaitable[_T]], pace: Pace, watch: Watch) -> _T:
    """Make a call again while the service is throttled or in trouble, and there is time."""
    while True:
        try:
            return await call()
        except ServiceError as error:
            if not error.is_transient or watch.left <= 0:
                raise
        await pace.wait(watch.left)

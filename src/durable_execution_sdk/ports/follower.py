"""Read an execution through the control plane, and again what is new."""

from __future__ import annotations

from durable_execution_sdk.ports.control_plane import ControlPlane
from durable_execution_sdk.protocol.control_plane import ExecutionDescription, HistoryRequest
from durable_execution_sdk.protocol.history import HistoryEvent
from durable_execution_sdk.protocol.limits import MAX_PAGE_ITEMS

__all__ = ["Follower"]


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

"""A data plane whose time is not the clock's: that of an execution whose time was skipped or paused."""

from __future__ import annotations

from durable_execution_sdk.ports import DataPlane, ForwardingDataPlane

__all__ = ["ShiftedTimePlane"]


class ShiftedTimePlane(ForwardingDataPlane):
    """A data plane in front of another one, with an offset in milliseconds to its time."""

    def __init__(self, plane: DataPlane, offset: int) -> None:
        super().__init__(plane)
        self._offset = offset

    def now(self) -> int:
        """Return the execution's time, in milliseconds since the epoch."""
        return self._plane.now() + self._offset

"""The data plane of a runner: with small pages of operations, and calls that take time."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from durable_execution_sdk.emulator.clock import RealClock, VirtualClock
from durable_execution_sdk.emulator.data_plane import SlowDataPlane
from durable_execution_sdk.ports import DataPlane, ForwardingDataPlane
from durable_execution_sdk.protocol.data_plane import (
    StatePage,
    StateRequest,
)
from durable_execution_sdk.testing.local.options import RunnerOptions

__all__ = ["PagedDataPlane", "with_options"]

_MILLISECOND = timedelta(milliseconds=1)


class PagedDataPlane(ForwardingDataPlane):
    """A data plane that limits the size of pages."""

    def __init__(self, plane: DataPlane, page_size: int) -> None:
        super().__init__(plane)
        self._page_size = page_size

    async def get_state(self, request: StateRequest) -> StatePage:
        """Read a page of at most the limited size."""
        size = min(request.max_items or self._page_size, self._page_size)
        return await self._plane.get_state(replace(request, max_items=size))


def with_options(
    plane: DataPlane, options: RunnerOptions, clock: VirtualClock | RealClock
) -> DataPlane:
    """Wrap the data plane with the page size and the latency of the options."""
    if options.page_size is not None:
        plane = PagedDataPlane(plane, options.page_size)
    milliseconds = -(-options.checkpoint_latency // _MILLISECOND)
    if milliseconds and isinstance(clock, VirtualClock):
        return SlowDataPlane(plane, clock, milliseconds)
    return plane

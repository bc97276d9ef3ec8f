"""A data plane that returns small pages of operations."""

from __future__ import annotations

from msgspec.structs import replace

from durable_execution_sdk.ports import DataPlane, ForwardingDataPlane
from durable_execution_sdk.protocol.data_plane import (
    StatePage,
    StateRequest,
)

__all__ = ["PagedDataPlane"]


class PagedDataPlane(ForwardingDataPlane):
    """A data plane that limits the size of pages."""

    def __init__(self, plane: DataPlane, page_size: int) -> None:
        super().__init__(plane)
        self._page_size = page_size

    async def get_state(self, request: StateRequest) -> StatePage:
        """Read a page of at most the limited size."""
        size = min(request.max_items or self._page_size, self._page_size)
        return await self._plane.get_state(replace(request, max_items=size))

"""A data plane that returns small pages of operations."""

from __future__ import annotations

from msgspec.structs import replace

from durable_execution_sdk.model.api import (
    CheckpointRequest,
    CheckpointResponse,
    StatePage,
    StateRequest,
)
from durable_execution_sdk.service import DataPlane

__all__ = ["PagedDataPlane"]


class PagedDataPlane:
    """A data plane that limits the size of pages."""

    def __init__(self, plane: DataPlane, page_size: int) -> None:
        self._plane = plane
        self._page_size = page_size

    async def checkpoint(self, request: CheckpointRequest) -> CheckpointResponse:
        """Record updates."""
        return await self._plane.checkpoint(request)

    async def get_state(self, request: StateRequest) -> StatePage:
        """Read a page of at most the limited size."""
        size = min(request.max_items or self._page_size, self._page_size)
        return await self._plane.get_state(replace(request, max_items=size))

    def now(self) -> int:
        """Return the service's time."""
        return self._plane.now()

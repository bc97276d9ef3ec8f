"""The port to the service that keeps the log: Lambda in production, the emulator elsewhere."""

from __future__ import annotations

from typing import Protocol

from durable_execution_sdk.model.api import (
    CheckpointRequest,
    CheckpointResponse,
    StatePage,
    StateRequest,
)

__all__ = ["DataPlane"]


class DataPlane(Protocol):
    """What a running handler needs of the service."""

    async def checkpoint(self, request: CheckpointRequest) -> CheckpointResponse:
        """Record updates, all or none; the token is used up and the next one comes back."""
        ...

    async def get_state(self, request: StateRequest) -> StatePage:
        """Read a page of operations, in the order in which they started."""
        ...

    def now(self) -> int:
        """The service's time, in milliseconds since the epoch."""
        ...

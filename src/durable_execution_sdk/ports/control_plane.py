"""Port to the control plane of the service: start, read, stop, pause and delete executions."""

from __future__ import annotations

from typing import Protocol

from durable_execution_sdk.protocol.control_plane import (
    ExecutionDescription,
    HistoryPage,
    HistoryRequest,
    InvokeRequest,
    InvokeResponse,
    ListPage,
    ListRequest,
    PauseRequest,
    ResumeRequest,
)
from durable_execution_sdk.protocol.error_object import ErrorObject

__all__ = ["ControlPlane"]


class ControlPlane(Protocol):
    """The service's operations on executions from outside of a handler.

    Timestamps are milliseconds since the epoch. All methods raise ``ServiceError`` when the service
    refuses a call or cannot be reached.
    """

    async def invoke(self, request: InvokeRequest) -> InvokeResponse:
        """Invoke a function; for a durable one, start an execution or return the one with its name."""
        ...

    async def describe(
        self, arn: str, *, include_execution_data: bool = True
    ) -> ExecutionDescription:
        """Return status, input, result and error of an execution."""
        ...

    async def history(self, request: HistoryRequest) -> HistoryPage:
        """Read a page of an execution's events."""
        ...

    async def list_executions(self, request: ListRequest) -> ListPage:
        """Read a page of a function's executions."""
        ...

    async def stop(self, arn: str, error: ErrorObject | None = None) -> int:
        """End an execution as STOPPED; return the time of its end."""
        ...

    async def pause(self, arn: str, request: PauseRequest) -> None:
        """Stop invoking the handler until the execution is resumed."""
        ...

    async def resume(self, arn: str, request: ResumeRequest) -> None:
        """Resume a paused execution."""
        ...

    async def delete(self, arn: str) -> int:
        """Delete a closed execution and its data; return the time of the deletion."""
        ...

    async def callback_success(self, callback_id: str, result: bytes | None = None) -> None:
        """Complete a callback with a result: raw bytes, at most 1 MiB."""
        ...

    async def callback_failure(self, callback_id: str, error: ErrorObject | None = None) -> None:
        """Complete a callback with an error."""
        ...

    async def callback_heartbeat(self, callback_id: str) -> None:
        """Restart a callback's heartbeat timeout."""
        ...

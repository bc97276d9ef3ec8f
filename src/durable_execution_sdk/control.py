"""The port to the service's control plane: what everybody but a running handler asks of it.

It raises ``ServiceError`` when the service refuses a call or cannot be reached.
"""

from __future__ import annotations

from typing import Protocol

from durable_execution_sdk.model.control import (
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
from durable_execution_sdk.model.failure import ErrorObject

__all__ = ["ControlPlane"]


class ControlPlane(Protocol):
    """What everybody else does with executions. Timestamps are milliseconds since the epoch."""

    async def invoke(self, request: InvokeRequest) -> InvokeResponse:
        """Start an execution, or find the one that already has this name."""
        ...

    async def describe(
        self, arn: str, *, include_execution_data: bool = True
    ) -> ExecutionDescription:
        """Tell status, input, result and error of an execution."""
        ...

    async def history(self, request: HistoryRequest) -> HistoryPage:
        """Read a page of an execution's events."""
        ...

    async def list_executions(self, request: ListRequest) -> ListPage:
        """Read a page of a function's executions."""
        ...

    async def stop(self, arn: str, error: ErrorObject | None = None) -> int:
        """End an execution as STOPPED; returns when that was."""
        ...

    async def pause(self, arn: str, request: PauseRequest) -> None:
        """Invoke no more until the execution is resumed."""
        ...

    async def resume(self, arn: str, request: ResumeRequest) -> None:
        """Go on after a pause."""
        ...

    async def delete(self, arn: str) -> int:
        """Delete a closed execution and its data; returns when that was accepted."""
        ...

    async def callback_success(self, callback_id: str, result: bytes | None = None) -> None:
        """Answer a callback with a result: raw bytes, at most 1 MiB."""
        ...

    async def callback_failure(self, callback_id: str, error: ErrorObject | None = None) -> None:
        """Answer a callback with a failure."""
        ...

    async def callback_heartbeat(self, callback_id: str) -> None:
        """Restart a callback's heartbeat timeout."""
        ...

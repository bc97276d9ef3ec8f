"""The client for code without ``await``: the same calls, made on an event loop in a thread of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, overload

from durable_execution_sdk.client.callbacks import SyncPendingCallback
from durable_execution_sdk.client.connecting import ANY_REGION, dev_server
from durable_execution_sdk.client.durable_client import DurableClient
from durable_execution_sdk.client.execution_handle import ExecutionHandle
from durable_execution_sdk.client.executions import NO_EVENT, Filters
from durable_execution_sdk.client.function_ref import FunctionRef
from durable_execution_sdk.client.messages.inbox_ref import InboxRef
from durable_execution_sdk.client.service import WaitForEnd
from durable_execution_sdk.client.synchronous.handle import SyncAnswers, SyncExecutionHandle
from durable_execution_sdk.client.synchronous.loop_thread import LoopThread
from durable_execution_sdk.client.targets import AnyTarget
from durable_execution_sdk.handler import AnyHandler, DurableHandler
from durable_execution_sdk.ports.control_plane import ControlPlane

__all__ = ["SyncDurableClient"]

_E = TypeVar("_E")
_R = TypeVar("_R")
_T = TypeVar("_T")


class SyncDurableClient:
    """A ``DurableClient`` without ``await``, for any number of threads at once.

    It has the same arguments and raises the same exceptions. Calls are made in a thread of the client, which begins
    with the first of them and ends with ``close()`` or ``with``. Make a client in each process: one that was made
    before a fork refuses to work. In an ``async def`` use ``DurableClient``: this one would block the loop.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        *,
        profile: str | None = None,
        region: str | None = None,
        token: str | None = None,
        functions: Mapping[AnyHandler, str] | None = None,
        longest_pause: float = 5.0,
        control_plane: ControlPlane | None = None,
        wait_for_end: WaitForEnd | None = None,
    ) -> None:
        self._client = DurableClient(
            endpoint,
            profile=profile,
            region=region,
            token=token,
            functions=functions,
            longest_pause=longest_pause,
            control_plane=control_plane,
            wait_for_end=wait_for_end,
        )
        self._executions = self._client.executions
        self._thread = LoopThread()

    @classmethod
    def for_dev_server(
        cls,
        store: str | Path | None = None,
        *,
        functions: Mapping[AnyHandler, str] | None = None,
        longest_pause: float = 5.0,
    ) -> Self:
        """Return a client of the ``durable dev`` that runs a store; see ``DurableClient.for_dev_server``."""
        server = dev_server(store)
        return cls(
            server.url,
            region=ANY_REGION,
            token=server.token,
            functions=functions,
            longest_pause=longest_pause,
        )

    @overload
    def start(
        self,
        function: DurableHandler[_E, _R] | FunctionRef[_E, _R],
        event: _E,
        *,
        name: str | None = ...,
    ) -> SyncExecutionHandle[_R]: ...

    @overload
    def start(
        self, function: str, event: object = ..., *, name: str | None = ...
    ) -> SyncExecutionHandle[Any]: ...

    def start(
        self, function: AnyTarget, event: object = NO_EVENT, *, name: str | None = None
    ) -> SyncExecutionHandle[Any]:
        """Start an execution, or find the one of this name; see ``DurableClient.start``."""
        handle = self._thread.run(self._executions.start(function, event, name))
        return SyncExecutionHandle(handle, self._thread)

    @overload
    def execution(
        self, reference: str, of: DurableHandler[Any, _R] | FunctionRef[Any, _R]
    ) -> SyncExecutionHandle[_R]: ...

    @overload
    def execution(self, reference: str, of: str | None = ...) -> SyncExecutionHandle[Any]: ...

    def execution(self, reference: str, of: AnyTarget | None = None) -> SyncExecutionHandle[Any]:
        """Return the handle of an execution by ARN or name; see ``DurableClient.execution``."""
        handle = self._thread.run(self._executions.find(reference, of))
        return SyncExecutionHandle(handle, self._thread)

    @overload
    def list(
        self,
        function: DurableHandler[Any, _R] | FunctionRef[Any, _R],
        *,
        name: str | None = ...,
        statuses: Sequence[str] = ...,
        started_after: datetime | None = ...,
        started_before: datetime | None = ...,
        oldest_first: bool = ...,
        most: int | None = ...,
    ) -> Iterator[SyncExecutionHandle[_R]]: ...

    @overload
    def list(
        self,
        function: str,
        *,
        name: str | None = ...,
        statuses: Sequence[str] = ...,
        started_after: datetime | None = ...,
        started_before: datetime | None = ...,
        oldest_first: bool = ...,
        most: int | None = ...,
    ) -> Iterator[SyncExecutionHandle[Any]]: ...

    def list(
        self,
        function: AnyTarget,
        *,
        name: str | None = None,
        statuses: Sequence[str] = (),
        started_after: datetime | None = None,
        started_before: datetime | None = None,
        oldest_first: bool = False,
        most: int | None = None,
    ) -> Iterator[SyncExecutionHandle[Any]]:
        """Yield the executions of a function; see ``DurableClient.list``."""
        filters = Filters(
            name=name,
            statuses=statuses,
            started_after=started_after,
            started_before=started_before,
            oldest_first=oldest_first,
        )
        found = self._executions.list(function, filters, most)
        while (handle := self._thread.run(_next(found))) is not None:
            yield SyncExecutionHandle(handle, self._thread)

    def send(
        self,
        execution: SyncExecutionHandle[Any] | str,
        inbox: str | InboxRef[_T],
        value: _T,
        *,
        id: str | None = None,  # noqa: A002 - the public name
        timeout: float = 10.0,
    ) -> str:
        """Send a message to an inbox of an execution, and return its id; see ``DurableClient.send``."""
        # What has no ARN is refused there.
        arn = execution.arn if isinstance(execution, SyncExecutionHandle) else execution
        return self._thread.run(self._executions.send(arn, inbox, value, id, timeout))

    def callback(self, callback_id: str) -> SyncPendingCallback:
        """Return the callback with this id, which ``succeed``, ``fail`` and ``heartbeat`` answer."""
        answers = SyncAnswers(self._executions.service.control, self._thread)
        return SyncPendingCallback(answers, callback_id, None)

    def close(self) -> None:
        """Close the connections, and end the thread. A later call begins anew.

        Calls of other threads that run are cancelled, and raise ``DurableError``.
        """
        self._thread.close(self._client.aclose)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


async def _next(found: AsyncIterator[ExecutionHandle[Any]]) -> ExecutionHandle[Any] | None:
    return await anext(found, None)

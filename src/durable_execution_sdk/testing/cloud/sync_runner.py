"""The test runner for deployed workflows, for tests that are plain functions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Generic, Protocol, TypeVar

from durable_execution_sdk.client.callbacks import Failure, PendingCallback, SyncPendingCallback
from durable_execution_sdk.client.messages.inbox_ref import InboxRef
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.testing.cloud.connection import Connection
from durable_execution_sdk.testing.errors import is_told
from durable_execution_sdk.testing.local.service import NO_EVENT
from durable_execution_sdk.testing.results.result import DurableTestResult
from durable_execution_sdk.testing.worker import in_thread

__all__ = ["AsyncRunner", "SyncCloudTestRunner"]

__tracebackhide__ = is_told

_R_co = TypeVar("_R_co", covariant=True)
_T = TypeVar("_T")
_M = TypeVar("_M")

# Extra time for a call, in seconds. Calls have time limits of their own; this one ends those that hang.
_LONGEST_CALL = 120.0


class AsyncRunner(Protocol[_R_co]):
    """The methods of ``CloudDurableTestRunner`` that the synchronous runner calls."""

    timeout: float

    async def start(self, event: object = ..., *, name: str | None = ...) -> str:
        """Start an execution."""
        ...

    async def complete(
        self, *, timeout: float | None = ..., follow: bool = ...
    ) -> DurableTestResult[_R_co]:
        """Wait until the execution has ended."""
        ...

    async def wait_for_callback(
        self, name: str | None = ..., *, timeout: float | None = ...
    ) -> PendingCallback:
        """Wait until a callback waits for an answer."""
        ...

    async def send(
        self,
        inbox: str | InboxRef[_M],
        value: _M,
        *,
        id: str | None = ...,  # noqa: A002 - the public name
        timeout: float | None = ...,
    ) -> str:
        """Send a message to an inbox."""
        ...

    async def callbacks(self, name: str | None = ...) -> list[PendingCallback]:
        """Return the callbacks that wait for an answer now."""
        ...

    async def stop(self, error: Failure = ...) -> DurableTestResult[_R_co]:
        """Stop the execution."""
        ...

    async def pause(self, reason: str | None = ...) -> DurableTestResult[_R_co]:
        """Pause the execution."""
        ...

    async def resume(self, reason: str | None = ...) -> DurableTestResult[_R_co]:
        """End the pause of the execution."""
        ...

    async def result(self) -> DurableTestResult[_R_co]:
        """Return the current state of the execution."""
        ...


class SyncCloudTestRunner(Generic[_R_co]):
    """A ``CloudDurableTestRunner`` without ``await``: ``runner.sync.run(event)``."""

    def __init__(self, runner: AsyncRunner[_R_co], connection: Connection) -> None:
        self._runner = runner
        self._answers = _Answers(connection)

    def run(
        self,
        event: object = NO_EVENT,
        *,
        name: str | None = None,
        timeout: float | None = None,
        follow: bool = True,
    ) -> DurableTestResult[_R_co]:
        """Run the workflow until it has ended."""
        self.start(event, name=name)
        return self.complete(timeout=timeout, follow=follow)

    def start(self, event: object = NO_EVENT, *, name: str | None = None) -> str:
        """Start an execution, or find the one with this name; return its ARN."""
        return _run(lambda: self._runner.start(event, name=name))

    def complete(
        self, *, timeout: float | None = None, follow: bool = True
    ) -> DurableTestResult[_R_co]:
        """Wait until the execution has ended."""
        seconds = self._runner.timeout if timeout is None else timeout
        return _run(lambda: self._runner.complete(timeout=timeout, follow=follow), seconds)

    def wait_for_callback(
        self, name: str | None = None, *, timeout: float | None = None
    ) -> SyncPendingCallback:
        """Wait until a callback waits for an answer, and return it."""
        seconds = self._runner.timeout if timeout is None else timeout
        callback = _run(lambda: self._runner.wait_for_callback(name, timeout=timeout), seconds)
        return SyncPendingCallback(self._answers, callback.callback_id, callback.name)

    def send(
        self,
        inbox: str | InboxRef[_M],
        value: _M,
        *,
        id: str | None = None,  # noqa: A002 - the public name
        timeout: float | None = None,
    ) -> str:
        """Send a message to an inbox of the execution, and return the id of the message."""
        seconds = self._runner.timeout if timeout is None else timeout
        return _run(lambda: self._runner.send(inbox, value, id=id, timeout=timeout), seconds)

    def callbacks(self, name: str | None = None) -> list[SyncPendingCallback]:
        """Return the callbacks that wait for an answer now, in the order of their start."""
        return [
            SyncPendingCallback(self._answers, callback.callback_id, callback.name)
            for callback in _run(lambda: self._runner.callbacks(name))
        ]

    def callback(self, callback_id: str) -> SyncPendingCallback:
        """Return the callback with this id."""
        return SyncPendingCallback(self._answers, callback_id, None)

    def stop(self, error: Failure = None) -> DurableTestResult[_R_co]:
        """Stop the execution; its status becomes STOPPED."""
        return _run(lambda: self._runner.stop(error))

    def pause(self, reason: str | None = None) -> DurableTestResult[_R_co]:
        """Pause the execution: it is invoked no more until ``resume``, while its waits and callbacks go on."""
        return _run(lambda: self._runner.pause(reason))

    def resume(self, reason: str | None = None) -> DurableTestResult[_R_co]:
        """End the pause of the execution."""
        return _run(lambda: self._runner.resume(reason))

    def result(self) -> DurableTestResult[_R_co]:
        """Return the current state of the execution."""
        return _run(self._runner.result)


class _Answers:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def callback_success(self, callback_id: str, result: bytes | None = None) -> None:
        _run(lambda: self._connection.callback_success(callback_id, result))

    def callback_failure(self, callback_id: str, error: ErrorObject | None = None) -> None:
        _run(lambda: self._connection.callback_failure(callback_id, error))

    def callback_heartbeat(self, callback_id: str) -> None:
        _run(lambda: self._connection.callback_heartbeat(callback_id))


def _run(make: Callable[[], Coroutine[object, object, _T]], seconds: float = 0.0) -> _T:
    """Run a coroutine on a loop in a new thread: the caller's thread may have a running loop."""
    return in_thread(lambda _: asyncio.run(make()), seconds + _LONGEST_CALL)

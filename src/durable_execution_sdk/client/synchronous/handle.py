"""A handle of one execution, for code without ``await``."""

from __future__ import annotations

from typing import Any, Generic, TypeVar, overload

from durable_execution_sdk.client.callbacks import Failure, SyncPendingCallback
from durable_execution_sdk.client.execution_handle import ExecutionHandle
from durable_execution_sdk.client.synchronous.loop_thread import LoopThread
from durable_execution_sdk.ports.control_plane import ControlPlane
from durable_execution_sdk.protocol.control_plane import ExecutionDescription, ExecutionSummary
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.history import HistoryEvent
from durable_execution_sdk.protocol.operations import Operation

__all__ = ["SyncAnswers", "SyncExecutionHandle"]

_R_co = TypeVar("_R_co", covariant=True)
_T = TypeVar("_T")


class SyncExecutionHandle(Generic[_R_co]):
    """An ``ExecutionHandle`` without ``await``; it raises the same exceptions, in any thread."""

    def __init__(self, handle: ExecutionHandle[_R_co], thread: LoopThread) -> None:
        self._handle = handle
        self._thread = thread

    def __repr__(self) -> str:
        """Show the ARN."""
        return f"<{type(self).__name__} {self.arn}>"

    @property
    def arn(self) -> str:
        """The ARN of the execution."""
        return self._handle.arn

    @property
    def name(self) -> str:
        """The name of the execution."""
        return self._handle.name

    @property
    def listed(self) -> ExecutionSummary | None:
        """The state in the list that ``client.list`` read it from, else ``None``."""
        return self._handle.listed

    def result(self, *, timeout: float | None = None, follow: bool = True) -> _R_co:
        """Wait until the execution has ended, and return its result; see ``ExecutionHandle.result``."""
        return self._thread.run(self._handle.result(timeout=timeout, follow=follow))

    def status(self, *, follow: bool = True) -> str:
        """Return the status of the execution, or of the last one as which it went on."""
        return self._thread.run(self._handle.status(follow=follow))

    def latest(self) -> SyncExecutionHandle[_R_co]:
        """Return the handle of the last execution as which this one went on; see ``ExecutionHandle.latest``."""
        return SyncExecutionHandle(self._thread.run(self._handle.latest()), self._thread)

    @overload
    def custom_status(self, value_type: type[_T], *, follow: bool = ...) -> _T | None: ...

    @overload
    def custom_status(self, value_type: None = None, *, follow: bool = ...) -> Any: ...

    def custom_status(self, value_type: Any = None, *, follow: bool = True) -> Any:
        """Return the value that the workflow's code set last; see ``ExecutionHandle.custom_status``."""
        return self._thread.run(self._handle.custom_status(value_type, follow=follow))

    def describe(self) -> ExecutionDescription:
        """Return status, times, input, result and error; times in milliseconds since the epoch."""
        return self._thread.run(self._handle.describe())

    def history(self) -> list[HistoryEvent]:
        """Return all events with their data, the oldest first."""
        return self._thread.run(self._handle.history())

    def operations(self) -> list[Operation]:
        """Return the operations in the order of their start, read from the history."""
        return self._thread.run(self._handle.operations())

    def callbacks(self, name: str | None = None) -> list[SyncPendingCallback]:
        """Return the callbacks that wait for an answer now; see ``ExecutionHandle.callbacks``."""
        found = self._thread.run(self._handle.awaited(name))
        answers = SyncAnswers(self._handle.control, self._thread)
        return [SyncPendingCallback(answers, *callback) for callback in found]

    def stop(self, error: Failure = None) -> None:
        """End the execution as STOPPED, with this error."""
        self._thread.run(self._handle.stop(error))

    def pause(self, reason: str | None = None) -> None:
        """Let the service invoke the function no more until the execution is resumed."""
        self._thread.run(self._handle.pause(reason))

    def resume(self, reason: str | None = None) -> None:
        """Let a paused execution go on."""
        self._thread.run(self._handle.resume(reason))


class SyncAnswers:
    """The part of a control plane that answers callbacks, called on the loop of a thread."""

    def __init__(self, control: ControlPlane, thread: LoopThread) -> None:
        self._control = control
        self._thread = thread

    def callback_success(self, callback_id: str, result: bytes | None = None) -> None:
        """Answer a callback with a result."""
        self._thread.run(self._control.callback_success(callback_id, result))

    def callback_failure(self, callback_id: str, error: ErrorObject | None = None) -> None:
        """Answer a callback with a failure."""
        self._thread.run(self._control.callback_failure(callback_id, error))

    def callback_heartbeat(self, callback_id: str) -> None:
        """Restart a callback's heartbeat timeout."""
        self._thread.run(self._control.callback_heartbeat(callback_id))

"""A handle of one execution: its result, its state, its callbacks, and its end."""

from __future__ import annotations

import time
from typing import Any, Generic, TypeVar, cast, overload

from durable_execution_sdk.client.awaited_callbacks import Awaiting, awaited_callback
from durable_execution_sdk.client.callbacks import Failure, PendingCallback, as_error_object
from durable_execution_sdk.client.errors import ContinuedAsNewError
from durable_execution_sdk.client.fork import history_of
from durable_execution_sdk.client.service import Service, last_of
from durable_execution_sdk.emulator.durations import seconds_allowed
from durable_execution_sdk.engine.from_history import HistoryLog
from durable_execution_sdk.engine.views.progress import ExecutionProgress, progress
from durable_execution_sdk.errors import ConfigError, InvokeError, SerDesError
from durable_execution_sdk.ports.control_plane import ControlPlane
from durable_execution_sdk.protocol.continuation import continuation_of
from durable_execution_sdk.protocol.control_plane import (
    ExecutionDescription,
    ExecutionStatus,
    ExecutionSummary,
    PauseRequest,
    ResumeRequest,
)
from durable_execution_sdk.protocol.error_object import READS_FROM_OUTSIDE, ErrorObject
from durable_execution_sdk.protocol.history import HistoryEvent
from durable_execution_sdk.protocol.ids import ExecutionArn, execution_operation_id
from durable_execution_sdk.protocol.operations import STATUS_NAME, Operation
from durable_execution_sdk.runtime.error_objects import rebuild
from durable_execution_sdk.serdes import SerDes, ValueContext, serdes_for_type

__all__ = ["ExecutionHandle"]

_R_co = TypeVar("_R_co", covariant=True)
_T = TypeVar("_T")


class ExecutionHandle(Generic[_R_co]):
    """One execution, whose result has the type ``R``. Making a handle asks the service for nothing.

    ``arn`` is its ARN, ``name`` its name (the ARN, if that is of a form without names). ``listed`` is its state in the list that ``client.list`` read it from, else
    ``None``. All methods raise ``ServiceError`` if the service refuses the call, or there is no such execution (its
    data is deleted after the retention period of its function).
    """

    def __init__(
        self,
        service: Service,
        arn: str,
        result_serdes: SerDes[_R_co],
        *,
        name: str | None = None,
        listed: ExecutionSummary | None = None,
    ) -> None:
        self._service = service
        self._serdes = result_serdes
        self.arn = arn
        parts = ExecutionArn.read(arn)
        self.name = name or (arn if parts is None else parts.execution_name)
        self.listed = listed

    def __repr__(self) -> str:
        """Show the ARN."""
        return f"<{type(self).__name__} {self.arn}>"

    async def result(self, *, timeout: float | None = None, follow: bool = True) -> _R_co:
        """Wait until the execution has ended, and return its result; that of the last one if it goes on as others.

        It asks for the status at distances of 0.1 s, growing to ``longest_pause`` of the client, and once for the
        result. It waits for paused executions too.

        Args:
            timeout: the longest time to wait, in seconds; without one it waits as long as the execution runs.
            follow: ``False`` waits for this execution only, and raises ``ContinuedAsNewError`` if it went on as
                another one (``ctx.continue_as_new``).

        Raises:
            InvokeError: the execution failed, timed out or was stopped, with ``error_type``, ``error_message``,
                ``error_data`` and ``stack_trace`` of its error, as in a workflow that invokes the function.
            ResultTimeoutError: the execution has not ended in time; it goes on.
            SerDesError: the result does not fit the type of the handler or of the ``FunctionRef``.
        """
        limit = None if timeout is None else seconds_allowed(timeout)
        ends_at = None if limit is None else time.monotonic() + limit

        async def ended(arn: str) -> ExecutionDescription:
            left = None if ends_at is None else max(0.0, ends_at - time.monotonic())
            return await self._service.wait_for_end(arn, left)

        described = await self._service.wait_for_end(self.arn, limit)
        if follow:
            described = await last_of(self._service.reading, described, ended)
        return self._outcome(described)

    async def status(self, *, follow: bool = True) -> str:
        """Return ``RUNNING``, ``PAUSED``, ``SUCCEEDED``, ``FAILED`` ...: a value of ``ExecutionStatus``, or a newer one.

        It is that of the last execution if this one went on as others, unless ``follow`` is ``False``.
        """
        reading = self._service.reading
        described = await reading.describe(self.arn, include_execution_data=False)
        if follow and described.status == ExecutionStatus.SUCCEEDED:
            described = await last_of(reading, await self.describe(), reading.describe)
        return described.status

    async def latest(self) -> ExecutionHandle[_R_co]:
        """Return the handle of the last execution as which this one went on; this handle if it did not.

        The other methods, such as ``stop``, ``pause`` and ``history``, are about the execution of their handle.
        """
        reading = self._service.reading
        described = await last_of(reading, await self.describe(), reading.describe)
        arn = described.durable_execution_arn
        return self if arn == self.arn else ExecutionHandle(self._service, arn, self._serdes)

    @overload
    async def custom_status(self, value_type: type[_T], *, follow: bool = ...) -> _T | None: ...

    @overload
    async def custom_status(self, value_type: None = None, *, follow: bool = ...) -> Any: ...

    async def custom_status(self, value_type: Any = None, *, follow: bool = True) -> Any:
        """Return the value that the workflow's code set last, by ``ctx.set_status`` or ``ctx.progress``; else ``None``.

        The service has no call for it: the history is read from its end, 100 events at first and then 1,000 with each
        request, until a status is found. If code has set none, that is the whole history.

        Args:
            value_type: the type of the value; without it the value is what JSON reads.
            follow: look at the last execution as which this one went on.

        Raises:
            SerDesError: the value does not fit the type, or is not JSON: the handler has a serdes of its own.
        """
        arn = (await self.latest()).arn if follow else self.arn
        status = await self._service.reading.last_status(arn)
        if status is None:
            return None
        context = ValueContext(
            operation_id=STATUS_NAME,
            operation_name=STATUS_NAME,
            durable_execution_arn=arn,
            subject=f"the custom status of the execution {self.name}",
            remedy="or read it as plain JSON: custom_status() without a type",
        )
        serdes: SerDes[Any] = serdes_for_type(Any if value_type is None else value_type)
        token = READS_FROM_OUTSIDE.set(True)
        try:
            return serdes.deserialize(status, context)
        finally:
            READS_FROM_OUTSIDE.reset(token)

    async def describe(self) -> ExecutionDescription:
        """Return status, times, input, result and error, as ``GetDurableExecution`` does; times in milliseconds."""
        return await self._service.reading.describe(self.arn)

    async def history(self) -> list[HistoryEvent]:
        """Return all events with their data, the oldest first: one request for each 1,000 of them."""
        return await history_of(self._service.reading, self.arn)

    async def operations(self) -> list[Operation]:
        """Return the operations in the order of their start, read from the history.

        The records of ``ctx.set_status`` are not among them. A history lacks the time of heartbeats, and attempts that run at the moment.
        """
        return [each.operation for each in (await self._progress()).operations]

    async def callbacks(self, name: str | None = None) -> list[PendingCallback]:
        """Return the callbacks that wait for an answer now, in the order of their start, read from the history.

        The callback of a ``wait_for_callback`` is among them once an attempt of its submitter has ended, even with a
        failure, as it may have sent the id. Those of invoked executions are not.

        Args:
            name: the name of ``ctx.wait_for_callback`` or ``ctx.create_callback``; without one, all are returned.
        """
        found = await self.awaited(name)
        return [PendingCallback(self._service.control, *callback) for callback in found]

    async def stop(self, error: Failure = None) -> None:
        """End the execution as STOPPED, with this error. An invocation that runs ends at its next checkpoint.

        Stopping an execution that has ended changes nothing.
        """
        await self._service.control.stop(self.arn, as_error_object(error))

    async def pause(self, reason: str | None = None) -> None:
        """Let the service invoke the function no more until the execution is resumed; its timeout stands still too.

        It is ``PAUSING`` until the next checkpoint of an invocation that runs, then ``PAUSED``. Waits and callbacks
        go on to end. ``reason`` has at most 1,024 characters.
        """
        request = PauseRequest(reason=_text_or_none("reason", reason))
        await self._service.control.pause(self.arn, request)

    async def resume(self, reason: str | None = None) -> None:
        """Let a paused execution go on. ``reason`` has at most 1,024 characters."""
        request = ResumeRequest(reason=_text_or_none("reason", reason))
        await self._service.control.resume(self.arn, request)

    @property
    def control(self) -> ControlPlane:
        """The control plane that the handle asks."""
        return self._service.control

    async def awaited(self, name: str | None = None) -> list[Awaiting]:
        """Return the ids and names of the callbacks that ``callbacks`` returns."""
        name = _text_or_none("name", name)
        execution = await self._progress()
        found = (awaited_callback(execution, each, name) for each in execution.operations)
        return [callback for callback in found if callback is not None]

    async def _progress(self) -> ExecutionProgress:
        log = HistoryLog(self.arn)
        for event in await self.history():
            log.take(event)
        assert log.state is not None, "history_of returns histories that begin"
        return progress(log.state)

    def _outcome(self, described: ExecutionDescription) -> _R_co:
        if described.status == ExecutionStatus.SUCCEEDED:
            continuation = continuation_of(described.durable_execution_arn, described.result)
            if continuation is not None:
                raise ContinuedAsNewError(continuation)
            return self._read(described)
        error = described.error or ErrorObject(
            error_type=described.status,
            error_message=f"the execution was {described.status.lower().replace('_', ' ')}",
        )
        failure = rebuild(
            InvokeError,
            error,
            foreign=True,
            operation_id=execution_operation_id(described.durable_execution_arn),
            operation_name=described.durable_execution_name or self.name,
        )
        failure.add_note(f"the execution {described.durable_execution_arn} is {described.status}")
        raise failure

    def _read(self, described: ExecutionDescription) -> _R_co:
        context = ValueContext(
            operation_id=execution_operation_id(described.durable_execution_arn),
            operation_name=described.durable_execution_name or self.name,
            durable_execution_arn=described.durable_execution_arn,
            subject=f"the result of the execution {described.durable_execution_name or self.name}",
            remedy="or name the type that its function returns: FunctionRef(NAME, output=...)",
        )
        if described.result is None:
            if not getattr(self._serdes, "takes_none", True):
                raise SerDesError(
                    f"{context.what}: it has none, and {self._serdes!r} does not read None{context.way_out}"
                )
            return cast("_R_co", None)
        token = READS_FROM_OUTSIDE.set(True)
        try:
            return self._serdes.deserialize(described.result, context)
        finally:
            READS_FROM_OUTSIDE.reset(token)


def _text_or_none(option: str, value: str | None) -> str | None:
    if not isinstance(cast("object", value), str | None):
        raise ConfigError(f"{option} is a text, not {value!r}")
    return value

"""The control plane in process; requests and responses pass through the JSON of AWS's API."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import msgspec

from durable_execution_sdk.emulator.driver import Driver
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.functions.registry import Resolved
from durable_execution_sdk.emulator.json_input import json_text
from durable_execution_sdk.engine.limits import Limits
from durable_execution_sdk.engine.rejections import invalid, too_large
from durable_execution_sdk.protocol import control_plane_codec
from durable_execution_sdk.protocol.control_plane import (
    ExecutionDescription,
    ExecutionStatus,
    HistoryPage,
    HistoryRequest,
    InvocationType,
    InvokeRequest,
    InvokeResponse,
    ListPage,
    ListRequest,
    PauseRequest,
    ResumeRequest,
)
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.ids import ExecutionArn
from durable_execution_sdk.protocol.limits import LONGEST_INVOCATION_SECONDS

SYNCHRONOUS_MILLISECONDS = LONGEST_INVOCATION_SECONDS * 1_000
"""Longest wait of a synchronous invoke for its execution."""


class WaitingInvoke(msgspec.Struct, frozen=True, kw_only=True):
    """A synchronous invoke whose execution has begun and whose caller waits for its end."""

    arn: str


def begin(driver: Driver, request: InvokeRequest) -> InvokeResponse | WaitingInvoke:
    """Handle ``Invoke`` up to the wait for an execution; a function that is not durable is called."""
    emulator = driver.emulator
    resolved = emulator.functions.resolve(request.function_name, request.qualifier)
    if request.invocation_type is InvocationType.DRY_RUN:
        return InvokeResponse(status_code=204)
    if not resolved.function.durable:
        return _invoke_plain(driver, request, resolved)
    arn = emulator.start(request)
    if request.invocation_type is InvocationType.REQUEST_RESPONSE:
        return WaitingInvoke(arn=arn)
    return InvokeResponse(
        status_code=202,
        executed_version=ExecutionArn.parse(arn).version,
        durable_execution_arn=arn,
    )


def finish(emulator: Emulator, waiting: WaitingInvoke) -> InvokeResponse:
    """Return the response to a synchronous invoke: result, error, or timeout if still open."""
    payload, error = _result(emulator, waiting.arn)
    return InvokeResponse(
        status_code=200,
        payload=payload,
        function_error=error,
        executed_version=ExecutionArn.parse(waiting.arn).version,
        durable_execution_arn=waiting.arn,
    )


def invoke(driver: Driver, request: InvokeRequest) -> InvokeResponse:
    """Handle ``Invoke``; a synchronous call drives the execution to its end, for 30 minutes at most."""
    response = begin(driver, request)
    if isinstance(response, InvokeResponse):
        return response
    until = driver.emulator.clock.now() + SYNCHRONOUS_MILLISECONDS
    driver.run_until_closed(response.arn, until=until, patient=True)
    return finish(driver.emulator, response)


class EmulatorControlPlane:
    """``ControlPlane`` over an emulator in this process."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._emulator = driver.emulator

    async def invoke(self, request: InvokeRequest) -> InvokeResponse:
        """Invoke a function; for a durable one, start an execution or return the one with its name.

        A synchronous call drives the execution in a thread, so the caller's event loop is not blocked.
        """
        return await asyncio.to_thread(invoke, self._driver, request)

    async def describe(
        self, arn: str, *, include_execution_data: bool = True
    ) -> ExecutionDescription:
        """Return status, input, result and error of an execution."""
        description = self._emulator.describe(arn, include_execution_data=include_execution_data)
        return control_plane_codec.decode_description(
            control_plane_codec.encode_description(description)
        )

    async def history(self, request: HistoryRequest) -> HistoryPage:
        """Read a page of an execution's events."""
        return control_plane_codec.decode_history_page(
            control_plane_codec.encode_history_page(self._emulator.history(request))
        )

    async def list_executions(self, request: ListRequest) -> ListPage:
        """Read a page of a function's executions."""
        page = self._emulator.list_executions(request)
        return control_plane_codec.decode_list_page(control_plane_codec.encode_list_page(page))

    async def stop(self, arn: str, error: ErrorObject | None = None) -> int:
        """End an execution as STOPPED; return the time of its end."""
        body = (
            None
            if error is None
            else control_plane_codec.decode_error(control_plane_codec.encode_error(error))
        )
        return self._emulator.stop(arn, body)

    async def pause(self, arn: str, request: PauseRequest) -> None:
        """Stop invoking the handler until the execution is resumed."""
        self._emulator.pause(
            arn, control_plane_codec.decode_pause(control_plane_codec.encode_pause(request))
        )

    async def resume(self, arn: str, request: ResumeRequest) -> None:
        """Resume a paused execution."""
        self._emulator.resume(
            arn, control_plane_codec.decode_resume(control_plane_codec.encode_resume(request))
        )

    async def delete(self, arn: str) -> int:
        """Delete a closed execution and its data; return the time of the deletion."""
        return self._emulator.delete(arn)

    async def callback_success(self, callback_id: str, result: bytes | None = None) -> None:
        """Complete a callback with a result."""
        self._emulator.readable_success(callback_id, result)

    async def callback_failure(self, callback_id: str, error: ErrorObject | None = None) -> None:
        """Complete a callback with an error."""
        body = control_plane_codec.decode_error(control_plane_codec.encode_error(error))
        self._emulator.callback_failure(callback_id, body)

    async def callback_heartbeat(self, callback_id: str) -> None:
        """Restart a callback's heartbeat timeout."""
        self._emulator.callback_heartbeat(callback_id)


def _invoke_plain(driver: Driver, request: InvokeRequest, target: Resolved) -> InvokeResponse:
    function, version = target.function, target.version
    if request.durable_execution_name is not None:
        raise invalid(
            f"The function {function.name} is not a durable function, and takes no"
            " DurableExecutionName."
        )
    payload = json_text(request.payload).encode()
    _check_size(driver.emulator.limits, request, payload)
    if request.invocation_type is InvocationType.EVENT:
        driver.call_later(target, payload, request)
        return InvokeResponse(status_code=202, executed_version=version)
    answer = driver.call(target, payload, request)
    return InvokeResponse(
        status_code=200,
        payload=answer.payload if answer.error is None else _error_payload(answer.error),
        function_error=None if answer.error is None else "Unhandled",
        executed_version=version,
    )


def _check_size(limits: Limits, request: InvokeRequest, payload: bytes) -> None:
    is_event = request.invocation_type is InvocationType.EVENT
    max_bytes = limits.asynchronous_payload_bytes if is_event else limits.synchronous_payload_bytes
    if len(payload) > max_bytes:
        raise too_large(f"The input payload has {len(payload)} bytes; at most {max_bytes}.")


def _result(emulator: Emulator, arn: str) -> tuple[bytes, str | None]:
    if not emulator.is_closed(arn):
        seconds = SYNCHRONOUS_MILLISECONDS // 1000
        timeout = ErrorObject(
            error_type="Sandbox.Timedout",
            error_message=f"The execution did not end within {seconds} seconds; it goes on: {arn}",
        )
        return _error_payload(timeout), "Unhandled"
    execution = emulator.describe(arn)
    if execution.status == ExecutionStatus.SUCCEEDED:
        return (execution.result or "null").encode(), None
    error = execution.error or ErrorObject(error_message=f"The execution has {execution.status}.")
    return _error_payload(error), "Unhandled"


def _error_payload(error: ErrorObject) -> bytes:
    members: Mapping[str, str | list[str] | None] = {
        "errorMessage": error.error_message,
        "errorType": error.error_type,
        "errorData": error.error_data,
        "stackTrace": error.stack_trace,
    }
    return msgspec.json.encode(
        {name: member for name, member in members.items() if member is not None}
    )

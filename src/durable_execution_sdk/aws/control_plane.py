"""The control plane over Lambda's API: start, read and stop executions, complete callbacks."""

from __future__ import annotations

import functools
import time
from functools import partial

from msgspec.structs import replace

from durable_execution_sdk.aws import Call, LambdaClient
from durable_execution_sdk.aws.data_plane import JSON, client_token, execution_path
from durable_execution_sdk.aws.error_mapping import read_answer
from durable_execution_sdk.aws.shared_calls import BYTES, history_page, invoke, query
from durable_execution_sdk.aws.signer import segment
from durable_execution_sdk.protocol import control_plane_codec
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

__all__ = ["LambdaControlPlane", "default_control_plane"]


class LambdaControlPlane:
    """The ``ControlPlane`` port over Lambda's API."""

    def __init__(self, client: LambdaClient) -> None:
        self._client = client

    async def invoke(self, request: InvokeRequest) -> InvokeResponse:
        """Invoke a function; for a durable one, start an execution or return the one with its name.

        Without a response, only an invoke with an execution name is retried: that cannot start two.
        """
        return await invoke(self._client, request)

    async def describe(
        self, arn: str, *, include_execution_data: bool = True
    ) -> ExecutionDescription:
        """Return status, input, result and error of an execution."""
        call = Call(
            operation="GetDurableExecution",
            method="GET",
            path=execution_path(arn),
            query=query(IncludeExecutionData=None if include_execution_data else "false"),
        )
        return read_answer(
            call.operation, control_plane_codec.decode_description, await self._client.call(call)
        )

    async def history(self, request: HistoryRequest) -> HistoryPage:
        """Read a page of an execution's events."""
        path = execution_path(request.durable_execution_arn)
        return await history_page(self._client, path, request)

    async def list_executions(self, request: ListRequest) -> ListPage:
        """Read a page of a function's executions."""
        call = Call(
            operation="ListDurableExecutionsByFunction",
            method="GET",
            path=f"/2025-12-01/functions/{segment(request.function_name)}/durable-executions",
            query=(
                *query(
                    Qualifier=request.qualifier,
                    DurableExecutionName=request.durable_execution_name,
                    StartedAfter=_iso_8601(request.started_after),
                    StartedBefore=_iso_8601(request.started_before),
                    ReverseOrder="true" if request.reverse_order else None,
                    Marker=request.marker,
                    MaxItems=str(request.max_items) if request.max_items else None,
                ),
                *(("Statuses", status) for status in request.statuses),
            ),
        )
        return read_answer(
            call.operation, control_plane_codec.decode_list_page, await self._client.call(call)
        )

    async def stop(self, arn: str, error: ErrorObject | None = None) -> int:
        """End an execution as STOPPED; return the time of its end."""
        call = Call(
            operation="StopDurableExecution",
            method="POST",
            path=f"{execution_path(arn)}/stop",
            headers=JSON,
            body=control_plane_codec.encode_error(error),
        )
        decode = partial(control_plane_codec.decode_timestamp, "StopTimestamp")
        return read_answer(call.operation, decode, await self._client.call(call))

    async def pause(self, arn: str, request: PauseRequest) -> None:
        """Stop invoking the handler until the execution is resumed."""
        if request.client_token is None:
            request = replace(request, client_token=client_token())
        await self._post(
            "PauseDurableExecution",
            f"{execution_path(arn)}/pause",
            control_plane_codec.encode_pause(request),
        )

    async def resume(self, arn: str, request: ResumeRequest) -> None:
        """Resume a paused execution."""
        if request.client_token is None:
            request = replace(request, client_token=client_token())
        await self._post(
            "ResumeDurableExecution",
            f"{execution_path(arn)}/resume",
            control_plane_codec.encode_resume(request),
        )

    async def delete(self, arn: str) -> int:
        """Delete a closed execution and its data; return the time of the deletion."""
        call = Call(operation="DeleteDurableExecution", method="DELETE", path=execution_path(arn))
        decode = partial(control_plane_codec.decode_timestamp, "DeletionRequestTimestamp")
        return read_answer(call.operation, decode, await self._client.call(call))

    async def callback_success(self, callback_id: str, result: bytes | None = None) -> None:
        """Complete a callback with a result: raw bytes, at most 1 MiB.

        The first result counts. When its response is lost, a retry does not change it, but may raise
        ``ServiceError`` with the code ``CallbackTimeoutException``: the callback is complete already.
        """
        await self._post(
            "SendDurableExecutionCallbackSuccess",
            f"{_callback_path(callback_id)}/succeed",
            result or b"",
            headers=BYTES,
        )

    async def callback_failure(self, callback_id: str, error: ErrorObject | None = None) -> None:
        """Complete a callback with an error."""
        await self._post(
            "SendDurableExecutionCallbackFailure",
            f"{_callback_path(callback_id)}/fail",
            control_plane_codec.encode_error(error),
        )

    async def callback_heartbeat(self, callback_id: str) -> None:
        """Restart a callback's heartbeat timeout."""
        await self._post(
            "SendDurableExecutionCallbackHeartbeat", f"{_callback_path(callback_id)}/heartbeat", b""
        )

    async def aclose(self) -> None:
        """Close the connections; the next call opens new ones."""
        await self._client.aclose()

    async def _post(
        self, operation: str, path: str, body: bytes, headers: dict[str, str] = JSON
    ) -> None:
        await self._client.call(
            Call(operation=operation, method="POST", path=path, headers=headers, body=body)
        )


@functools.cache
def default_control_plane() -> LambdaControlPlane:
    """Return the control plane of the environment's endpoint; created on first use."""
    return LambdaControlPlane(LambdaClient())


def _callback_path(callback_id: str) -> str:
    return f"/2025-12-01/durable-execution-callbacks/{segment(callback_id)}"


def _iso_8601(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    seconds, fraction = divmod(milliseconds, 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{fraction:03d}Z"

"""The calls of clients that a handler makes too: at the beginning of a fork, and to go on as a new execution."""

from __future__ import annotations

from durable_execution_sdk.aws import Call, LambdaClient
from durable_execution_sdk.aws.error_mapping import read_answer
from durable_execution_sdk.aws.signer import segment
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.protocol import control_plane_codec
from durable_execution_sdk.protocol.control_plane import (
    HistoryPage,
    HistoryRequest,
    InvocationType,
    InvokeRequest,
    InvokeResponse,
)
from durable_execution_sdk.protocol.limits import LONGEST_INVOCATION_SECONDS

__all__ = ["BYTES", "history_page", "invoke", "query"]

# A synchronous invoke responds when the whole execution is over, or when the service waits no longer.
_LONGEST_EXECUTION = LONGEST_INVOCATION_SECONDS + 30.0
BYTES = {"content-type": "application/octet-stream"}


async def history_page(client: LambdaClient, path: str, request: HistoryRequest) -> HistoryPage:
    """Read a page of the history of the execution with this path."""
    parameters = {
        # AWS's local runner leaves the data out if it is not asked for.
        "IncludeExecutionData": "true" if request.include_execution_data else "false",
        "ReverseOrder": "true" if request.reverse_order else None,
        "Marker": request.marker,
        "MaxItems": str(request.max_items) if request.max_items else None,
    }
    call = Call(
        operation="GetDurableExecutionHistory",
        method="GET",
        path=f"{path}/history",
        query=tuple((name, value) for name, value in parameters.items() if value is not None),
    )
    return read_answer(
        call.operation, control_plane_codec.decode_history_page, await client.call(call)
    )


async def invoke(client: LambdaClient, request: InvokeRequest) -> InvokeResponse:
    """Invoke a function; for a durable one, start an execution or return the one with its name.

    Without a response, only an invoke with an execution name is retried: that cannot start two.
    """
    headers = {
        **BYTES,
        "x-amz-invocation-type": str(request.invocation_type),
    }
    if request.durable_execution_name is not None:
        headers["x-amz-durable-execution-name"] = _header(
            "durable_execution_name", request.durable_execution_name
        )
    if request.tenant_id is not None:
        headers["x-amz-tenant-id"] = _header("tenant_id", request.tenant_id)
    waits = request.invocation_type == InvocationType.REQUEST_RESPONSE
    response = await client.call(
        Call(
            operation="Invoke",
            method="POST",
            path=f"/2015-03-31/functions/{segment(request.function_name)}/invocations",
            query=query(Qualifier=request.qualifier),
            headers=headers,
            body=request.payload,
            repeatable=request.durable_execution_name is not None
            or request.invocation_type == InvocationType.DRY_RUN,
            answer_within=_LONGEST_EXECUTION if waits else None,
            trace=None
            if request.trace_header is None
            else _header("trace_header", request.trace_header),
        )
    )
    return InvokeResponse(
        status_code=response.status,
        payload=response.body,
        function_error=response.headers.get("x-amz-function-error"),
        executed_version=response.headers.get("x-amz-executed-version"),
        durable_execution_arn=response.headers.get("x-amz-durable-execution-arn"),
    )


def query(**parameters: str | None) -> tuple[tuple[str, str], ...]:
    """Return the parameters of a query that have a value."""
    return tuple((name, value) for name, value in parameters.items() if value is not None)


def _header(argument: str, value: str) -> str:
    if not (value.isascii() and value.isprintable()):
        raise ConfigError(f"{argument}: {value!r} cannot be sent; use printable ASCII characters")
    return value

"""``Invoke``, the only call that may take long: a synchronous one waits for the execution's end."""

from __future__ import annotations

import re

from starlette.responses import Response

from durable_execution_sdk.emulator.control_plane import (
    SYNCHRONOUS_MILLISECONDS,
    WaitingInvoke,
    begin,
    finish,
)
from durable_execution_sdk.engine.rejections import invalid
from durable_execution_sdk.protocol.control_plane import (
    InvocationType,
    InvokeRequest,
    InvokeResponse,
)
from durable_execution_sdk.server.backend import Backend
from durable_execution_sdk.server.request import Incoming

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")


async def invoke(backend: Backend, incoming: Incoming) -> Response:
    """Start an execution, or find the one of this name; a synchronous call waits until it has ended."""
    request = _request(incoming)
    if request.invocation_type is not InvocationType.REQUEST_RESPONSE:
        return _answer(await _outcome(backend, request, is_functions=False))
    is_functions = backend.is_functions(incoming.headers.get("x-amzn-trace-id"))
    async with backend.waiting_call(is_functions=is_functions):
        return _answer(await _outcome(backend, request, is_functions=is_functions))


async def _outcome(
    backend: Backend, request: InvokeRequest, *, is_functions: bool
) -> InvokeResponse:
    run = backend.run_nested if is_functions else backend.run_long
    outcome = await run(begin, backend.driver, request)
    if isinstance(outcome, WaitingInvoke):
        await backend.waiters.wait(outcome.arn, seconds=SYNCHRONOUS_MILLISECONDS / 1000)
        outcome = await backend.run(finish, backend.emulator, outcome)
    return outcome


def _request(incoming: Incoming) -> InvokeRequest:
    headers = incoming.headers
    type_name = headers.get("x-amz-invocation-type") or InvocationType.REQUEST_RESPONSE
    try:
        invocation_type = InvocationType(type_name)
    except ValueError as error:
        type_names = ", ".join(InvocationType)
        raise invalid(
            f"X-Amz-Invocation-Type is one of {type_names}, not {type_name!r}."
        ) from error
    return InvokeRequest(
        function_name=incoming.path["FunctionName"],
        payload=incoming.body,
        qualifier=incoming.text("Qualifier"),
        invocation_type=invocation_type,
        durable_execution_name=headers.get("x-amz-durable-execution-name"),
        tenant_id=headers.get("x-amz-tenant-id"),
        trace_header=headers.get("x-amzn-trace-id") or _trace_header(headers.get("traceparent")),
    )


def _trace_header(traceparent: str | None) -> str | None:
    """Return W3C's header of a caller as the ``X-Amzn-Trace-Id`` that the function gets."""
    match = _TRACEPARENT.fullmatch(traceparent or "")
    if match is None:
        return None
    trace, parent, flags = match[1], match[2], int(match[3], 16)
    return f"Root=1-{trace[:8]}-{trace[8:]};Parent={parent};Sampled={flags & 1}"


def _answer(response: InvokeResponse) -> Response:
    headers = {
        "X-Amz-Durable-Execution-Arn": response.durable_execution_arn,
        "X-Amz-Executed-Version": response.executed_version,
        "X-Amz-Function-Error": response.function_error,
    }
    return Response(
        response.payload,
        response.status_code,
        {name: value for name, value in headers.items() if value is not None},
        "application/json",
    )

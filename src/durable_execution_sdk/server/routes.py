"""The table of API operations that are served: name, method, path and endpoint.

A path variable is one segment of the raw path. ARNs and callback ids contain encoded slashes, so the
path is split first, and its segments are decoded afterwards.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from starlette.responses import Response

from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.engine.rejections import invalid
from durable_execution_sdk.server import control_plane, data_plane, functions
from durable_execution_sdk.server.backend import Backend
from durable_execution_sdk.server.error_mapping import unknown_operation
from durable_execution_sdk.server.invoke_endpoint import invoke
from durable_execution_sdk.server.request import Incoming

Endpoint = Callable[[Backend, Incoming], Awaitable[Response]]


class Route(NamedTuple):
    """One operation of the API; ``template`` is the path as the service's model writes it."""

    operation: str
    method: str
    template: str
    endpoint: Endpoint


def _quick(endpoint: Callable[[Emulator, Incoming], Response]) -> Endpoint:
    async def run(backend: Backend, incoming: Incoming) -> Response:
        return await backend.run(endpoint, backend.emulator, incoming)

    return run


_EXECUTION = "/2025-12-01/durable-executions/{DurableExecutionArn}"
_FUNCTIONS = "/2015-03-31/functions"
_CALLBACK = "/2025-12-01/durable-execution-callbacks/{CallbackId}"

ROUTES = (
    Route(
        "CheckpointDurableExecution",
        "POST",
        f"{_EXECUTION}/checkpoint",
        _quick(data_plane.checkpoint),
    ),
    Route(
        "GetDurableExecutionState",
        "GET",
        f"{_EXECUTION}/state",
        _quick(data_plane.get_state),
    ),
    Route(
        "Invoke",
        "POST",
        f"{_FUNCTIONS}/{{FunctionName}}/invocations",
        invoke,
    ),
    Route(
        "GetFunction",
        "GET",
        f"{_FUNCTIONS}/{{FunctionName}}",
        _quick(functions.get_function),
    ),
    Route(
        "ListFunctions",
        "GET",
        _FUNCTIONS,
        _quick(functions.list_functions),
    ),
    Route(
        "ListVersionsByFunction",
        "GET",
        f"{_FUNCTIONS}/{{FunctionName}}/versions",
        _quick(functions.list_versions),
    ),
    Route(
        "ListAliases",
        "GET",
        f"{_FUNCTIONS}/{{FunctionName}}/aliases",
        _quick(functions.list_aliases),
    ),
    Route(
        "GetDurableExecution",
        "GET",
        _EXECUTION,
        _quick(control_plane.describe),
    ),
    Route(
        "GetDurableExecutionHistory",
        "GET",
        f"{_EXECUTION}/history",
        _quick(control_plane.history),
    ),
    Route(
        "ListDurableExecutionsByFunction",
        "GET",
        "/2025-12-01/functions/{FunctionName}/durable-executions",
        _quick(control_plane.list_executions),
    ),
    Route(
        "StopDurableExecution",
        "POST",
        f"{_EXECUTION}/stop",
        _quick(control_plane.stop),
    ),
    Route(
        "PauseDurableExecution",
        "POST",
        f"{_EXECUTION}/pause",
        _quick(control_plane.pause),
    ),
    Route(
        "ResumeDurableExecution",
        "POST",
        f"{_EXECUTION}/resume",
        _quick(control_plane.resume),
    ),
    Route(
        "DeleteDurableExecution",
        "DELETE",
        _EXECUTION,
        _quick(control_plane.delete),
    ),
    Route(
        "SendDurableExecutionCallbackSuccess",
        "POST",
        f"{_CALLBACK}/succeed",
        _quick(control_plane.callback_success),
    ),
    Route(
        "SendDurableExecutionCallbackFailure",
        "POST",
        f"{_CALLBACK}/fail",
        _quick(control_plane.callback_failure),
    ),
    Route(
        "SendDurableExecutionCallbackHeartbeat",
        "POST",
        f"{_CALLBACK}/heartbeat",
        _quick(control_plane.callback_heartbeat),
    ),
)


def find_route(method: str, raw_path: bytes) -> tuple[Route, dict[str, str]]:
    """Find the route of a request, and the decoded variables of its path."""
    segments = raw_path.decode("latin-1").split("/")
    for route in ROUTES:
        if route.method == method:
            variables = match_segments(route.template.split("/"), segments)
            if variables is not None:
                return route, variables
    raise unknown_operation(method, raw_path.decode("latin-1"))


def match_segments(template: list[str], segments: list[str]) -> dict[str, str] | None:
    """Return the decoded variables of a path that fits a template, by name; ``None`` if it does not fit."""
    if len(template) != len(segments):
        return None
    variables: dict[str, str] = {}
    for pattern, segment in zip(template, segments, strict=True):
        if pattern.startswith("{"):
            variables[pattern.strip("{}")] = _decoded(segment)
        elif pattern != segment:
            return None
    return variables


def _decoded(segment: str) -> str:
    try:
        return unquote_to_bytes(segment).decode()
    except UnicodeDecodeError as error:
        raise invalid(f"The path is not percent-encoded UTF-8: {segment!r}") from error

"""The ASGI application that serves the durable API."""

from __future__ import annotations

import re
from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from durable_execution_sdk.emulator.ids import unique_id
from durable_execution_sdk.protocol.limits import MAX_SYNCHRONOUS_PAYLOAD_BYTES
from durable_execution_sdk.server.backend import Backend
from durable_execution_sdk.server.error_mapping import refusal
from durable_execution_sdk.server.request import Incoming
from durable_execution_sdk.server.request_body import read_body
from durable_execution_sdk.server.routes import find_route

# Every path of Lambda's API begins with the date of its version.
_VERSIONED = re.compile(rb"/\d{4}-\d{2}-\d{2}/")


def application(
    backend: Backend,
    *,
    routes: Sequence[BaseRoute] = (),
    middleware: Sequence[Middleware] = (),
) -> Starlette:
    """Build an ASGI application that serves the durable API; requests need no signature.

    ``routes`` are served beside the API.
    """
    return Starlette(routes=[DurableApi(backend), *routes], middleware=middleware)


class DurableApi(BaseRoute):
    """One route for all of Lambda's API. It matches the raw path, in which `%2F` is not yet a slash."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        limits = backend.emulator.limits
        # Never less than the largest checkpoint request, also where events are limited to less.
        self._most_bytes = max(limits.synchronous_payload_bytes, MAX_SYNCHRONOUS_PAYLOAD_BYTES)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match every path of Lambda's API, also those of operations that are not served."""
        is_ours = scope["type"] == "http" and _VERSIONED.match(scope["raw_path"])
        return (Match.FULL if is_ours else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; every exception becomes an error response."""
        try:
            response = await self._answer(Request(scope, receive))
        except ClientDisconnect:
            return
        except Exception as error:
            response = refusal(error)
        response.headers["x-amzn-RequestId"] = unique_id()
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        route, variables = find_route(request.method, request.scope["raw_path"])
        incoming = Incoming(
            path=variables,
            query=request.query_params,
            headers=request.headers,
            body=await read_body(request, self._most_bytes),
        )
        return await route.endpoint(self._backend, incoming)

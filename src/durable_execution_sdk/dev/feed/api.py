"""The routes under ``/_durable``: JSON of executions, callbacks and functions, and streams of changes.

All of them read. What changes an execution is a call of Lambda's API, or a command on the store.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from pathlib import Path

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from durable_execution_sdk.dev.feed.changes import Changes
from durable_execution_sdk.dev.feed.documents import FeedDocuments
from durable_execution_sdk.dev.feed.queries import Queries
from durable_execution_sdk.dev.feed.streams import Streams
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.server.backend import Backend
from durable_execution_sdk.server.error_mapping import refusal
from durable_execution_sdk.server.request import Incoming
from durable_execution_sdk.server.responses import json_answer
from durable_execution_sdk.server.routes import match_segments

__all__ = ["FeedRoutes"]

_PREFIX = b"/_durable/"
_EXECUTION = "/_durable/executions/{Execution}"

_Answer = Callable[[Incoming], Awaitable[Response]]


class FeedRoutes:
    """The routes of a server over a SQLite store at ``store``."""

    def __init__(self, emulator: Emulator, changes: Changes, store: Path) -> None:
        self._emulator = emulator
        self._changes = changes
        self._documents = FeedDocuments(emulator, store)

    def bound_to(self, backend: Backend) -> Sequence[BaseRoute]:
        """Return the routes, which call the emulator in the threads of a backend."""
        streams = Streams(backend, self._emulator, self._changes, self._documents)
        return [
            _FeedRoute(backend, Queries(self._emulator, self._changes, self._documents), streams)
        ]


class _FeedRoute(BaseRoute):
    """One route for all of these paths. It matches the raw path, in which `%2F` is not yet a slash."""

    def __init__(self, backend: Backend, queries: Queries, streams: Streams) -> None:
        self._backend = backend
        self._queries = queries
        self._streams = streams
        self._table: tuple[tuple[str, _Answer], ...] = (
            ("/_durable/executions", self._quick(queries.executions)),
            (_EXECUTION, self._quick(queries.execution)),
            (f"{_EXECUTION}/payload", self._quick(queries.payload)),
            (f"{_EXECUTION}/events", self._execution_events),
            ("/_durable/callbacks", self._quick(queries.callbacks)),
            ("/_durable/functions", self._quick(queries.functions)),
            ("/_durable/events", self._events),
        )

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match every path under ``/_durable/``."""
        is_ours = scope["type"] == "http" and scope["raw_path"].startswith(_PREFIX)
        return (Match.FULL if is_ours else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; every exception becomes an error response."""
        try:
            response = await self._answer(Request(scope, receive))
        except Exception as error:
            response = refusal(error)
        response.headers["Cache-Control"] = "no-store"
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        path = request.scope["raw_path"].decode("latin-1")
        for template, answer in self._table:
            variables = match_segments(template.split("/"), path.split("/"))
            if variables is not None:
                if request.method not in {"GET", "HEAD"}:
                    raise ServiceError(
                        f"{template} is read with GET; executions are changed through Lambda's API.",
                        code="MethodNotAllowedException",
                        status=405,
                    )
                incoming = Incoming(
                    path=variables, query=request.query_params, headers=request.headers, body=b""
                )
                return await answer(incoming)
        raise ServiceError(
            f"There is nothing at {path}.", code="ResourceNotFoundException", status=404
        )

    def _quick(self, query: Callable[[Incoming], object]) -> _Answer:
        async def answer(incoming: Incoming) -> Response:
            document = await self._backend.run(query, incoming)
            return json_answer(msgspec.json.encode(document))

        return answer

    async def _events(self, incoming: Incoming) -> Response:
        since = _since(incoming)
        return _stream(self._streams.all_executions(since))

    async def _execution_events(self, incoming: Incoming) -> Response:
        arn = await self._backend.run(self._queries.arn, incoming)
        return _stream(self._streams.one_execution(arn, _since(incoming) or 0))


def _since(incoming: Incoming) -> int | None:
    """Return the number after which a stream begins; a browser that connects again sends a header."""
    text = incoming.headers.get("last-event-id") or incoming.text("since")
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise ServiceError(
            f"since is the id of a message, a whole number, not {text!r}.",
            code="InvalidParameterValueException",
            status=400,
        )
    return int(text)


def _stream(messages: AsyncGenerator[str]) -> Response:
    async def closed_at_the_end() -> AsyncGenerator[str]:
        async with aclosing(messages):
            async for message in messages:
                yield message

    return StreamingResponse(closed_at_the_end(), media_type="text/event-stream")

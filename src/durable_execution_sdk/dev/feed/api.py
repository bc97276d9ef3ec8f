"""The routes under ``/_durable``: JSON of executions, callbacks and functions, streams of changes, and actions.

The actions are those that Lambda's API has no call for.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from durable_execution_sdk.dev.answers import MisfitError
from durable_execution_sdk.dev.feed.about import TellAbout
from durable_execution_sdk.dev.feed.actions import Actions
from durable_execution_sdk.dev.feed.changes import Changes
from durable_execution_sdk.dev.feed.documents import FeedDocuments
from durable_execution_sdk.dev.feed.position import Position
from durable_execution_sdk.dev.feed.process_view import ProcessView
from durable_execution_sdk.dev.feed.queries import Queries
from durable_execution_sdk.dev.feed.streams import Streams
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.engine.rejections import invalid
from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.server.backend import Backend
from durable_execution_sdk.server.error_mapping import refusal
from durable_execution_sdk.server.request import Incoming
from durable_execution_sdk.server.request_body import read_body
from durable_execution_sdk.server.responses import json_answer
from durable_execution_sdk.server.routes import match_segments

__all__ = ["FeedRoutes"]

_PREFIX = b"/_durable/"
_EXECUTION = "/_durable/executions/{Execution}"
_FUNCTION = "/_durable/functions/{Function}"
_CALLBACK = "/_durable/callbacks/{Callback}"
_MOST_BYTES = 8 << 20
"""Largest body of an action: inputs and results of operations are in it."""

_Answer = Callable[[Incoming], Awaitable[Response]]


class FeedRoutes:
    """The routes of a server. One without a SQLite ``store`` only reads: it has no actions."""

    def __init__(
        self,
        emulator: Emulator,
        changes: Changes,
        processes: ProcessView,
        about: TellAbout,
        store: Path | None = None,
    ) -> None:
        self._emulator = emulator
        self._changes = changes
        self._processes = processes
        self._about = about
        self._store = store
        self._documents = FeedDocuments(emulator, processes)

    def bound_to(self, backend: Backend) -> Sequence[BaseRoute]:
        """Return the routes, which call the emulator in the threads of a backend."""
        emulator, changes, processes = self._emulator, self._changes, self._processes
        queries = Queries(emulator, changes, self._documents, processes, self._about)
        streams = Streams(backend, emulator, changes, self._documents, processes, self._about)
        route = _FeedRoute(backend, queries, streams)
        if self._store is not None:
            route.add_actions(Actions(emulator, changes, processes, self._store))
        return [route]


class _Entry(NamedTuple):
    method: str
    template: str
    answer: _Answer


class _FeedRoute(BaseRoute):
    """One route for all of these paths. It matches the raw path, in which `%2F` is not yet a slash."""

    def __init__(self, backend: Backend, queries: Queries, streams: Streams) -> None:
        self._backend = backend
        self._queries = queries
        self._streams = streams
        self._table = [
            _Entry("GET", "/_durable/server", self._quick(queries.server)),
            _Entry("GET", "/_durable/executions", self._quick(queries.executions)),
            _Entry("GET", _EXECUTION, self._quick(queries.execution)),
            _Entry("GET", f"{_EXECUTION}/payload", self._quick(queries.payload)),
            _Entry("GET", f"{_EXECUTION}/attempts", self._quick(queries.attempts)),
            _Entry("GET", f"{_EXECUTION}/source", self._quick(queries.source)),
            _Entry("GET", f"{_EXECUTION}/logs", self._quick(queries.logs)),
            _Entry("GET", f"{_EXECUTION}/events", self._execution_events),
            _Entry("GET", "/_durable/callbacks", self._quick(queries.callbacks)),
            _Entry("GET", _CALLBACK, self._quick(queries.callback)),
            _Entry("GET", "/_durable/functions", self._quick(queries.functions)),
            _Entry("GET", f"{_FUNCTION}/inputs", self._quick(queries.inputs)),
            _Entry("GET", "/_durable/time", self._quick(queries.time)),
            _Entry("GET", "/_durable/events", self._events),
        ]

    def add_actions(self, actions: Actions) -> None:
        """Add the routes of a server on which executions can be changed."""
        self._table += [
            _Entry("POST", f"{_CALLBACK}/succeed", self._quick(actions.succeed)),
            _Entry("POST", f"{_FUNCTION}/versions", self._slow(actions.publish)),
            _Entry("POST", f"{_EXECUTION}/fork", self._quick(actions.fork)),
            _Entry("POST", f"{_EXECUTION}/rerun", self._quick(actions.rerun)),
            _Entry("GET", f"{_EXECUTION}/time", self._quick(actions.time)),
            _Entry("POST", f"{_EXECUTION}/time", self._quick(actions.set_time)),
            _Entry("POST", f"{_EXECUTION}/crash", self._quick(actions.crash)),
            _Entry("POST", f"{_EXECUTION}/accept-code", self._quick(actions.accept_code)),
            _Entry("POST", f"{_EXECUTION}/send", self._quick(actions.send)),
        ]

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match every path under ``/_durable/``."""
        is_ours = scope["type"] == "http" and scope["raw_path"].startswith(_PREFIX)
        return (Match.FULL if is_ours else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; every exception becomes an error response."""
        try:
            response = await self._answer(Request(scope, receive))
        except Exception as error:
            mistakes = error.mistakes if isinstance(error, MisfitError) else ()
            response = refusal(error, mistakes=mistakes)
        response.headers["Cache-Control"] = "no-store"
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        path = request.scope["raw_path"].decode("latin-1")
        method = "GET" if request.method == "HEAD" else request.method
        allowed: list[str] = []
        for entry in self._table:
            variables = match_segments(entry.template.split("/"), path.split("/"))
            if variables is None:
                continue
            if entry.method == method:
                body = b"" if method == "GET" else await read_body(request, _MOST_BYTES)
                incoming = Incoming(
                    path=variables, query=request.query_params, headers=request.headers, body=body
                )
                return await entry.answer(incoming)
            allowed.append(entry.method)
        if allowed:
            raise ServiceError(
                f"{path} takes {' and '.join(allowed)}, not {request.method}; executions are stopped,"
                " paused, deleted and answered through Lambda's API.",
                code="MethodNotAllowedException",
                status=405,
            )
        raise ServiceError(
            f"There is nothing at {path}.", code="ResourceNotFoundException", status=404
        )

    def _quick(self, query: Callable[[Incoming], object]) -> _Answer:
        async def answer(incoming: Incoming) -> Response:
            document = await self._backend.run(query, incoming)
            return json_answer(msgspec.json.encode(document))

        return answer

    def _slow(self, action: Callable[[Incoming], object]) -> _Answer:
        async def answer(incoming: Incoming) -> Response:
            document = await self._backend.run_long(action, incoming)
            return json_answer(msgspec.json.encode(document))

        return answer

    async def _events(self, incoming: Incoming) -> Response:
        since = _since(incoming)
        watched = await self._backend.run(self._queries.watched, incoming)
        return _stream(self._streams.all_executions(since, watched))

    async def _execution_events(self, incoming: Incoming) -> Response:
        arn = await self._backend.run(self._queries.arn, incoming)
        text = _place(incoming)
        since = Position() if text is None else Position.read(text)
        return _stream(self._streams.one_execution(arn, since))


def _place(incoming: Incoming) -> str | None:
    """Return the place after which a stream begins; a browser that connects again sends a header."""
    return incoming.headers.get("last-event-id") or incoming.text("since")


def _since(incoming: Incoming) -> int | None:
    """Return the number after which the stream of all executions begins."""
    text = _place(incoming)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise invalid(f"since is the id of a message, a whole number, not {text!r}.")
    return int(text)


def _stream(messages: AsyncGenerator[str]) -> Response:
    async def closed_at_the_end() -> AsyncGenerator[str]:
        async with aclosing(messages):
            async for message in messages:
                yield message

    return StreamingResponse(closed_at_the_end(), media_type="text/event-stream")

"""Lambda's Runtime API on an address of its own for each worker, as a runtime client speaks it.

Every answer is one write: with two, the second would wait for the acknowledgement of the first.
"""

from __future__ import annotations

import asyncio
import re
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

import h11
import msgspec

from durable_execution_sdk.dev.functions.exchange import Exchange, Handover
from durable_execution_sdk.dev.functions.records import NOTES_PATH, RUN_NOTES_PATH
from durable_execution_sdk.emulator.functions.invokers import Answer
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.limits import MAX_RESPONSE_BYTES
from durable_execution_sdk.server.access import reason_against_page

_PREFIX = "/2018-06-01/runtime"
_RESULT = re.compile(rf"{_PREFIX}/invocation/([^/]+)/(response|error)")

# The response may be refused for its size only when it has been read.
_MOST_BYTES = 4 * MAX_RESPONSE_BYTES
_HEADER_BYTES = 1024 * 1024

_UNFIT = re.compile(r"[^ -~]")

Notes = Callable[[str, bytes], None]


class RuntimeApi:
    """One worker's listener."""

    def __init__(self, exchange: Exchange, on_notes: Notes) -> None:
        self._exchange = exchange
        self._on_notes = on_notes
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> str:
        """Accept connections; return the address, the value of ``AWS_LAMBDA_RUNTIME_API``."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def close(self) -> None:
        """Close the listener and its connections."""
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEADER_BYTES)
        try:
            while await self._serve_one(connection, reader, writer):
                pass
        except (h11.RemoteProtocolError, ConnectionError, asyncio.CancelledError):
            pass  # The client is gone or speaks no HTTP, or the worker is being ended.
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve_one(
        self, connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Answer one request; ``False`` at the end of the connection."""
        request = await _next_event(connection, reader, writer)
        if not isinstance(request, h11.Request):
            return False
        body = bytearray()
        while isinstance(event := await _next_event(connection, reader, writer), h11.Data):
            body += event.data
            if len(body) > _MOST_BYTES:
                return False
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers
        }
        reason = reason_against_page(headers)
        reply: _Reply | None
        if reason is not None:
            reply = _refusal(403, "AccessDenied", reason)
        else:
            target = request.target.decode("latin-1").partition("?")[0]
            method = request.method.decode()
            reply = await self._reply(method, target, headers, bytes(body), reader.at_eof)
        if reply is None:
            return False
        status, extra, content = reply
        fields = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(content))),
            *extra.items(),
        ]
        response = h11.Response(status_code=status, headers=fields)
        data = [response, h11.Data(data=content), h11.EndOfMessage()]
        writer.write(b"".join(connection.send(part) or b"" for part in data))
        await writer.drain()
        if connection.our_state is h11.MUST_CLOSE:
            return False
        connection.start_next_cycle()
        return True

    async def _reply(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        is_gone: Callable[[], bool],
    ) -> _Reply | None:
        exchange = self._exchange
        if method == "GET" and path == f"{_PREFIX}/invocation/next":
            handover = await exchange.take(is_gone)
            return None if handover is None else _invocation(handover)
        if method != "POST":
            return _refusal(404, "NotFound", f"there is no {method} {path} here")
        if path in (NOTES_PATH, RUN_NOTES_PATH):
            self._on_notes(path, body)
            return _ACCEPTED
        if path == f"{_PREFIX}/init/error":
            exchange.init_error = _error_object(body, headers)
            return _ACCEPTED
        match = _RESULT.fullmatch(path)
        if match is None:
            return _refusal(404, "NotFound", f"there is no {method} {path} here")
        return self._take_answer(match[1], match[2], headers, body)

    def _take_answer(
        self, request_id: str, kind: str, headers: Mapping[str, str], body: bytes
    ) -> _Reply:
        if kind == "error":
            answer = Answer(error=_error_object(body, headers))
        elif len(body) > MAX_RESPONSE_BYTES:
            error = _too_large(len(body))
            self._exchange.answer(request_id, Answer(error=error))
            return _refusal(413, "RequestEntityTooLarge", error.error_message or "")
        else:
            answer = Answer(payload=body)
        if not self._exchange.answer(request_id, answer):
            return _refusal(
                400, "InvalidRequestID", f"{request_id} is not the invocation that this worker has"
            )
        return _ACCEPTED


_Reply = tuple[int, Mapping[str, str], bytes]
_ACCEPTED: _Reply = 202, {}, b'{"status":"OK"}\n'


async def _next_event(
    connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> object:
    while (event := connection.next_event()) is h11.NEED_DATA:
        if connection.they_are_waiting_for_100_continue:
            go_on = h11.InformationalResponse(status_code=100, headers=[])
            writer.write(connection.send(go_on) or b"")
        connection.receive_data(await reader.read(256 * 1024))
    return event


def _invocation(handover: Handover) -> _Reply:
    call = handover.call
    headers = {
        "Lambda-Runtime-Aws-Request-Id": call.request_id,
        "Lambda-Runtime-Deadline-Ms": str(time.time_ns() // 1_000_000 + handover.milliseconds),
        "Lambda-Runtime-Invoked-Function-Arn": call.function_arn,
        "Lambda-Runtime-Trace-Id": handover.trace_header,
    }
    if call.tenant_id is not None:
        headers["Lambda-Runtime-Aws-Tenant-Id"] = call.tenant_id
    # A caller may have sent a value that no header can have.
    fit = {name: _UNFIT.sub("?", value) for name, value in headers.items()}
    return 200, fit, call.payload or b"{}"


class _Failure(msgspec.Struct, kw_only=True, rename="camel"):
    """An error as runtime clients post it."""

    error_type: str | None = None
    error_message: str | None = None
    stack_trace: list[object] | None = None


def _error_object(body: bytes, headers: Mapping[str, str]) -> ErrorObject:
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        failure = msgspec.json.decode(body, type=_Failure)
        # Some clients post frames as lists of their parts.
        trace = [line if isinstance(line, str) else str(line) for line in failure.stack_trace or ()]
        return ErrorObject(
            error_type=failure.error_type or headers.get("lambda-runtime-function-error-type"),
            error_message=failure.error_message,
            stack_trace=trace or None,
        )
    return ErrorObject(
        error_type=headers.get("lambda-runtime-function-error-type") or "Runtime.Unknown",
        error_message=body.decode(errors="replace"),
    )


def _too_large(size: int) -> ErrorObject:
    """Return the error of an invocation with a response over the limit."""
    return ErrorObject(
        error_type="Function.ResponseSizeTooLarge",
        error_message=(
            f"Response payload size ({size} bytes) exceeded maximum allowed payload size"
            f" ({MAX_RESPONSE_BYTES} bytes)."
        ),
    )


def _refusal(status: int, kind: str, message: str) -> _Reply:
    return status, {}, msgspec.json.encode({"errorType": kind, "errorMessage": message})

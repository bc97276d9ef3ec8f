"""The head of a request, read within bounds of size, number and time; its rest, asked for at once; its answer.

uvicorn bounds the size of a head that is not complete, and how long a connection may be idle between two
requests. It does not bound the time that a head takes: a client that sends a byte now and then keeps its
connection open for good, and a few hundred of them use up the descriptors of the process.

Many clients send head and body apart, and by Nagle's algorithm their kernel keeps the body back until the
head is acknowledged. The kernel here delays acknowledgements by up to 40 ms, to send them with the answer.
That is 40 ms for each checkpoint of such a client, so a part of a request is acknowledged at once.

A client that does not read its answer would keep its connection open for good, and the server, which closes
when all answers are on their way. So a connection on which nothing moves any more is cut.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence

from starlette.types import Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

from durable_execution_sdk.errors import ServiceError

HEAD_SECONDS = 20.0
"""Seconds that the head of a request may take, from its first byte or from the connection's start."""

ANSWER_SECONDS = 20.0
"""Seconds for which a client may take nothing of an answer that is ready."""

# Only Linux has it; elsewhere acknowledgements are delayed.
_QUICK_ACK: int | None = getattr(socket, "TCP_QUICKACK", None)

MOST_HEADERS = 100
MOST_HEAD_BYTES = 32 * 1024

_TOO_LATE = (
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n"
    b"x-amzn-errortype: RequestTimeoutException\r\n\r\n"
)


class BoundedHeads(H11Protocol):
    """One connection, closed when the head of a request does not come or its answer is not taken."""

    _alarm: asyncio.TimerHandle | None = None
    _stuck: asyncio.TimerHandle | None = None
    _is_silent = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first head."""
        super().connection_made(transport)
        # So writing is paused for as long as anything is left to be sent.
        transport.set_write_buffer_limits(high=0)
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        """Read on, see if a head is complete, or has begun, and acknowledge a part of a request at once."""
        self._is_silent = False
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self._stop_waiting()
        elif (before is None or before.response_complete) and self._alarm is None:
            self._wait_for_head()
        cycle = self.cycle
        if cycle is None or cycle.response_complete or cycle.more_body:
            self._acknowledge()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._stop_waiting()
        self._stop_watching()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Note that the client does not read as fast as the answer is written."""
        super().pause_writing()
        self._watch_reader()

    def resume_writing(self) -> None:
        """Go on: the client has taken all that was written."""
        super().resume_writing()
        self._stop_watching()

    def _watch_reader(self) -> None:
        left = self.transport.get_write_buffer_size()
        self._stuck = self.loop.call_later(ANSWER_SECONDS, self._check_reader, left)

    def _stop_watching(self) -> None:
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None

    def _check_reader(self, before: int) -> None:
        if self.transport.get_write_buffer_size() < before:
            self._watch_reader()
        else:
            self.transport.abort()

    def _acknowledge(self) -> None:
        connection = self.transport.get_extra_info("socket")
        if _QUICK_ACK is not None and connection is not None and not self.transport.is_closing():
            # The kernel forgets it with the next answer.
            connection.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)

    def _wait_for_head(self) -> None:
        self._alarm = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _stop_waiting(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _give_up(self) -> None:
        self._alarm = None
        if not self.transport.is_closing():
            if not self._is_silent:
                self.transport.write(_TOO_LATE)
            self.transport.close()


def check_head(scope: Scope) -> ServiceError | None:
    """Return the refusal of a request with too many headers, or a head that is too large."""
    headers: Sequence[tuple[bytes, bytes]] = scope["headers"]
    size = len(scope["raw_path"]) + len(scope["query_string"])
    size += sum(len(name) + len(value) for name, value in headers)
    if len(headers) <= MOST_HEADERS and size <= MOST_HEAD_BYTES:
        return None
    return ServiceError(
        f"The request has {len(headers)} headers, and {size:,} bytes of headers and address; at most"
        f" {MOST_HEADERS} and {MOST_HEAD_BYTES:,} are read.",
        code="RequestHeaderFieldsTooLargeException",
        status=431,
    )

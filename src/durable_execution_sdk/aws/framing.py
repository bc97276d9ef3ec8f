"""HTTP/1.1 messages as bytes: render requests, parse responses. No I/O.

The part of RFC 9112 that the Lambda API needs: one request at a time, no pipelining, no upgrades, no
content coding (none is requested).
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

__all__ = ["HttpResponse", "MalformedResponseError", "ResponseReader", "render_request"]

_END_OF_HEAD = b"\r\n\r\n"
_LARGEST_HEAD = 256 * 1024
LARGEST_BODY = 64 * 1024 * 1024
"""Largest accepted body: ten times Lambda's largest response."""

_MOST_DIGITS = 20
_WITHOUT_BODY = frozenset({204, 304})


class MalformedResponseError(Exception):
    """The received bytes are not an HTTP/1.x response, or the response is incomplete."""


class HttpResponse(msgspec.Struct, frozen=True, kw_only=True):
    """A complete response; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes = b""


def render_request(*, method: str, target: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """Return a request as bytes, with a ``Content-Length`` header."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    head = f"{method} {target} HTTP/1.1\r\n{lines}content-length: {len(body)}\r\n\r\n"
    return head.encode("latin-1") + body


class ResponseReader:
    """Incremental parser of one response.

    ``began``: some bytes were received. ``reusable``: the connection may be used for another request.
    """

    def __init__(self) -> None:
        self.began = False
        self.reusable = False
        self._pending = bytearray()
        self._status = 0
        self._headers: dict[str, str] = {}
        self._length: int | None = None
        self._chunked = False
        self._chunks: list[bytes] = []
        self._size = 0
        self._in_trailers = False

    def feed(self, data: bytes) -> HttpResponse | None:
        """Parse received bytes (empty: the peer closed); return the response once it is complete.

        Raises ``MalformedResponseError``.
        """
        if not data:
            return self._finish_at_end()
        self.began = True
        self._pending += data
        while not self._status:
            if not self._read_head():
                return None
        if self._chunked:
            return self._read_chunks()
        if self._length is None or len(self._pending) < self._length:
            _check_size(len(self._pending))
            return None
        body = bytes(self._pending[: self._length])
        del self._pending[: self._length]
        return self._response(body)

    def _read_head(self) -> bool:
        """Parse one head; skip interim ones (100, 103). Return False if it is incomplete."""
        end = self._pending.find(_END_OF_HEAD)
        if end < 0:
            if len(self._pending) > _LARGEST_HEAD:
                raise MalformedResponseError("the response's headers do not end")
            return False
        status, version, headers = _parse_head(self._pending[:end].decode("latin-1"))
        del self._pending[: end + len(_END_OF_HEAD)]
        if 100 <= status < 200:
            return True
        self._status, self._headers = status, headers
        connection = headers.get("connection", "").lower()
        self.reusable = "close" not in connection and (
            version == "1.1" or "keep-alive" in connection
        )
        if status in _WITHOUT_BODY:
            self._length = 0
        elif "transfer-encoding" in headers:
            self._chunked = headers["transfer-encoding"].lower() == "chunked"
            if not self._chunked:
                raise MalformedResponseError(
                    f"transfer-encoding {headers['transfer-encoding']!r} was not asked for"
                )
        elif "content-length" in headers:
            self._length = _number(headers["content-length"], base=10)
            _check_size(self._length)
        return True

    def _read_chunks(self) -> HttpResponse | None:
        at = 0
        pending = self._pending
        while True:
            line_end = pending.find(b"\r\n", at)
            if line_end < 0:
                if len(pending) - at > _LARGEST_HEAD:
                    raise MalformedResponseError("a line between chunks does not end")
                break
            line = pending[at:line_end]
            if self._in_trailers:
                at = line_end + 2
                if not line:
                    del pending[:at]
                    return self._response(b"".join(self._chunks))
                continue
            size = _number(line.partition(b";")[0].strip().decode("latin-1"), base=16)
            start = line_end + 2
            _check_size(self._size + size)
            if size == 0:
                self._in_trailers = True
                at = start
                continue
            if len(pending) < start + size + 2:
                break
            if not pending.startswith(b"\r\n", start + size):
                raise MalformedResponseError("a chunk is longer than it says")
            self._chunks.append(bytes(pending[start : start + size]))
            self._size += size
            at = start + size + 2
        del pending[:at]
        return None

    def _finish_at_end(self) -> HttpResponse | None:
        if not self._status or self._chunked or self._length is not None:
            raise MalformedResponseError("the connection was closed in the middle of the response")
        self.reusable = False
        body = bytes(self._pending)
        self._pending.clear()
        return self._response(body)

    def _response(self, body: bytes) -> HttpResponse:
        if self._pending:
            self.reusable = False
        return HttpResponse(status=self._status, headers=self._headers, body=body)


def _check_size(size: int) -> None:
    if size > LARGEST_BODY:
        raise MalformedResponseError(f"a body of more than {LARGEST_BODY:,} bytes")


def _parse_head(head: str) -> tuple[int, str, dict[str, str]]:
    status_line, *lines = head.split("\r\n")
    protocol, _, code_reason = status_line.partition(" ")
    code = code_reason[:3]
    if not protocol.startswith("HTTP/1.") or not (code.isascii() and code.isdigit()):
        raise MalformedResponseError(f"not an HTTP/1.x response: {status_line[:80]!r}")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise MalformedResponseError(f"not a header: {line[:80]!r}")
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return int(code), protocol.removeprefix("HTTP/"), headers


def _number(text: str, *, base: int) -> int:
    digits = "0123456789abcdefABCDEF" if base == 16 else "0123456789"
    if not text or text.strip(digits) or len(text) > _MOST_DIGITS:
        raise MalformedResponseError(f"not a length: {text[:80]!r}")
    return int(text, base)

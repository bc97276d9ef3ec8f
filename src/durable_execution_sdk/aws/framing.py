"""HTTP/1.1 messages as bytes: render requests, parse responses. No I/O.

The part of RFC 9112 that the Lambda API needs: one request at a time, no pipelining, no upgrades, no
content coding (none is requested).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

import msgspec

__all__ = [
    "HttpResponse",
    "MalformedResponseError",
    "ResponseReader",
    "render_head",
    "render_request",
]

_END_OF_HEAD = b"\r\n\r\n"
_LARGEST_HEAD = 256 * 1024
LARGEST_BODY = 64 * 1024 * 1024
"""Largest accepted body: ten times Lambda's largest response."""

_MOST_DIGITS = 20
_WITHOUT_BODY = frozenset({204, 304})


class MalformedResponseError(Exception):
    """The received bytes are not an HTTP/1.x response, or the response is incomplete."""


class HttpResponse(msgspec.Struct, frozen=True, kw_only=True):
    """A complete response; header names are in lower case.

    ``is_to_repetition``: the request had been sent before, on a connection that was closed without an answer.
    """

    status: int
    headers: dict[str, str]
    body: bytes = b""
    is_to_repetition: bool = False


def render_request(*, method: str, target: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """Return a request as bytes, with a ``Content-Length`` header."""
    head = render_head(method=method, target=target, headers=headers)
    return b"%b\r\ncontent-length: %d\r\n\r\n%b" % (head, len(body), body)


def render_head(*, method: str, target: str, headers: Mapping[str, str]) -> bytes:
    """Return the start of a request as bytes, up to and without the end of the last header's line."""
    lines = "".join([f"\r\n{name}: {value}" for name, value in headers.items()])
    return f"{method} {target} HTTP/1.1{lines}".encode("latin-1")


class ResponseReader:
    """Incremental parser of one response.

    ``began``: some bytes were received. ``reusable``: the connection may be used for another request.
    """

    # Defaults in the class: most responses arrive in one piece, and need few of them.
    _pending: bytes | bytearray = b""
    _status = 0
    _length: int | None = None
    _chunked = False
    _size = 0
    _in_trailers = False

    def __init__(self) -> None:
        self.began = False
        self.reusable = False

    def feed(self, data: bytes) -> HttpResponse | None:
        """Parse received bytes (empty: the peer closed); return the response once it is complete.

        Raises ``MalformedResponseError``.
        """
        if not data:
            return self._finish_at_end()
        if self.began:
            pending = self._pending
            if isinstance(pending, bytes):
                self._pending = pending = bytearray(pending)
            pending += data
        else:
            self.began = True
            self._pending = data
        while not self._status:
            if not self._read_head():
                return None
        if self._chunked:
            return self._read_chunks()
        pending, length = self._pending, self._length
        if length == len(pending):
            self._pending = b""
            return HttpResponse(status=self._status, headers=self._headers, body=bytes(pending))
        if length is None or len(pending) < length:
            _check_size(len(pending))
            return None
        body = bytes(pending[:length])
        self._drop(length)
        return self._response(body)

    def _drop(self, count: int) -> None:
        """Remove bytes from the start of what is pending."""
        pending = self._pending
        if isinstance(pending, bytes):
            self._pending = pending[count:]
        else:
            del pending[:count]

    def _read_head(self) -> bool:
        """Parse one head; skip interim ones (100, 103). Return False if it is incomplete."""
        pending = self._pending
        end = pending.find(_END_OF_HEAD)
        if end < 0:
            if len(pending) > _LARGEST_HEAD:
                raise MalformedResponseError("the response's headers do not end")
            return False
        status, version, headers = _parse_head(pending[:end].decode("latin-1"))
        self._drop(end + len(_END_OF_HEAD))
        if 100 <= status < 200:
            return True
        self._status, self._headers = status, headers
        self.reusable = version == "1.1"
        if "connection" in headers:
            connection = headers["connection"].lower()
            self.reusable = "close" not in connection and (
                self.reusable or "keep-alive" in connection
            )
        if status in _WITHOUT_BODY:
            self._length = 0
        elif "transfer-encoding" in headers:
            self._chunked = headers["transfer-encoding"].lower() == "chunked"
            self._chunks: list[bytes] = []
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
                    self._drop(at)
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
        self._drop(at)
        return None

    def _finish_at_end(self) -> HttpResponse | None:
        if not self._status or self._chunked or self._length is not None:
            raise MalformedResponseError("the connection was closed in the middle of the response")
        self.reusable = False
        body, self._pending = bytes(self._pending), b""
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
    parse_status_line: Callable[[str], tuple[int, str]] = _known_status_line
    parse_line: Callable[[str], tuple[str, str]] = _known_line
    if len(head) > _LONGEST_KNOWN_HEAD:
        parse_status_line, parse_line = _parse_status_line, _parse_line
    code, version = parse_status_line(status_line)
    headers: dict[str, str] = {}
    for line in lines:
        name, value = parse_line(line)
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return code, version, headers


def _parse_status_line(line: str) -> tuple[int, str]:
    protocol, _, code_reason = line.partition(" ")
    code = code_reason[:3]
    if not protocol.startswith("HTTP/1.") or not (code.isascii() and code.isdigit()):
        raise MalformedResponseError(f"not an HTTP/1.x response: {line[:80]!r}")
    return int(code), protocol.removeprefix("HTTP/")


def _parse_line(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name or name != name.strip():
        raise MalformedResponseError(f"not a header: {line[:80]!r}")
    return name.lower(), value.strip()


# A server sends most lines of a head with each response, so the last ones are kept, parsed.
_LONGEST_KNOWN_HEAD = 4096
_known_line = functools.lru_cache(maxsize=64)(_parse_line)
_known_status_line = functools.lru_cache(maxsize=8)(_parse_status_line)


def _number(text: str, *, base: int) -> int:
    digits = "0123456789abcdefABCDEF" if base == 16 else "0123456789"
    if not text or text.strip(digits) or len(text) > _MOST_DIGITS:
        raise MalformedResponseError(f"not a length: {text[:80]!r}")
    return int(text, base)

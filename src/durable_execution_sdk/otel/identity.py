"""Which trace and which span: functions of the execution's ARN and of what the span is about.

So every invocation knows the ids of spans that others emit, a span that is sent twice is the same
span, and nothing has to be kept between invocations.
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from hashlib import blake2b
from typing import NamedTuple, Protocol

__all__ = ["IdGenerator", "PinnedIds", "Upstream", "read_header", "span_id", "trace_id"]

# Marks a trace header that this module wrote: others may change from one invocation to the next.
_KEY = "Durable"


class Upstream(NamedTuple):
    """The span of another execution that this one continues."""

    trace_id: int
    span_id: int
    is_sampled: bool

    def header(self) -> str:
        """As an X-Amzn-Trace-Id header."""
        trace, span = f"{self.trace_id:032x}", f"{self.span_id:016x}"
        return f"Root=1-{trace[:8]}-{trace[8:]};Parent={span};Sampled={int(self.is_sampled)};{_KEY}={span}"


def trace_id(arn: str) -> int:
    """The trace of an execution that continues no other."""
    return _number(f"{arn}|trace", 16)


def span_id(arn: str, *what: object) -> int:
    """The span of a part of an execution: of an operation its id, of an invocation its request."""
    return _number("|".join((arn, *map(str, what))), 8)


def read_header(header: str | None) -> Upstream | None:
    """What ``Upstream.header`` wrote, wherever else the header has been."""
    fields: dict[str, str] = {}
    for part in (header or "").split(";"):
        key, _, value = part.strip().partition("=")
        fields[key] = value
    try:
        version, epoch, rest = fields["Root"].split("-")
        found = Upstream(
            trace_id=int(epoch + rest, 16),
            span_id=int(fields[_KEY], 16),
            is_sampled=fields.get("Sampled", "1") != "0",
        )
    except (KeyError, ValueError):
        return None
    fits = 0 < found.trace_id < 1 << 128 and 0 < found.span_id < 1 << 64
    return found if version == "1" and fits else None


class IdGenerator(Protocol):
    """What the OpenTelemetry SDK asks for ids."""

    def generate_span_id(self) -> int:
        """A span's id."""
        ...

    def generate_trace_id(self) -> int:
        """A trace's id."""
        ...

    def is_trace_id_random(self) -> bool:
        """Whether traces' ids are random."""
        ...


class PinnedIds:
    """Gives the ids that were pinned in this thread, once, and another generator's otherwise."""

    def __init__(self, other: IdGenerator) -> None:
        self._other = other
        self._local = threading.local()

    @contextmanager
    def pinned(self, trace: int, span: int) -> Generator[None, None, None]:
        """The next span has these ids."""
        self._local.ids = (trace, span)
        try:
            yield
        finally:
            self._local.ids = None

    def generate_span_id(self) -> int:
        """A span's id."""
        ids: tuple[int, int] | None = getattr(self._local, "ids", None)
        self._local.ids = None  # a processor may start spans of its own within this one
        return self._other.generate_span_id() if ids is None else ids[1]

    def generate_trace_id(self) -> int:
        """A trace's id."""
        ids: tuple[int, int] | None = getattr(self._local, "ids", None)
        return self._other.generate_trace_id() if ids is None else ids[0]

    def is_trace_id_random(self) -> bool:
        """Hashes are as good as random for a sampler, but the flag promises more."""
        return False


def _number(text: str, size: int) -> int:
    # Zero is no valid id.
    return int.from_bytes(blake2b(text.encode(), digest_size=size).digest(), "big") or 1

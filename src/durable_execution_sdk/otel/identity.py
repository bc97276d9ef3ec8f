"""Ids of traces and spans, derived from the execution's ARN and the id of the span's subject.

Every invocation can therefore compute the ids of spans that other invocations emit, a span that is
exported twice has the same id, and no ids are stored between invocations.
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from hashlib import blake2b
from typing import Protocol

__all__ = ["IdGenerator", "PinnedIds", "span_id", "trace_id"]


def trace_id(arn: str) -> int:
    """Return the trace id of an execution that does not continue another trace."""
    return _number(f"{arn}|trace", 16)


def span_id(arn: str, *part: object) -> int:
    """Return the span id of a part of an execution, identified by ``part``: an operation's id, say."""
    return _number("|".join((arn, *map(str, part))), 8)


class IdGenerator(Protocol):
    """The protocol of the OpenTelemetry SDK's id generators."""

    def generate_span_id(self) -> int:
        """Return a span id."""
        ...

    def generate_trace_id(self) -> int:
        """Return a trace id."""
        ...

    def is_trace_id_random(self) -> bool:
        """Tell whether trace ids are random, as the W3C flag of trace contexts promises."""
        ...


class PinnedIds:
    """An id generator that returns the ids pinned in this thread, once, and otherwise another's."""

    def __init__(self, other: IdGenerator) -> None:
        self._other = other
        self._local = threading.local()

    @contextmanager
    def pinned(self, trace: int, span: int) -> Generator[None, None, None]:
        """Give these ids to the next span that this thread starts."""
        self._local.ids = (trace, span)
        try:
            yield
        finally:
            self._local.ids = None

    def generate_span_id(self) -> int:
        """Return the pinned span id, or a new one."""
        ids: tuple[int, int] | None = getattr(self._local, "ids", None)
        self._local.ids = None  # a processor may start spans of its own within this one
        return self._other.generate_span_id() if ids is None else ids[1]

    def generate_trace_id(self) -> int:
        """Return the pinned trace id, or a new one."""
        ids: tuple[int, int] | None = getattr(self._local, "ids", None)
        return self._other.generate_trace_id() if ids is None else ids[0]

    def is_trace_id_random(self) -> bool:
        """Return False: the ids are hashes, which suffice for samplers but not for the flag's promise."""
        return False


def _number(text: str, size: int) -> int:
    # Zero is not a valid id.
    return int.from_bytes(blake2b(text.encode(), digest_size=size).digest(), "big") or 1

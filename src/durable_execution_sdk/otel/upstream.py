"""The trace that an execution continues, as headers name it: ``X-Amzn-Trace-Id`` and W3C's ``traceparent``."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

from opentelemetry.trace import TraceState, get_current_span

from durable_execution_sdk.plugins import InvocationInfo

__all__ = [
    "ParentReader",
    "Upstream",
    "current_header",
    "read_header",
    "read_traceparent",
    "w3c_parent",
    "xray_parent",
]

# The field of the header of an invoke that says which span is the parent if the service passes the header on as
# it is: the invoke's id, and the id of the span around the execution. Lambda puts a parent of its own there.
_KEY = "Durable"

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_MENTION = re.compile(r'"traceparent"', re.IGNORECASE)


class Upstream(NamedTuple):
    """The trace that an execution continues.

    ``span_id``: the parent; ``None`` if only the trace is named. ``is_sampled``: ``None`` if undecided.
    """

    trace_id: int
    span_id: int | None
    is_sampled: bool | None
    state: TraceState | None = None

    def header(self, around: int | None = None) -> str:
        """Write an ``X-Amzn-Trace-Id`` header; ``around`` is the span around the execution."""
        trace = f"{self.trace_id:032x}"
        fields = [f"Root=1-{trace[:8]}-{trace[8:]}"]
        if self.span_id is not None:
            fields.append(f"Parent={self.span_id:016x}")
        if self.is_sampled is not None:
            fields.append(f"Sampled={int(self.is_sampled)}")
        if self.span_id is not None and around is not None:
            fields.append(f"{_KEY}={self.span_id:016x}:{around:016x}")
        return ";".join(fields)


ParentReader = Callable[[InvocationInfo], Upstream | None]
"""A function that finds the trace above an execution, such as ``w3c_parent``; ``None`` if it has none."""


def current_header() -> str | None:
    """Write the current span as an ``X-Amzn-Trace-Id`` header; ``None`` if there is none."""
    span = get_current_span().get_span_context()
    if not span.is_valid:
        return None
    return Upstream(span.trace_id, span.span_id, span.trace_flags.sampled).header()


def xray_parent(info: InvocationInfo) -> Upstream | None:
    """Read the ``X-Amzn-Trace-Id`` header of the invocation."""
    return read_header(info.trace_header)


def w3c_parent(info: InvocationInfo) -> Upstream | None:
    """Read the W3C headers in the execution's input: ``traceparent``, at the top or in ``headers``.

    The input is the same in all invocations, and so is the trace.
    """
    text = info.execution_input
    if text is None or not _MENTION.search(text):
        return None
    try:
        event = _lower(json.loads(text, parse_int=str))  # the length of numbers is limited
    except ValueError:
        return None
    for headers in (event, _lower(event.get("headers"))):
        found = read_traceparent(headers.get("traceparent"), headers.get("tracestate"))
        if found is not None:
            return found
    return None


def read_header(header: str | None) -> Upstream | None:
    """Read an ``X-Amzn-Trace-Id`` header; ``None`` if it names no trace."""
    fields: dict[str, str] = {}
    for part in (header or "").split(";"):
        key, _, value = part.partition("=")
        fields[key.strip()] = value.strip()
    version, _, rest = fields.get("Root", "").partition("-")
    trace = _id("".join(rest.split("-")), 32) if rest.count("-") == 1 else None
    if version != "1" or trace is None:
        return None
    parent = _id(fields.get("Parent"), 16)
    invoke, _, around = fields.get(_KEY, "").partition(":")
    if parent is not None and parent == _id(invoke, 16):
        parent = _id(around, 16) or parent
    is_sampled = {"1": True, "0": False}.get(fields.get("Sampled", ""))
    return Upstream(trace, parent, is_sampled)


def read_traceparent(value: object, state: object = None) -> Upstream | None:
    """Read a ``traceparent`` header, and the ``tracestate`` beside it; ``None`` if it is not valid."""
    match = _TRACEPARENT.fullmatch(value.strip()) if isinstance(value, str) else None
    # Of later versions, the fields of version 00 are read; ff is no version.
    if match is None or match[1] == "ff" or (match[1] == "00" and match[5]):
        return None
    trace, parent = _id(match[2], 32), _id(match[3], 16)
    if trace is None or parent is None:
        return None
    states = TraceState.from_header([state]) if isinstance(state, str) else None
    return Upstream(trace, parent, bool(int(match[4], 16) & 1), states)


def _id(text: str | None, digits: int) -> int | None:
    """Return the id that hexadecimal digits write; ``None`` if they are too few or many, no digits, or zero."""
    if text is None or not re.fullmatch(f"[0-9a-fA-F]{{{digits}}}", text):
        return None
    return int(text, 16) or None


def _lower(place: Any) -> Mapping[str, Any]:
    """Return the members of a JSON object, with names in small letters; none of any other value."""
    if not isinstance(place, dict):
        return {}
    members = cast("dict[str, Any]", place)
    return {name.lower(): value for name, value in members.items()}

"""The spans of functions: attempts of steps and checks, and contexts without an operation. Both views have them."""

from __future__ import annotations

from datetime import datetime

from opentelemetry.trace import Span

from durable_execution_sdk.otel.identity import span_id
from durable_execution_sdk.otel.operation_spans import SpanTimes, identity_of, name_of
from durable_execution_sdk.otel.trace import ExecutionTrace, set_outcome
from durable_execution_sdk.plugins import AttemptInfo, InvocationInfo

__all__ = ["AttemptSpans"]


class AttemptSpans:
    """Starts and ends the spans of functions in one invocation. ``link`` is the span that all spans are linked to."""

    def __init__(self, trace: ExecutionTrace, info: InvocationInfo, link: int) -> None:
        self._trace = trace
        self._links = [link]
        self._times = SpanTimes(info)

    def operation(self, operation_id: str) -> int:
        """Return the id of the operation's span, which is the parent of its attempts."""
        raise NotImplementedError

    def _parent(self, operation_id: str | None) -> int:
        """Return the id of the span around what has this operation as its parent."""
        raise NotImplementedError

    def attempt_started(self, info: AttemptInfo) -> Span:
        """Start the span of one run of a body; two runs of the same attempt have different spans."""
        trace, number = self._trace, info.attempt or 1
        return trace.start(
            f"{name_of(info)} attempt {number}",
            span_id(trace.arn, info.id, "attempt", number, trace.run),
            trace.context(self.operation(info.id)),
            self._times.attempt_started(info),
            {**identity_of(info), "durable.attempt.number": number},
            self._links,
        )

    def attempt_ended(self, info: AttemptInfo) -> datetime:
        """Return the end of the attempt's span."""
        return self._times.attempt_ended(info)

    def virtual_context_ended(self, info: AttemptInfo) -> None:
        """Emit the span of a context without an operation."""
        parent = self._parent(info.parent_id)
        start, end = self._times.of_virtual(info)
        span = self._trace.start(
            name_of(info),
            span_id(self._trace.arn, info.id, "virtual"),
            self._trace.context(parent),
            start,
            identity_of(info),
            self._links,
        )
        set_outcome(span, info.outcome, info.error)
        self._trace.end(span, end)

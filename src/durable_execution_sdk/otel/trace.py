"""The spans of one execution that one invocation emits."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from durable_execution_sdk.otel.identity import PinnedIds, Upstream, read_header, span_id, trace_id
from durable_execution_sdk.plugins import (
    AttemptInfo,
    AttemptOutcome,
    InvocationEndInfo,
    InvocationInfo,
    InvocationStatus,
    OperationInfo,
)
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.ids import ExecutionArn
from durable_execution_sdk.protocol.operations import OperationStatus, OperationType

__all__ = ["ExecutionTrace"]

_FAILED = frozenset({OperationStatus.FAILED, OperationStatus.TIMED_OUT, OperationStatus.STOPPED})

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

Attributes = Mapping[str, str | bool | int | float]


class ExecutionTrace:
    """The ids, parents and sampling of an execution's spans, and the methods that emit them."""

    def __init__(self, tracer: Any, ids: PinnedIds, info: InvocationInfo) -> None:
        self._tracer = tracer
        self._ids = ids
        self._arn = info.execution_arn
        self._began_at = info.execution_start_timestamp
        self._upstream = read_header(info.trace_header)
        self.trace_id = self._upstream.trace_id if self._upstream else trace_id(self._arn)
        parsed = ExecutionArn.read(self._arn)
        self._name = "durable execution" if parsed is None else parsed.function_name
        attributes = {"durable.execution.arn": self._arn}
        if parsed is not None:
            attributes["durable.execution.name"] = parsed.execution_name
        self._attributes: Attributes = attributes
        # The sampler decides once for all spans, so that a trace is complete or absent.
        self._is_sampled: bool = self._tracer.sampler.should_sample(
            self._upstream_context(), self.trace_id, self._name, SpanKind.INTERNAL, self._attributes
        ).decision.is_sampled()
        self.execution = span_id(self._arn, "execution")
        # A retried request may have the same id, so the time is part of the key.
        self._run = f"{info.request_id} {info.start_timestamp.isoformat()}"
        self.invocation = span_id(self._arn, "invocation", self._run)

    def execution_ended(self, info: InvocationEndInfo, at: datetime) -> None:
        """Emit the span of the whole execution."""
        span = self._start(
            self._name,
            self.execution,
            self._began_at or at,
            self._upstream_context(),
            self._attributes,
        )
        span.set_attribute("durable.execution.status", info.status)
        _set_error(span, info.status == InvocationStatus.FAILED, info.execution_error)
        span.end(_nanoseconds(at))

    def invocation_ended(self, info: InvocationEndInfo, began: datetime, at: datetime) -> None:
        """Emit the span of this invocation."""
        attributes: Attributes = {
            "faas.invocation_id": info.request_id,
            "durable.invocation.first": info.is_first_invocation,
            "durable.invocation.status": info.status,
        }
        parent = self._child_context(self.execution)
        name = f"invocation {self._name}"
        span = self._start(name, self.invocation, began, parent, attributes, SpanKind.SERVER)
        failed = info.status in (InvocationStatus.FAILED, InvocationStatus.RETRY)
        _set_error(span, failed, info.execution_error)
        span.end(_nanoseconds(at))

    def operation_ended(self, info: OperationInfo, began_here: datetime | None) -> None:
        """Emit the span of an operation, with the times of the log.

        The START of a quick step is recorded in the same checkpoint as its end, so the log's start time
        is too late. ``began_here`` is the time at which this invocation started the operation.
        """
        end = info.end_timestamp or info.start_timestamp or _EPOCH
        start = min(filter(None, (info.start_timestamp, began_here, end)))
        attributes: dict[str, str | int] = {"durable.operation.status": info.status}
        if info.attempt is not None:
            attributes["durable.operation.attempts"] = info.attempt
        span = self._start(
            _name_of(info),
            self.operation(info.id),
            start,
            self._parent_of(info),
            {**_identity(info), **attributes},
            SpanKind.CLIENT if info.type == OperationType.CHAINED_INVOKE else SpanKind.INTERNAL,
        )
        _set_error(span, info.status in _FAILED, info.error)
        span.end(_nanoseconds(end))

    def attempt_started(self, info: AttemptInfo) -> Span:
        """Start the span of one run of a body; two runs of the same attempt have different spans."""
        assert info.attempt is not None
        return self._start(
            f"attempt {info.attempt} of {_name_of(info)}",
            span_id(self._arn, info.id, "attempt", info.attempt, self._run),
            info.start_timestamp,
            self._child_context(self.operation(info.id)),
            {**_identity(info), "durable.attempt": info.attempt},
            links=[Link(self._context(self.invocation))],
        )

    def operation(self, operation_id: str) -> int:
        """Return the id of an operation's span."""
        return span_id(self._arn, operation_id)

    def upstream_of(self, info: OperationInfo) -> Upstream:
        """Return the span that an invoked execution continues."""
        return Upstream(self.trace_id, self.operation(info.id), self._is_sampled)

    def _start(
        self,
        name: str,
        span: int,
        at: datetime,
        parent: Context,
        attributes: Attributes,
        kind: SpanKind = SpanKind.INTERNAL,
        links: list[Link] | None = None,
    ) -> Span:
        with self._ids.pinned(self.trace_id, span):
            started: Span = self._tracer.start_span(
                name, parent, kind, attributes, links, start_time=_nanoseconds(at)
            )
        return started

    def _parent_of(self, info: OperationInfo) -> Context:
        parent = info.parent_id
        return self._child_context(self.execution if parent is None else self.operation(parent))

    def _child_context(self, span: int) -> Context:
        return set_span_in_context(NonRecordingSpan(self._context(span)), Context())

    def _upstream_context(self) -> Context:
        if self._upstream is None:
            return Context()
        flags = TraceFlags.SAMPLED if self._upstream.is_sampled else TraceFlags.DEFAULT
        parent = SpanContext(
            self._upstream.trace_id,
            self._upstream.span_id,
            is_remote=True,
            trace_flags=TraceFlags(flags),
        )
        return set_span_in_context(NonRecordingSpan(parent), Context())

    def _context(self, span: int) -> SpanContext:
        flags = TraceFlags.SAMPLED if self._is_sampled else TraceFlags.DEFAULT
        return SpanContext(self.trace_id, span, is_remote=True, trace_flags=TraceFlags(flags))


def attempt_ended(span: Span, info: AttemptInfo) -> None:
    """Set an attempt's outcome on its span, which stays open until the outcome is recorded."""
    if info.outcome is not None:
        span.set_attribute("durable.attempt.outcome", info.outcome)
    _set_error(span, info.outcome == AttemptOutcome.FAILED, info.error)


def attempt_retried(span: Span, info: OperationInfo, ended_at: datetime) -> None:
    """Add an event to an attempt's span: another attempt is scheduled."""
    due = info.next_attempt_timestamp
    attributes: dict[str, str | int | float] = {"durable.attempt.next": info.attempt or 0}
    if due is not None:
        attributes["durable.retry.due"] = due.isoformat()
        attributes["durable.retry.delay_seconds"] = max(0.0, (due - ended_at).total_seconds())
    span.add_event("retry", attributes, _nanoseconds(ended_at))


def end_span(span: Span, at: datetime) -> None:
    """End a span at a time of the log."""
    span.end(_nanoseconds(at))


def _set_error(span: Span, failed: bool, error: ErrorObject | None) -> None:  # noqa: FBT001
    if not failed:
        return
    kind, message = (error.error_type, error.error_message) if error else (None, None)
    span.set_status(Status(StatusCode.ERROR, message or kind))
    if error is not None:
        span.add_event(
            "exception",
            {
                "exception.type": kind or "",
                "exception.message": message or "",
                "exception.stacktrace": "\n".join(error.stack_trace or ()),
            },
        )


def _name_of(info: OperationInfo | AttemptInfo) -> str:
    kind = info.sub_type or info.type
    return f"{kind} {info.name}" if info.name else kind


def _identity(info: OperationInfo | AttemptInfo) -> dict[str, str | bool | int | float]:
    members = {
        "durable.operation.id": info.id,
        "durable.operation.type": str(info.type),
        "durable.operation.sub_type": info.sub_type,
        "durable.operation.name": info.name,
    }
    return {name: str(value) for name, value in members.items() if value is not None}


def _nanoseconds(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND * 1_000

"""The trace of one execution, as one invocation sees it: ids, parents, sampling, and the two spans of both views."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from opentelemetry import trace
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

from durable_execution_sdk.otel.identity import span_id, trace_id
from durable_execution_sdk.otel.sampling import Sampled
from durable_execution_sdk.otel.upstream import Upstream
from durable_execution_sdk.plugins import InvocationEndInfo, InvocationInfo, InvocationStatus
from durable_execution_sdk.protocol.error_object import ErrorObject

__all__ = ["Attributes", "ExecutionTrace", "began_at", "nanoseconds", "set_outcome"]

_logger = logging.getLogger("durable_execution")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

Attributes = Mapping[str, str | bool | int | float]


class ExecutionTrace:
    """The ids, parents and sampling of an execution's spans.

    ``Workflow`` and ``Invocation`` are children of the span that the execution continues. Without one, their
    parent is an id that follows from the ARN, of which no span is emitted.
    """

    def __init__(self, tracer: Any, info: InvocationInfo, upstream: Upstream | None) -> None:
        """``tracer`` is one of ``Providers.tracer``, which takes ids and decisions."""
        self._tracer = tracer
        self._has_failed = False
        self.arn = arn = info.execution_arn
        self.trace_id = upstream.trace_id if upstream else trace_id(arn)
        parent = upstream.span_id if upstream else None
        self._around = span_id(arn, "root") if parent is None else parent
        self._decided = self._decide(upstream)
        self._is_sampled = self._decided.decision.is_sampled()
        self._state = self._decided.trace_state or (upstream.state if upstream else None)
        self.workflow = span_id(arn, "execution")
        # A retried request may have the same id, so the time is part of the key.
        self.run = f"{info.request_id} {info.start_timestamp.isoformat()}"
        self.invocation = span_id(arn, "invocation", self.run)
        current = trace.get_current_span().get_span_context()
        is_ours = current.is_valid and current.trace_id == self.trace_id
        self._outside = self.context(self._around, is_remote=True)
        self._invocation_parent = current if is_ours else self._outside

    def execution_ended(
        self, info: InvocationEndInfo, began: datetime | None, at: datetime
    ) -> None:
        """Emit the span ``Workflow``, of the whole execution."""
        attributes = {"durable.execution.status": str(info.status)}
        span = self.start("Workflow", self.workflow, self._outside, began or at, attributes)
        set_outcome(span, info.status, info.execution_error)
        self.end(span, at)

    def invocation_ended(self, info: InvocationEndInfo, at: datetime) -> None:
        """Emit the span ``Invocation``, of this invocation."""
        is_retried = info.status is InvocationStatus.RETRY
        attributes: Attributes = {
            "faas.invocation_id": info.request_id,
            "durable.invocation.first": info.is_first_invocation,
            "durable.invocation.status": "RETRYING" if is_retried else str(info.status),
        }
        parent = self._invocation_parent
        span = self.start("Invocation", self.invocation, parent, began_at(info), attributes)
        is_fine = info.status is InvocationStatus.PENDING
        set_outcome(span, "SUCCEEDED" if is_fine else info.status, info.execution_error)
        self.end(span, at)

    def start(
        self,
        name: str,
        span: int,
        parent: SpanContext,
        at: datetime,
        attributes: Attributes,
        links: Sequence[int] = (),
    ) -> Span:
        """Start a span of this execution with this id; ``links`` are ids of its other spans.

        A span that a processor refuses is not recorded.
        """
        context = set_span_in_context(NonRecordingSpan(parent), Context())
        ids, sampler = self._tracer.id_generator, self._tracer.sampler
        try:
            with ids.pinned(self.trace_id, span), sampler.pinned(self._decided):
                started: Span = self._tracer.start_span(
                    name,
                    context,
                    SpanKind.INTERNAL,
                    {"durable.execution.arn": self.arn, **attributes},
                    [Link(self.context(link)) for link in links],
                    start_time=nanoseconds(at),
                )
        except Exception as error:
            self._log(error)
            return NonRecordingSpan(self.context(span))
        return started

    def end(self, span: Span, at: datetime) -> None:
        """End a span at a time of the log."""
        try:
            span.end(nanoseconds(at))
        except Exception as error:
            self._log(error)

    def _log(self, error: Exception) -> None:
        """Log, once in an invocation, that a processor or an exporter raised; what else is due goes on."""
        if not self._has_failed:
            self._has_failed = True
            _logger.warning("OpenTelemetry could not record a span", exc_info=error)

    def context(self, span: int, *, is_remote: bool = False) -> SpanContext:
        """Return the context of a span of this trace.

        Only the one around the execution is remote: a span below a remote one counts as a request of the service,
        in Application Signals for instance.
        """
        flags = TraceFlags.SAMPLED if self._is_sampled else TraceFlags.DEFAULT
        return SpanContext(
            self.trace_id,
            span,
            is_remote=is_remote,
            trace_flags=TraceFlags(flags),
            trace_state=self._state,
        )

    def header_below(self, span: int) -> str:
        """Return the ``X-Amzn-Trace-Id`` header of an invoke that has this span."""
        return Upstream(self.trace_id, span, self._is_sampled).header(self._around)

    def _decide(self, upstream: Upstream | None) -> Sampled:
        """Ask the sampler once for all spans, so that a trace is complete or absent."""
        around = Context()
        if upstream is not None and upstream.is_sampled is not None:
            caller = SpanContext(
                self.trace_id,
                self._around,
                is_remote=True,
                trace_flags=TraceFlags(upstream.is_sampled),
                trace_state=upstream.state,
            )
            around = set_span_in_context(NonRecordingSpan(caller), around)
        attributes = {"durable.execution.arn": self.arn}
        decided: Sampled = self._tracer.sampler.should_sample(
            around, self.trace_id, "Workflow", SpanKind.INTERNAL, attributes
        )
        return decided


def began_at(info: InvocationInfo) -> datetime:
    """Return the start of an invocation's span, which is after that of the first even in the same millisecond."""
    return info.start_timestamp + (timedelta() if info.is_first_invocation else _MICROSECOND)


def set_outcome(span: Span, status: str | None, error: ErrorObject | None) -> None:
    """Set the span's status: ``OK`` if its subject has succeeded, ``ERROR`` if it has failed."""
    if status == "SUCCEEDED":
        span.set_status(Status(StatusCode.OK))
        return
    kind, message = (error.error_type, error.error_message) if error else (None, None)
    if status in ("FAILED", "TIMED_OUT", "STOPPED"):
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


def nanoseconds(at: datetime) -> int:
    """Return a time as OpenTelemetry has it."""
    return (at - _EPOCH) // _MICROSECOND * 1_000

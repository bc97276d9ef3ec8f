"""The invocation view: a span for each operation in each invocation that had it open, below ``Invocation``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from opentelemetry.trace import Span

from durable_execution_sdk.otel.attempt_spans import AttemptSpans
from durable_execution_sdk.otel.identity import span_id
from durable_execution_sdk.otel.operation_spans import (
    Ends,
    identity_of,
    name_of,
    state_of,
)
from durable_execution_sdk.otel.trace import Attributes, ExecutionTrace, set_outcome
from durable_execution_sdk.plugins import (
    InvocationEndInfo,
    InvocationInfo,
    OperationInfo,
)
from durable_execution_sdk.protocol.operations import TERMINAL_STATUSES

__all__ = ["InvocationView"]


@dataclass(slots=True)
class _Segment:
    """The part of an operation's life that lies in this invocation.

    ``is_continued``: an earlier invocation has the first segment, whose id is that of the operation.
    """

    span: int
    parent: int
    info: OperationInfo
    start: datetime
    is_continued: bool


class InvocationView(AttemptSpans):
    """A span for each operation that this invocation had open, linked to ``Workflow`` and to its first span."""

    def __init__(self, trace: ExecutionTrace, info: InvocationInfo) -> None:
        super().__init__(trace, info, trace.workflow)
        self._recorded: Mapping[str, OperationInfo] = info.operations
        self._open: dict[str, _Segment] = {}
        self._spans: dict[str, int] = {}

    def operation_started(self, info: OperationInfo) -> None:
        """Open the operation's segment."""
        self._segment(info, is_continued=info.is_replay)

    def operation_ended(self, info: OperationInfo) -> None:
        """Emit the segment in which the operation has ended."""
        segment = self._segment(info, is_continued=info.id in self._recorded)
        del self._open[info.id]
        end = self._times.end(
            info.id, info.parent_id, segment.start, self._times.recorded_end(info)
        )
        span = self._start(segment, {**identity_of(info), **state_of(info)})
        set_outcome(span, info.status, info.error)
        self._trace.end(span, end)

    def operation_given_up(self, info: OperationInfo) -> None:
        """Emit nothing: its segment is among those that are open at the end of the invocation."""

    def operation(self, operation_id: str) -> int:
        """Return the id of the operation's segment in this invocation, or that of its first one."""
        return self._spans.get(operation_id) or span_id(self._trace.arn, operation_id)

    def invocation_ended(self, info: InvocationEndInfo, *, is_last: bool) -> Ends:
        """Emit the segments of operations that are open: suspended, or given up."""
        # The innermost are the last to be opened.
        for segment in reversed(self._open.values()):
            each = segment.info
            # Without a record, the next invocation starts the operation again, and has its first segment.
            if segment.is_continued or each.id in info.operations:
                span = self._start(
                    segment, {**identity_of(each), "durable.operation.status": "STARTED"}
                )
                ends = segment.start, info.end_timestamp
                self._trace.end(span, self._times.end(each.id, each.parent_id, *ends))
        end = self._times.end(None, None, self._times.began_at, info.end_timestamp)
        return Ends(end, end)

    def _segment(self, info: OperationInfo, *, is_continued: bool) -> _Segment:
        """Return the operation's segment, with those of the operations around it."""
        segment = self._open.get(info.id)
        if segment is None:
            parent = self._parent(info.parent_id)
            arn, run = self._trace.arn, self._trace.run
            part = (info.id, "segment", run) if is_continued else (info.id,)
            starts = None if is_continued else info.start_timestamp
            start = self._times.began_at if starts is None else self._times.start(starts)
            segment = _Segment(span_id(arn, *part), parent, info, start, is_continued)
            self._open[info.id] = segment
            self._spans[info.id] = segment.span
        return segment

    def _parent(self, operation_id: str | None) -> int:
        if operation_id is None:
            return self._trace.invocation
        around = self._recorded.get(operation_id)
        # What ended meanwhile is reported before the code of the context around it runs again.
        if operation_id not in self._spans and around and around.status not in TERMINAL_STATUSES:
            return self._segment(around, is_continued=True).span
        return self.operation(operation_id)

    def _start(self, segment: _Segment, attributes: Attributes) -> Span:
        first = span_id(self._trace.arn, segment.info.id)
        return self._trace.start(
            name_of(segment.info),
            segment.span,
            self._trace.context(segment.parent),
            segment.start,
            attributes,
            [first, *self._links] if segment.is_continued else self._links,
        )

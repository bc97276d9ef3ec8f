"""The execution view: one span for each operation, of its whole life, below ``Workflow``.

An operation that is given up, or that its context leaves behind, has no end. It has a span all the same once that is
certain, that is with the end of what is around it: other spans may have it as their parent.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from msgspec.structs import replace
from opentelemetry.trace import Span

from durable_execution_sdk.otel.attempt_spans import AttemptSpans
from durable_execution_sdk.otel.identity import span_id
from durable_execution_sdk.otel.operation_spans import (
    Ends,
    identity_of,
    name_of,
    state_of,
)
from durable_execution_sdk.otel.trace import ExecutionTrace, set_outcome
from durable_execution_sdk.plugins import (
    InvocationEndInfo,
    InvocationInfo,
    OperationInfo,
)

__all__ = ["ExecutionView"]


class _Open(NamedTuple):
    """An operation that has not ended, and the start of its span."""

    info: OperationInfo
    start: datetime


class ExecutionView(AttemptSpans):
    """One span for each operation, with the times of the log, linked to the invocation that saw its end."""

    def __init__(self, trace: ExecutionTrace, info: InvocationInfo) -> None:
        super().__init__(trace, info, trace.invocation)
        # Those that the code has asked for in this invocation, by the operation around them.
        self._open: dict[str | None, dict[str, _Open]] = {}

    def operation_started(self, info: OperationInfo) -> None:
        """Note the start of the operation.

        The START of a quick step is recorded in the same checkpoint as its end, so the log's start time is too
        late.
        """
        recorded = info.start_timestamp or self._times.began_at
        start = recorded if info.is_replay else self._times.start(recorded)
        self._open.setdefault(info.parent_id, {})[info.id] = _Open(info, start)

    def operation_ended(self, info: OperationInfo) -> None:
        """Emit the operation's span, after those of operations inside that have no end."""
        end, start = self._ends_at(info)
        self._leave_behind(info.id, end)
        end = self._times.end(info.id, info.parent_id, start, end)
        span = self._start(info, start)
        set_outcome(span, info.status, info.error)
        self._trace.end(span, end)

    def operation_given_up(self, info: OperationInfo) -> None:
        """Emit the span of an operation that the code does not see the end of."""
        end, start = self._ends_at(info)
        self._leave(_Open(info, start), end)

    def operation(self, operation_id: str) -> int:
        """Return the id of the operation's only span."""
        return span_id(self._trace.arn, operation_id)

    def invocation_ended(self, info: InvocationEndInfo, *, is_last: bool) -> Ends:
        """Emit the spans of operations that are open at the end of the execution; others may end later."""
        ends = self._times.began_at, info.end_timestamp
        whole = self._times.end(None, None, *ends)
        if is_last:
            for each in list(self._open.get(None, {})):
                if each not in info.operations:  # its START was not sent any more
                    del self._open[None][each]
            self._leave_behind(None, whole)
        return Ends(max(*ends, self._times.last_attempt), whole)

    def _parent(self, operation_id: str | None) -> int:
        return self._trace.workflow if operation_id is None else self.operation(operation_id)

    def _ends_at(self, info: OperationInfo) -> tuple[datetime, datetime]:
        """Return the end and the start of an operation that has ended, by the log and by what is noted."""
        end = info.end_timestamp or info.start_timestamp or self._times.began_at
        noted = self._open.get(info.parent_id, {}).pop(info.id, None)
        if noted is None or noted.info.is_replay:
            return end, min(info.start_timestamp or end, end)
        return end, noted.start

    def _leave_behind(self, operation_id: str | None, end: datetime) -> None:
        """Emit the spans of what is open inside an operation that has ended, or in the execution."""
        for each in self._open.pop(operation_id, {}).values():
            self._leave(each, end)

    def _leave(self, left: _Open, end: datetime) -> None:
        info = left.info
        end = max(left.start, end)
        self._leave_behind(info.id, end)
        span = self._start(replace(info, status="STARTED", attempt=None), left.start)
        self._trace.end(span, self._times.end(info.id, info.parent_id, end))

    def _start(self, info: OperationInfo, start: datetime) -> Span:
        return self._trace.start(
            name_of(info),
            self.operation(info.id),
            self._trace.context(self._parent(info.parent_id)),
            start,
            {**identity_of(info), **state_of(info)},
            self._links,
        )

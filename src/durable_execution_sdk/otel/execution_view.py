"""The execution view: one span for each operation, of its whole life, below ``Workflow``."""

from __future__ import annotations

from datetime import datetime

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


class ExecutionView(AttemptSpans):
    """One span for each operation, with the times of the log, linked to the invocation that saw its end."""

    def __init__(self, trace: ExecutionTrace, info: InvocationInfo) -> None:
        super().__init__(trace, info, trace.invocation)
        self._began: dict[str, datetime] = {}

    def operation_started(self, info: OperationInfo) -> None:
        """Remember when this invocation started the operation.

        The START of a quick step is recorded in the same checkpoint as its end, so the log's start time is too
        late.
        """
        if not info.is_replay and info.start_timestamp is not None:
            self._began[info.id] = self._times.start(info.start_timestamp)

    def operation_ended(self, info: OperationInfo) -> None:
        """Emit the operation's span."""
        end = info.end_timestamp or info.start_timestamp or self._times.began_at
        start = self._began.pop(info.id, None) or min(info.start_timestamp or end, end)
        end = self._times.end(info.id, info.parent_id, start, end)
        span = self._trace.start(
            name_of(info),
            self.operation(info.id),
            self._trace.context(self._parent(info.parent_id)),
            start,
            {**identity_of(info), **state_of(info)},
            self._links,
        )
        set_outcome(span, info.status, info.error)
        self._trace.end(span, end)

    def operation(self, operation_id: str) -> int:
        """Return the id of the operation's only span."""
        return span_id(self._trace.arn, operation_id)

    def invocation_ended(self, info: InvocationEndInfo) -> Ends:
        """Emit nothing: open operations have a span once they have ended."""
        attempts = self._times.last_attempt
        ends = self._times.began_at, info.end_timestamp
        return Ends(max(*ends, attempts), self._times.end(None, None, *ends))

    def _parent(self, operation_id: str | None) -> int:
        return self._trace.workflow if operation_id is None else self.operation(operation_id)

"""The two views of an execution: the spans of operations and attempts, and their parents and links.

In the execution view an operation has one span, of its whole life, below ``Workflow``. In the invocation view
it has one span in each invocation that had it open, below ``Invocation``.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Protocol

from opentelemetry.trace import Span

from durable_execution_sdk.otel.execution_view import ExecutionView
from durable_execution_sdk.otel.invocation_view import InvocationView
from durable_execution_sdk.otel.operation_spans import Ends
from durable_execution_sdk.otel.trace import ExecutionTrace
from durable_execution_sdk.plugins import (
    AttemptInfo,
    InvocationEndInfo,
    InvocationInfo,
    OperationInfo,
)

__all__ = ["TraceView", "View", "view_of"]


class TraceView(StrEnum):
    """Shapes of an execution's trace.

    ``EXECUTION``: an operation is one span below ``Workflow``. ``INVOCATION``: an operation is a span in each
    invocation that had it open, below ``Invocation``.
    """

    EXECUTION = "execution"
    INVOCATION = "invocation"


class View(Protocol):
    """The spans of operations and attempts in one invocation."""

    def operation_started(self, info: OperationInfo) -> None:
        """Note an operation that starts or is resumed."""
        ...

    def operation_ended(self, info: OperationInfo) -> None:
        """Emit the span of an operation."""
        ...

    def operation_given_up(self, info: OperationInfo) -> None:
        """Note that the code does not see the end of an operation."""
        ...

    def operation(self, operation_id: str) -> int:
        """Return the id of the operation's span, which is the parent of its attempts."""
        ...

    def attempt_started(self, info: AttemptInfo) -> Span:
        """Start the span of an attempt."""
        ...

    def attempt_ended(self, info: AttemptInfo) -> datetime:
        """Return the end of the span of an attempt."""
        ...

    def virtual_context_ended(self, info: AttemptInfo) -> None:
        """Emit the span of a context without an operation."""
        ...

    def invocation_ended(self, info: InvocationEndInfo, *, is_last: bool) -> Ends:
        """Emit the spans of open operations; return the ends of what contains spans.

        ``is_last``: the execution has ended, for the first time in this process.
        """
        ...


def view_of(view: TraceView, trace: ExecutionTrace, info: InvocationInfo) -> View:
    """Return the view of this invocation."""
    if view is TraceView.EXECUTION:
        return ExecutionView(trace, info)
    return InvocationView(trace, info)

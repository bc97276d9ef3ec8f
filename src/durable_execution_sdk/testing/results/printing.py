"""Write an execution as text: its operations as a tree, its invocations as a table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from durable_execution_sdk.engine.views.progress import Awaited
from durable_execution_sdk.protocol.control_plane import ExecutionStatus
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.rendering.escaping import visible
from durable_execution_sdk.rendering.family import Family, title
from durable_execution_sdk.rendering.outline import Drawing, text_of
from durable_execution_sdk.rendering.times import span
from durable_execution_sdk.rendering.wording import brief, waits
from durable_execution_sdk.testing.results.invocations import RecordedInvocation
from durable_execution_sdk.testing.results.operations import RecordedOperation
from durable_execution_sdk.testing.results.table import aligned

__all__ = ["invocation_table", "operation_tree", "what_it_waits_for"]

_HEADINGS = ("#", "began after", "took", "answered", "replayed", "executed")
_MOST_NAMED = 4
_MILLISECOND = timedelta(milliseconds=1)


def operation_tree(
    executions: Family,
    now: int,
    error: ErrorObject | None,
    *,
    plain: bool = False,
    payloads: bool = False,
) -> str:
    """Write the operations as a tree by contexts, and the execution's error below."""
    outline = Drawing(now=now, timed=True, plain=plain, payloads=payloads).outline(executions)
    lines = [text_of(outline, plain=plain)]
    if error is not None:
        parts = (error.error_type, error.error_message)
        lines.append(f"error: {': '.join(part for part in parts if part)}")
        lines += [f"  {line.rstrip()}" for line in error.stack_trace or []]
    return visible("\n".join(lines))


def what_it_waits_for(executions: Family, now: int) -> str:
    """List everything that an execution waits for, and the calls with which a test can answer."""
    lines = waits(executions, now)
    if executions.execution.status == ExecutionStatus.PAUSED:
        lines.append("let it go on: resume()")
    if any(waiter.waiting.awaited is Awaited.ANSWER for waiter in executions.waiters()):
        lines.append("answer it: wait_for_callback(name), then succeed(...) or fail(...)")
    if any(waiter.waiting.awaited is Awaited.MESSAGE for waiter in executions.waiters()):
        lines.append("send it a message: runner.send(inbox, value)")
    return "\n".join(f"  {line}" for line in lines)


def invocation_table(invocations: Sequence[RecordedInvocation], started_at: datetime) -> str:
    """Write a line for each invocation: its start, its duration, its replayed and executed operations."""
    rows = [
        (
            str(number),
            span((invocation.started_at - started_at) / _MILLISECOND),
            span(invocation.duration / _MILLISECOND),
            invocation.status if invocation.error is None else brief(invocation.error),
            str(len(invocation.replayed)),
            _named(invocation.executed),
        )
        for number, invocation in enumerate(invocations, 1)
    ]
    return aligned([_HEADINGS, *rows])


def _named(operations: Sequence[RecordedOperation]) -> str:
    names = [title(operation.progress.operation) for operation in operations[:_MOST_NAMED]]
    more = len(operations) - len(names)
    return ", ".join([*names, *([f"{more} more"] if more else [])]) or "-"

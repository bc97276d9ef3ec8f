"""An execution as text: its operations as a tree, and its invocations as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from durable_execution_sdk.engine.views.progress import Awaited
from durable_execution_sdk.model.failure import ErrorObject
from durable_execution_sdk.showing.family import Family, title
from durable_execution_sdk.showing.outline import Drawing, text_of
from durable_execution_sdk.showing.times import span
from durable_execution_sdk.showing.visible import visible
from durable_execution_sdk.showing.words import brief, waits
from durable_execution_sdk.testing.invocations import RecordedInvocation
from durable_execution_sdk.testing.operations import RecordedOperation

__all__ = ["invocation_table", "operation_tree", "what_it_waits_for"]

_HEADINGS = ("#", "began after", "took", "answered", "replayed", "executed")
_NAMED_AT_MOST = 4
_MILLISECOND = timedelta(milliseconds=1)


def operation_tree(
    found: Family, now: int, error: ErrorObject | None, *, plain: bool = False
) -> str:
    """The operations, each on a line below the context that it is in, and the error below all."""
    outline = Drawing(now=now, timed=True, plain=plain).outline(found)
    lines = [text_of(outline, plain=plain)]
    if error is not None:
        said = (error.error_type, error.error_message)
        lines.append(f"error: {': '.join(each for each in said if each)}")
        lines += [f"  {line.rstrip()}" for line in error.stack_trace or []]
    return visible("\n".join(lines))


def what_it_waits_for(found: Family, now: int) -> str:
    """Everything that an execution waits for, one line each, and what a test can do about it."""
    lines = waits(found, now)
    if any(waiter.waiting.awaited is Awaited.ANSWER for waiter in found.waiters()):
        lines.append("answer it: wait_for_callback(name), then succeed(...) or fail(...)")
    return "\n".join(f"  {line}" for line in lines)


def invocation_table(invocations: Sequence[RecordedInvocation], started_at: datetime) -> str:
    """One line for each invocation: when it was, what it replayed, what it executed."""
    rows = [
        (
            str(number),
            span((each.started_at - started_at) / _MILLISECOND),
            span(each.duration / _MILLISECOND),
            each.status if each.error is None else brief(each.error),
            str(len(each.replayed)),
            _named(each.executed),
        )
        for number, each in enumerate(invocations, 1)
    ]
    return "\n".join(_aligned([_HEADINGS, *rows]))


def _named(operations: Sequence[RecordedOperation]) -> str:
    names = [title(each.progress.operation) for each in operations[:_NAMED_AT_MOST]]
    more = len(operations) - len(names)
    return ", ".join([*names, *([f"{more} more"] if more else [])]) or "-"


def _aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(
            f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)
        ).rstrip()

"""An execution as a tree of lines, one for each operation with its status and what it waits for.

A line consists of spans, each with a style in rich's notation. Plain text ignores the styles.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from durable_execution_sdk.engine.views.progress import OperationProgress
from durable_execution_sdk.protocol.operations import Operation, OperationStatus
from durable_execution_sdk.rendering.batch_progress import Batches, batch_text
from durable_execution_sdk.rendering.escaping import visible
from durable_execution_sdk.rendering.family import Family, kind, title
from durable_execution_sdk.rendering.payloads import custom_status_text, payload_line, result_of
from durable_execution_sdk.rendering.times import span
from durable_execution_sdk.rendering.wording import awaited, brief, error_of

_MARKS: dict[str, tuple[str, str, str]] = {
    OperationStatus.STARTED: ("▸", ">", "cyan"),
    OperationStatus.READY: ("▸", ">", "cyan"),
    OperationStatus.PENDING: ("◌", "~", "yellow"),
    OperationStatus.SUCCEEDED: ("✔", "+", "green"),
    OperationStatus.FAILED: ("✘", "x", "red"),
    OperationStatus.TIMED_OUT: ("✘", "x", "red"),
    OperationStatus.STOPPED: ("■", "#", "red"),
    OperationStatus.CANCELLED: ("-", "-", "dim"),
}
_STATUS_STYLES = {
    "RUNNING": "bold cyan",
    "SUCCEEDED": "bold green",
    "FAILED": "bold red",
    "TIMED_OUT": "bold red",
    "STOPPED": "bold red",
}

# Shortest duration to show, in milliseconds. A virtual clock advances by 1 ms for each event, so shorter
# durations only count events.
_SHORTEST_SHOWN = 1_000

Span = tuple[str, str]
"""A text and its style; an empty style means none."""

_Children = dict[str | None, list[OperationProgress]]


class Line(msgspec.Struct, frozen=True):
    """A line, and its children."""

    spans: list[Span]
    below: list[Line]

    @property
    def text(self) -> str:
        """The line without its styles."""
        return "".join(text for text, _ in self.spans)

    @property
    def rows(self) -> int:
        """The number of lines, with all descendants."""
        return 1 + sum(line.rows for line in self.below)


class Drawing:
    """Options of an outline: the current time, the number of rows, and ASCII marks with ``plain``.

    With ``timed``, operations that took a second or more show their duration; with ``payloads``, those
    that have a result show it, cut to a line. ``batches`` is the progress of maps and parallels to show.
    """

    def __init__(
        self,
        *,
        now: int,
        rows: int | None = None,
        plain: bool = False,
        timed: bool = False,
        payloads: bool = False,
        batches: Batches | None = None,
    ) -> None:
        self.now = now
        self.plain = plain
        self._payloads = payloads
        self._rows = rows
        self._timed = timed
        self._batches = batches or {}

    def outline(self, executions: Family) -> Line:
        """Build the tree of an execution. If it has too many rows, older finished operations are left out."""
        root = self._root(executions, executions.name, None)
        if self._rows is not None:
            for most_done in (8, 3, 1, 0):
                if root.rows <= self._rows:
                    break
                root = self._root(executions, executions.name, most_done)
        return root

    def _root(self, executions: Family, name: str, most_done: int | None) -> Line:
        """Build an execution's headline, with its operations as children."""
        ids = {progress.operation.id for progress in executions.execution.operations}
        children: _Children = {}
        for progress in executions.execution.operations:
            parent = progress.operation.parent_id
            children.setdefault(parent if parent in ids else None, []).append(progress)
        lines = self._branch(children, None, executions, most_done)
        status = executions.execution.custom_status
        if status is not None:
            text = custom_status_text(status, plain=self.plain)
            lines.insert(0, Line([("status: ", "dim"), (text, "cyan")], []))
        return Line(_headline(executions, name), lines)

    def _branch(
        self, children: _Children, parent: str | None, executions: Family, most_done: int | None
    ) -> list[Line]:
        lines: list[Line] = []
        operations, hidden = _selected(children.get(parent, []), most_done)
        if hidden:
            lines.append(Line([(f"{'...' if self.plain else '…'} {hidden} more done", "dim")], []))
        for progress in operations:
            below = self._branch(children, progress.operation.id, executions, most_done)
            invoked = executions.invoked.get(progress.operation.id)
            if invoked is not None:
                below.append(self._root(invoked, "", most_done))
            lines.append(Line(list(self._spans(progress, executions)), below))
        return lines

    def _spans(self, progress: OperationProgress, executions: Family) -> Iterator[Span]:
        operation = progress.operation
        mark, letter, style = _MARKS.get(operation.status, ("?", "?", "magenta"))
        if progress.waiting is not None:
            mark, letter, style = _MARKS[OperationStatus.PENDING]
        elif operation.end_timestamp is None and executions.execution.ended_at is not None:
            # The execution has ended without it.
            mark, letter, style = _MARKS[OperationStatus.CANCELLED]
        yield letter if self.plain else mark, style
        yield f" {title(operation)}", ""
        if operation.name is not None:
            yield f"  {kind(operation)}", "dim"
        if progress.waiting is not None:
            yield f"  waits {awaited(progress.waiting, progress.attempt, self.now)}", "yellow"
        else:
            if progress.attempt is not None and progress.attempt > 1:
                yield f"  attempt {progress.attempt}", "dim"
            duration = _duration(operation)
            if self._timed and duration >= _SHORTEST_SHOWN:
                yield f"  {span(duration)}", "dim"
        batch = self._batches.get(executions.execution.arn, {}).get(operation.id)
        if batch is not None:
            yield f"  {batch_text(batch, self.now)}", "yellow" if batch.failed else "dim"
        error = error_of(operation)
        if error is not None:
            yield f"  {brief(error)}", "red"
        result = result_of(operation) if self._payloads else None
        if result is not None:
            yield f"  {'->' if self.plain else '→'} {payload_line(result)}", "dim"


def _duration(operation: Operation) -> float:
    if operation.start_timestamp is None or operation.end_timestamp is None:
        return 0
    return operation.end_timestamp - operation.start_timestamp


def text_of(line: Line, *, plain: bool = False) -> str:
    """Write a tree as text without colours."""
    return "\n".join(_text(line, "", "", plain=plain))


def _text(line: Line, before: str, below: str, *, plain: bool) -> Iterator[str]:
    yield before + line.text
    across, down, corner = ("|-- ", "|   ", "`-- ") if plain else ("├── ", "│   ", "└── ")
    for place, child in enumerate(line.below, 1):
        is_last = place == len(line.below)
        yield from _text(
            child,
            below + (corner if is_last else across),
            below + ("    " if is_last else down),
            plain=plain,
        )


def _headline(executions: Family, name: str) -> list[Span]:
    status = executions.execution.status
    return [
        (visible(executions.function), "bold"),
        (visible(f" {name} ") if name else " ", ""),
        (visible(status), _STATUS_STYLES.get(status, "bold yellow")),
    ]


def _selected(
    operations: Iterable[OperationProgress], most_done: int | None
) -> tuple[list[OperationProgress], int]:
    """Keep the last ``most_done`` finished operations and all others; return them and the number left out."""
    all_operations = list(operations)
    if most_done is None:
        return all_operations, 0
    done = [
        progress.operation.id
        for progress in all_operations
        if progress.operation.end_timestamp is not None
    ]
    hidden = set(done[: max(0, len(done) - most_done)])
    return [progress for progress in all_operations if progress.operation.id not in hidden], len(
        hidden
    )

"""An execution as a tree of lines: what runs, what is done, what each operation waits for.

A line is made of spans, each with a style as rich names them; text without colours leaves them out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from durable_execution_sdk.engine.views.progress import OperationProgress
from durable_execution_sdk.model.operation import Operation, OperationStatus
from durable_execution_sdk.showing.family import Family, kind, title
from durable_execution_sdk.showing.times import span
from durable_execution_sdk.showing.visible import visible
from durable_execution_sdk.showing.words import awaited, brief, error_of

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

# What is shorter on a virtual clock only counts the log's events.
_WORTH_TELLING = 1_000

Span = tuple[str, str]
"""A piece of text, and its style; none for plain text."""

_Children = dict[str | None, list[OperationProgress]]


class Line(msgspec.Struct, frozen=True):
    """A line, and those below it."""

    spans: list[Span]
    below: list[Line]

    @property
    def text(self) -> str:
        """The line without its styles."""
        return "".join(text for text, _ in self.spans)

    @property
    def rows(self) -> int:
        """How many lines it is, with those below."""
        return 1 + sum(line.rows for line in self.below)


class Drawing:
    """How to draw: the time it is now, the rows there are, and whether letters must do.

    ``timed`` says how long each operation took, if that was long.
    """

    def __init__(
        self, *, now: int, rows: int | None = None, plain: bool = False, timed: bool = False
    ) -> None:
        self.now = now
        self.plain = plain
        self._rows = rows
        self._timed = timed

    def outline(self, found: Family) -> Line:
        """The tree of an execution; of operations that are done, no more than there is room for."""
        root = self._root(found, found.name, None)
        if self._rows is not None:
            for kept in (8, 3, 1, 0):
                if root.rows <= self._rows:
                    break
                root = self._root(found, found.name, kept)
        return root

    def _root(self, found: Family, name: str, kept: int | None) -> Line:
        """An execution's headline, and its operations below."""
        known = {each.operation.id for each in found.execution.operations}
        children: _Children = {}
        for each in found.execution.operations:
            parent = each.operation.parent_id
            children.setdefault(parent if parent in known else None, []).append(each)
        return Line(_headline(found, name), self._branch(children, None, found, kept))

    def _branch(
        self, children: _Children, parent: str | None, found: Family, kept: int | None
    ) -> list[Line]:
        lines: list[Line] = []
        shown, left_out = _selected(children.get(parent, []), kept)
        if left_out:
            lines.append(
                Line([(f"{'...' if self.plain else '…'} {left_out} more done", "dim")], [])
            )
        for each in shown:
            below = self._branch(children, each.operation.id, found, kept)
            invoked = found.invoked.get(each.operation.id)
            if invoked is not None:
                below.append(self._root(invoked, "", kept))
            lines.append(Line(list(self._spans(each, found)), below))
        return lines

    def _spans(self, each: OperationProgress, found: Family) -> Iterator[Span]:
        operation = each.operation
        mark, letter, style = _MARKS.get(operation.status, ("?", "?", "magenta"))
        if each.waiting is not None:
            mark, letter, style = _MARKS[OperationStatus.PENDING]
        elif operation.end_timestamp is None and found.execution.ended_at is not None:
            # It was left unfinished, and nothing comes of it any more.
            mark, letter, style = _MARKS[OperationStatus.CANCELLED]
        yield letter if self.plain else mark, style
        yield f" {title(operation)}", ""
        if operation.name is not None:
            yield f"  {kind(operation)}", "dim"
        if each.waiting is not None:
            yield f"  waits {awaited(each.waiting, each.attempt, self.now)}", "yellow"
        else:
            if each.attempt is not None and each.attempt > 1:
                yield f"  attempt {each.attempt}", "dim"
            took = _took(operation)
            if self._timed and took >= _WORTH_TELLING:
                yield f"  {span(took)}", "dim"
        error = error_of(operation)
        if error is not None:
            yield f"  {brief(error)}", "red"


def _took(operation: Operation) -> float:
    if operation.start_timestamp is None or operation.end_timestamp is None:
        return 0
    return operation.end_timestamp - operation.start_timestamp


def text_of(line: Line, *, plain: bool = False) -> str:
    """A tree as text, for where there are no colours."""
    return "\n".join(_text(line, "", "", plain=plain))


def _text(line: Line, before: str, below: str, *, plain: bool) -> Iterator[str]:
    yield before + line.text
    across, down, corner = ("|-- ", "|   ", "`-- ") if plain else ("├── ", "│   ", "└── ")
    for place, each in enumerate(line.below, 1):
        is_last = place == len(line.below)
        yield from _text(
            each,
            below + (corner if is_last else across),
            below + ("    " if is_last else down),
            plain=plain,
        )


def _headline(found: Family, name: str) -> list[Span]:
    status = found.execution.status
    return [
        (visible(found.function), "bold"),
        (visible(f" {name} ") if name else " ", ""),
        (visible(status), _STATUS_STYLES.get(status, "bold yellow")),
    ]


def _selected(
    operations: Iterable[OperationProgress], kept: int | None
) -> tuple[list[OperationProgress], int]:
    """Those to show, and how many that are done are left out: the oldest ones."""
    every = list(operations)
    if kept is None:
        return every, 0
    done = [each.operation.id for each in every if each.operation.end_timestamp is not None]
    hidden = set(done[: max(0, len(done) - kept)])
    return [each for each in every if each.operation.id not in hidden], len(hidden)

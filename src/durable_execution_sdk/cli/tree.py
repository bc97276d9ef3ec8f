"""An execution drawn as a tree: what runs, what is done, what each operation waits for."""

from __future__ import annotations

from collections.abc import Iterable

from rich.text import Text
from rich.tree import Tree

from durable_execution_sdk.cli.family import Family, kind, title
from durable_execution_sdk.cli.words import awaited, brief, error_of
from durable_execution_sdk.engine.views.progress import OperationProgress
from durable_execution_sdk.model.operation import OperationStatus

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

_Children = dict[str | None, list[OperationProgress]]


class Drawing:
    """How to draw: the time it is now, the rows there are, and whether letters must do."""

    def __init__(self, *, now: int, rows: int | None = None, plain: bool = False) -> None:
        self.now = now
        self.plain = plain
        self._rows = rows

    def tree(self, found: Family) -> Tree:
        """The tree of an execution; of operations that are done, no more than there is room for."""
        for kept in (None, 8, 3, 1, 0):
            root = Tree(self._headline(found, found.name), guide_style="dim")
            rows = 1 + self._grow(root, found, kept)
            if self._rows is None or rows <= self._rows or kept == 0:
                break
        return root

    def _grow(self, root: Tree, found: Family, kept: int | None) -> int:
        """Add the operations below a headline; returns how many rows that took."""
        known = {each.operation.id for each in found.execution.operations}
        children: _Children = {}
        for each in found.execution.operations:
            parent = each.operation.parent_id
            children.setdefault(parent if parent in known else None, []).append(each)
        return self._branch(root, children, None, found, kept)

    def _branch(
        self,
        node: Tree,
        children: _Children,
        parent: str | None,
        found: Family,
        kept: int | None,
    ) -> int:
        rows = 0
        shown, left_out = _selected(children.get(parent, []), kept)
        if left_out:
            node.add(Text(f"{'...' if self.plain else '…'} {left_out} more done", style="dim"))
            rows += 1
        for each in shown:
            below = node.add(self._line(each, found))
            rows += 1 + self._branch(below, children, each.operation.id, found, kept)
            invoked = found.invoked.get(each.operation.id)
            if invoked is not None:
                root = below.add(self._headline(invoked, ""))
                rows += 1 + self._grow(root, invoked, kept)
        return rows

    def _headline(self, found: Family, name: str) -> Text:
        status = found.execution.status
        return Text.assemble(
            (found.function, "bold"),
            f" {name} " if name else " ",
            (status, _STATUS_STYLES.get(status, "bold yellow")),
        )

    def _line(self, each: OperationProgress, found: Family) -> Text:
        operation = each.operation
        mark, letter, style = _MARKS.get(operation.status, ("?", "?", "magenta"))
        if each.waiting is not None:
            mark, letter, style = _MARKS[OperationStatus.PENDING]
        elif operation.end_timestamp is None and found.execution.ended_at is not None:
            # It was left unfinished, and nothing comes of it any more.
            mark, letter, style = _MARKS[OperationStatus.CANCELLED]
        line = Text.assemble((letter if self.plain else mark, style), f" {title(operation)}")
        if operation.name is not None:
            line.append(f"  {kind(operation)}", style="dim")
        if each.waiting is not None:
            line.append(f"  waits {awaited(each.waiting, each.attempt, self.now)}", style="yellow")
        elif each.attempt is not None and each.attempt > 1:
            line.append(f"  attempt {each.attempt}", style="dim")
        error = error_of(operation)
        if error is not None:
            line.append(f"  {brief(error)}", style="red")
        line.no_wrap = True
        line.overflow = "ellipsis"
        return line


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

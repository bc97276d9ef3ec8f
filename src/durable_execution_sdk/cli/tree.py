"""An execution's outline as a tree in colours."""

from __future__ import annotations

from rich.text import Text
from rich.tree import Tree

from durable_execution_sdk.showing.outline import Line


def tree(line: Line) -> Tree:
    """The tree of a line and those below it."""
    root = Tree(Text.assemble(*line.spans), guide_style="dim")
    _grow(root, line)
    return root


def _grow(node: Tree, line: Line) -> None:
    for each in line.below:
        _grow(node.add(_text(each)), each)


def _text(line: Line) -> Text:
    return Text.assemble(*line.spans, no_wrap=True, overflow="ellipsis")

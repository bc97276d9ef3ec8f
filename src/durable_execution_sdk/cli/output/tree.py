"""Draw an execution's outline as a rich tree."""

from __future__ import annotations

from rich.text import Text
from rich.tree import Tree

from durable_execution_sdk.rendering.outline import Line


def tree(line: Line) -> Tree:
    """Build the rich tree of a line and the lines below it."""
    root = Tree(Text.assemble(*line.spans), guide_style="dim")
    _grow(root, line)
    return root


def _grow(node: Tree, line: Line) -> None:
    for child in line.below:
        _grow(node.add(_text(child)), child)


def _text(line: Line) -> Text:
    return Text.assemble(*line.spans, no_wrap=True, overflow="ellipsis")

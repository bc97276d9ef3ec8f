"""Read the nodes of a template as CloudFormation does: all names are texts, and loops stand for their copies.

A loop is the ``Fn::ForEach`` of ``AWS::LanguageExtensions``. Nodes keep their lines, so each copy of its body has the
lines of that body.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

import yaml

__all__ = ["LOOP", "prepare"]

LOOP = "Fn::ForEach::"
_MOST_VALUES = 500
"""The most resources of a stack; a longer list of values is left as it is."""

_Pair = tuple[yaml.Node, yaml.Node]


def prepare(root: yaml.Node) -> None:
    """Make the names in a template texts, such as ``on`` and ``7``, and replace each loop by its copies.

    A loop over values that only a deployment knows stays.
    """
    defaults = {
        name.value: _member(parameter, "Default")
        for name, parameter in _pairs(_member(root, "Parameters"))
    }
    _Preparation(defaults).read(root)


@dataclass
class _Preparation:
    defaults: dict[str, yaml.Node | None]
    # An alias of YAML makes a node a part of several others, or of itself.
    visited: set[int] = field(default_factory=set[int])

    def read(self, node: yaml.Node) -> None:
        if id(node) in self.visited:
            return
        self.visited.add(id(node))
        if isinstance(node, yaml.MappingNode):
            node.value = [pair for key, value in node.value for pair in self._unrolled(key, value)]
            for key, value in node.value:
                if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE:
                    key.tag = _TEXT
                self.read(value)
        for value in _elements(node):
            self.read(value)

    def _unrolled(self, key: yaml.Node, value: yaml.Node) -> Iterator[_Pair]:
        """Yield the pairs that a pair of a mapping stands for: itself, or the copies of a loop's body."""
        is_loop = isinstance(key, yaml.ScalarNode) and key.value.startswith(LOOP)
        parts = _elements(value) if is_loop else []
        texts = self._texts(parts[1]) if len(parts) == 3 else None
        if texts is None or not isinstance(parts[0], yaml.ScalarNode):
            yield key, value
            return
        for text in texts:
            copied = _Copy(str(parts[0].value), text)
            for name, body in _pairs(parts[2]):
                yield from self._unrolled(copied.of(name), copied.of(body))

    def _texts(self, collection: yaml.Node) -> list[str] | None:
        """Return the values of a loop; ``None`` if only a deployment knows them."""
        given = _elements(collection)
        if not isinstance(collection, yaml.SequenceNode):
            default = self.defaults.get(_referred(collection) or "")
            if not isinstance(default, yaml.ScalarNode):
                return None
            texts = [each.strip() for each in default.value.split(",")]
        elif all(isinstance(each, yaml.ScalarNode) and each.tag[0] != "!" for each in given):
            texts = [each.value for each in given]
        else:
            return None
        return texts if len(texts) <= _MOST_VALUES else None


@dataclass
class _Copy:
    """Copies nodes of a loop's body with a value in the place of its identifier."""

    identifier: str
    text: str

    def of(self, node: yaml.Node) -> yaml.Node:
        if _referred(node) == self.identifier:
            return yaml.ScalarNode(_TEXT, self.text, node.start_mark, node.end_mark)
        if isinstance(node, yaml.ScalarNode):
            text = node.value.replace(f"${{{self.identifier}}}", self.text)
            plain = "".join(filter(str.isalnum, self.text))
            text = text.replace(f"&{{{self.identifier}}}", plain)
            return yaml.ScalarNode(node.tag, text, node.start_mark, node.end_mark, node.style)
        if isinstance(node, yaml.MappingNode):
            pairs = [(self.of(key), self.of(value)) for key, value in node.value]
            return yaml.MappingNode(node.tag, pairs, node.start_mark, node.end_mark)
        parts = [self.of(each) for each in _elements(node)]
        return yaml.SequenceNode(node.tag, parts, node.start_mark, node.end_mark)


_TEXT = "tag:yaml.org,2002:str"
_MERGE = "tag:yaml.org,2002:merge"


def _referred(node: yaml.Node) -> str | None:
    """Return the name in ``!Ref Name`` or ``{Ref: Name}``."""
    if isinstance(node, yaml.ScalarNode) and node.tag == "!Ref":
        return str(node.value)
    pairs = _pairs(node)
    if len(pairs) == 1 and pairs[0][0].value == "Ref":
        return pairs[0][1].value if isinstance(pairs[0][1], yaml.ScalarNode) else None
    return None


def _member(node: yaml.Node | None, name: str) -> yaml.Node | None:
    return next((value for key, value in _pairs(node) if key.value == name), None)


def _pairs(node: yaml.Node | None) -> list[_Pair]:
    return node.value if isinstance(node, yaml.MappingNode) else []


def _elements(node: yaml.Node) -> list[yaml.Node]:
    return cast("list[yaml.Node]", node.value) if isinstance(node, yaml.SequenceNode) else []

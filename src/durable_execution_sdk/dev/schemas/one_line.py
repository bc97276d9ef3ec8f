"""Write a JSON schema in one line, for a person who answers: ``{"approved": boolean, "comment"?: string or null}``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, cast

__all__ = ["in_one_line"]

_DEEPEST = 4  # references within references, which may have no end
_ANYTHING = "JSON"


def in_one_line(schema: str) -> str:
    """Return the shape of the values that a schema allows; members with ``?`` may be left out."""
    try:
        root = json.loads(schema)
    except ValueError:
        return _ANYTHING
    return _shape(root, root, _DEEPEST)


def _shape(given: Any, root: Any, depth: int) -> str:
    if not isinstance(given, dict) or not depth:
        return _ANYTHING
    node = cast("dict[str, Any]", given)
    choices = node.get("anyOf") or node.get("oneOf")
    kind: Any = node.get("type")
    if "$ref" in node:
        return _shape(_at(node["$ref"], root), root, depth - 1)
    if "enum" in node:
        return _choice(map(_json, node["enum"]))
    if "const" in node:
        return _json(node["const"])
    if choices:
        return _choice(_shape(each, root, depth) for each in choices)
    if "properties" in node:
        return _members(node, root, depth)
    if kind == "array":
        return f"[{_shape(node.get('items'), root, depth)}, ...]"
    if isinstance(kind, str):
        return kind
    return _choice(map(str, kind or [_ANYTHING]))


def _members(node: dict[str, Any], root: Any, depth: int) -> str:
    required = node.get("required", ())
    parts = (
        f"{_json(name)}{'' if name in required else '?'}: {_shape(member, root, depth)}"
        for name, member in node["properties"].items()
    )
    return f"{{{', '.join(parts)}}}"


def _at(place: str, root: Any) -> Any:
    node = root
    for part in place.removeprefix("#").strip("/").split("/"):
        if part:
            node = cast("dict[str, Any]", node).get(part) if isinstance(node, dict) else None
    return node


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _choice(choices: Iterable[str]) -> str:
    return " or ".join(dict.fromkeys(choices))

"""Write a JSON schema in one line, for a person who answers: ``{"approved": boolean, "comment"?: string or null}``."""

from __future__ import annotations

import json
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


def _shape(node: Any, root: Any, depth: int) -> str:
    if not isinstance(node, dict) or not depth:
        return _ANYTHING
    known = cast("dict[str, Any]", node)
    match known:
        case {"$ref": str(place)}:
            return _shape(_at(place, root), root, depth - 1)
        case {"enum": list(values)}:
            return _choice([json.dumps(each, ensure_ascii=False) for each in values])
        case {"const": value}:
            return json.dumps(value, ensure_ascii=False)
        case {"anyOf": list(choices)} | {"oneOf": list(choices)}:
            return _choice([_shape(each, root, depth) for each in choices])
        case {"type": list(types)}:
            return _choice([str(each) for each in types])
        case {"properties": dict(members)}:
            required = known.get("required", ())
            parts = (
                f"{json.dumps(name, ensure_ascii=False)}{'' if name in required else '?'}:"
                f" {_shape(member, root, depth)}"
                for name, member in members.items()
            )
            return f"{{{', '.join(parts)}}}"
        case {"type": "array"}:
            return f"[{_shape(known.get('items'), root, depth)}, ...]"
        case {"type": str(kind)}:
            return kind
        case _:
            return _ANYTHING


def _at(place: str, root: Any) -> Any:
    node = root
    for part in place.removeprefix("#/").split("/"):
        node = node.get(part) if isinstance(node, dict) else None
    return node


def _choice(choices: list[str]) -> str:
    return " or ".join(dict.fromkeys(choices))

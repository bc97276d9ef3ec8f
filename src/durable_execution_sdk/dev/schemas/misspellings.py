"""Find names in JSON that are probably misspelt, by a schema.

Classes of Python leave out members that they do not know, so code reads such a value, and what its sender meant is
lost: ``{"cancle": true}`` cancels nothing. Programs may send members that only newer code knows; this is for people.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, cast

import msgspec

from durable_execution_sdk.dev.schemas.validation import MOST_MISTAKES, Mistake

__all__ = ["find_misspellings"]

# How alike two names are of which one is a misspelling, from 0 to 1.
_ALIKE = 0.75

_Schema = Mapping[str, Any]
_Path = tuple[str | int, ...]


def find_misspellings(schema: str, payload: str | None) -> list[Mistake]:
    """List the members of objects whose names are probably those of members that are not there.

    A schema or a value that cannot be walked through has none: it is a hint.
    """
    try:
        document, value = msgspec.json.decode(schema), msgspec.json.decode(payload or "null")
        return list(dict.fromkeys(_walk(document, document, value, ())))[:MOST_MISTAKES]
    except Exception:  # of a schema by a user's code, or a value that is too deep
        return []


def _walk(document: _Schema, schema: _Schema, value: object, path: _Path) -> Iterator[Mistake]:
    if isinstance(value, list):
        for index, item in enumerate(cast("list[object]", value)):
            for each in _members(document, schema):
                yield from _walk(document, each.get("items") or {}, item, (*path, index))
    elif isinstance(value, dict):
        given, properties = cast("dict[str, object]", value), dict[str, _Schema]()
        for each in _members(document, schema):
            properties.update(each.get("properties", {}))
        missing = [name for name in properties if name not in given]
        for name, member in given.items():
            if name in properties:
                yield from _walk(document, properties[name], member, (*path, name))
            elif near := get_close_matches(name, missing, 1, _ALIKE):
                message = f'it is not known; "{near[0]}" may be meant'
                yield Mistake(path=(*path, name), message=message)


def _members(document: _Schema, schema: _Schema) -> Iterator[_Schema]:
    """Yield the schemas of a union, or the one, without references."""
    while "$ref" in schema:
        schema = document["$defs"][schema["$ref"].rpartition("/")[2]]
    union = schema.get("anyOf") or schema.get("oneOf")
    if union is None:
        yield schema
        return
    for each in union:
        yield from _members(document, each)

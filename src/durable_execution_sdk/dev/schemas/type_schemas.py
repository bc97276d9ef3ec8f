"""Write the JSON schema of a type, from the shapes by which its values are read.

Loaded in the processes of functions. A schema describes what the code reads: a refusal by it has to be right,
so a part that it cannot describe allows anything. pydantic describes its own types, in which case the schema is
stricter than the code where pydantic converts, ``"1"`` to ``1`` for instance.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec

from durable_execution_sdk import serdes
from durable_execution_sdk.serdes.foreign import is_class, is_pydantic, name_of
from durable_execution_sdk.serdes.types import parts
from durable_execution_sdk.serdes.types.unions import UnionShape

__all__ = ["MOST_BYTES", "type_schema", "written_schema"]

MOST_BYTES = 64 << 10
"""The size of a schema above which there is none."""

_Schema = dict[str, Any]
_REFERENCE = "#/$defs/"
_UNFIT = re.compile(r"[^A-Za-z0-9_]+")
_MODULES = re.compile(r"\w[\w.<>]*\.")
_BYTES = {"type": "string", "format": "byte", "contentEncoding": "base64"}
_ARRAY = {"type": "array"}
_ANYTHING: _Schema = {}

_ATOMS: dict[object, _Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    bytes: _BYTES,
    bytearray: _BYTES,
    memoryview: _BYTES,
    UUID: {"type": "string", "format": "uuid"},
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
    time: {"type": "string", "format": "time"},
    timedelta: {"type": "string", "format": "duration"},
    Decimal: {"anyOf": [{"type": "string", "format": "decimal"}, {"type": "number"}]},
}
# A subclass of a builtin class is read as its base.
_BASES: dict[type, _Schema] = {
    str: _ATOMS[str],
    int: _ATOMS[int],
    float: _ATOMS[float],
    bytes: _BYTES,
    list: _ARRAY,
    set: _ARRAY,
    frozenset: _ARRAY,
    tuple: _ARRAY,
    deque: _ARRAY,
    Mapping: {"type": "object"},
}


def type_schema(kind: object) -> str | None:
    """Return the schema of a type as JSON; ``None`` if there is none that says anything."""
    try:
        return _schema_of_hashable(kind)
    except TypeError:
        return _schema_of(kind)


@lru_cache(maxsize=512)
def _schema_of_hashable(kind: object) -> str | None:
    return _schema_of(kind)


def _schema_of(kind: object) -> str | None:
    try:
        return written_schema(serdes.shapes.shape_of(kind))
    except (
        Exception
    ):  # of a user's class: the schema is a hint, which the function must not fail for
        return None


def written_schema(shape: parts.Shape) -> str | None:
    """Write the schema of a shape as JSON; ``None`` if it allows anything, or is too large."""
    writer = _Writer()
    schema = writer.schema(shape)
    if not schema:
        return None
    if writer.definitions:
        schema = {**schema, "$defs": writer.definitions}
    text = msgspec.json.encode(schema)
    return text.decode() if len(text) <= MOST_BYTES else None


class _Writer:
    """The writer of one schema. A shape that contains itself, and each class, is a definition."""

    def __init__(self) -> None:
        self.definitions: dict[str, _Schema] = {}
        self._names: dict[int, str] = {}
        self._under_way: set[int] = set()

    def schema(self, shape: parts.Shape) -> _Schema:
        """Write the schema of a shape, or a reference to it."""
        if id(shape) in self._names:
            return {"$ref": _REFERENCE + self._names[id(shape)]}
        if id(shape) in self._under_way or isinstance(shape, parts.Object):
            self._names[id(shape)] = self._new_name(shape.kind)
        if id(shape) in self._under_way:
            return {"$ref": _REFERENCE + self._names[id(shape)]}
        self._under_way.add(id(shape))
        schema = self._write(shape)
        self._under_way.discard(id(shape))
        name = self._names.get(id(shape))
        if name is None:
            return schema
        self.definitions[name] = schema
        return {"$ref": _REFERENCE + name}

    def _new_name(self, kind: Any) -> str:
        plain = _UNFIT.sub("_", _title(kind)).strip("_") or "type"
        name, number = plain, 1
        taken = {*self.definitions, *self._names.values()}
        while name in taken:
            number += 1
            name = f"{plain}_{number}"
        return name

    def _write(self, shape: parts.Shape) -> _Schema:
        match shape:
            case parts.Object():
                return self._object(shape)
            case UnionShape():
                members = [self.schema(part) for part in shape.parts]
                return {"anyOf": members} if all(members) else {}
            case parts.Alias():
                return {**self.schema(shape.parts[0]), **_constraints(shape)}
            case parts.Members():
                return _members(shape)
            case parts.Items():
                return _list(self.schema(shape.parts[0]))
            case parts.Positions():
                return self._positions(shape)
            case parts.Pairs():
                return self._pairs(shape)
            case parts.Adapted():
                return self._adapted(shape)
            case _:
                return self._atom(shape)

    def _object(self, shape: parts.Object) -> _Schema:
        fields = list(zip(shape.fields, shape.parts, strict=True))
        tag = {} if shape.tag is None else {shape.tag[0]: {"const": shape.tag[1]}}
        if shape.is_array:
            items = [*tag.values(), *(self.schema(part) for _, part in fields)]
            least = len(tag) + sum(field.required for field, _ in fields)
            return {"title": _title(shape.kind), **_array(items, least)}
        schema: _Schema = {
            "title": _title(shape.kind),
            "type": "object",
            "properties": {
                **tag,
                **{field.wire_name: self.schema(part) for field, part in fields},
            },
        }
        required = [field.wire_name for field, _ in fields if field.required]
        if required:
            schema["required"] = required
        if shape.is_closed:
            schema["additionalProperties"] = False
        return schema

    def _positions(self, shape: parts.Positions) -> _Schema:
        least = len(shape.parts) if shape.required is None else shape.required
        items = [self.schema(part) for part in shape.parts]
        names: tuple[str, ...] = getattr(shape.container, "_fields", ())
        if names:
            items = [{**item, "title": name} for name, item in zip(names, items, strict=True)]
        return {**_array(items, least), "maxItems": len(items)}

    def _pairs(self, shape: parts.Pairs) -> _Schema:
        schema: _Schema = {"type": "object"}
        values = self.schema(shape.parts[1])
        if values:
            schema["additionalProperties"] = values
        keys = shape.parts[0]
        if isinstance(keys, parts.Members) and keys.forms == {str}:
            schema["propertyNames"] = self.schema(keys)
        return schema

    def _atom(self, shape: parts.Shape) -> _Schema:
        kind: Any = shape.kind
        if is_pydantic(kind):
            return self._of_pydantic(kind.model_json_schema)
        if not is_class(kind):
            return {}
        if kind in _ATOMS:
            return _ATOMS[kind]
        bases = (schema for base, schema in _BASES.items() if issubclass(kind, base))
        schema: _Schema = next(bases, _ANYTHING)
        if schema is _ARRAY and len(shape.parts) == 1:
            return _list(self.schema(shape.parts[0]))
        return schema

    def _adapted(self, shape: parts.Adapted) -> _Schema:
        from pydantic import TypeAdapter  # noqa: PLC0415 - it is loaded, since it reads this type

        make: Any = TypeAdapter
        return self._of_pydantic(make(shape.kind).json_schema)

    def _of_pydantic(self, write: Callable[..., _Schema]) -> _Schema:
        """Take in a schema by pydantic with its definitions, under other names where these are taken."""
        from durable_execution_sdk.dev.schemas import pydantic_schemas  # noqa: PLC0415 - an extra

        prefix = ""
        while True:
            try:
                schema = pydantic_schemas.written(write, f"{_REFERENCE}{prefix}{{model}}")
            except Exception:  # a type without a schema, or code of the user's
                return {}
            found = {prefix + name: each for name, each in schema.pop("$defs", {}).items()}
            taken = {*self._names.values(), *self.definitions}
            if all(
                name not in taken or self.definitions.get(name) == found[name] for name in found
            ):
                self.definitions.update(found)
                return schema
            prefix += "other_"


def _title(kind: Any) -> str:
    """Write a type without the modules and functions in which its names are."""
    return _MODULES.sub("", name_of(kind))


def _constraints(shape: parts.Alias) -> _Schema:
    """Return the constraints of ``Annotated[int, msgspec.Meta(ge=1)]``, if msgspec reads the type and so checks them."""
    if not shape.is_native:
        return {}
    schema: _Schema = {}
    forms = shape.parts[0].forms
    length = "Items" if list in forms else "Properties" if dict in forms else "Length"
    for meta in getattr(shape.kind, "__metadata__", ()):
        if isinstance(meta, msgspec.Meta):
            named = {
                "title": meta.title,
                "description": meta.description,
                "exclusiveMinimum": meta.gt,
                "minimum": meta.ge,
                "exclusiveMaximum": meta.lt,
                "maximum": meta.le,
                "multipleOf": meta.multiple_of,
                "pattern": meta.pattern,
                f"min{length}": meta.min_length,
                f"max{length}": meta.max_length,
            }
            schema.update((name, value) for name, value in named.items() if value is not None)
    return schema


def _members(shape: parts.Members) -> _Schema:
    kind: Any = shape.kind
    values = [msgspec.json.decode(text) for text in shape.members]
    if is_class(kind) and issubclass(kind, Enum):
        if _finds_more(kind):
            return {}
        # Python finds the member True for 1.
        values += [int(value) for value in values if isinstance(value, bool)]
    return {"enum": values}


def _finds_more(kind: Any) -> bool:
    """Tell whether an enum has values beside those of its members: flags, and by ``_missing_``."""
    plain: Any = Enum
    return kind._missing_.__func__ is not plain._missing_.__func__


def _list(item: _Schema) -> _Schema:
    return {**_ARRAY, "items": item} if item else _ARRAY


def _array(items: list[_Schema], least: int) -> _Schema:
    schema: _Schema = {"type": "array"}
    if items:
        schema["prefixItems"] = items
    if least:
        schema["minItems"] = least
    return schema

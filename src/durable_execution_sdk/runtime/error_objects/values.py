"""Values of an exception's arguments and attributes: the supported types, and their state.

They have no type annotation, so a value that JSON lacks is tagged with its type: ``{"$": "decimal", "v":
"1.50"}``. Scalars are written as in results. No code of a value's class runs to write or to read it.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from durable_execution_sdk.runtime.error_objects.inspection import (
    Descriptor,
    clean,
    dict_of,
    mro_of,
    namespace_of,
    slots_of,
)

__all__ = [
    "BASES",
    "EXACT",
    "PLAIN",
    "SCALARS",
    "SCALAR_CLASSES",
    "VALUE_MARKS",
    "UnwritableError",
    "clipped",
    "restore",
    "state_of",
]

_LONGEST_TEXT = 8_192

SCALARS: dict[type, str] = {
    dt.datetime: "datetime",
    dt.date: "date",
    dt.time: "time",
    dt.timedelta: "timedelta",
    Decimal: "decimal",
    uuid.UUID: "uuid",
}
SCALAR_CLASSES: dict[str, object] = {tag: kind for kind, tag in SCALARS.items()}

# Functions that make a plain scalar of an instance of a subclass.
EXACT: dict[type, Callable[[Any], Any]] = {
    dt.datetime: lambda value: dt.datetime.fromisoformat(dt.datetime.isoformat(value)),
    dt.date: lambda value: dt.date.fromisoformat(dt.date.isoformat(value)),
    dt.time: lambda value: dt.time.fromisoformat(dt.time.isoformat(value)),
    dt.timedelta: dt.timedelta.__pos__,
    Decimal: Decimal,
    uuid.UUID: lambda value: uuid.UUID(int=uuid.UUID.__int__(value)),
}

# Functions that read the plain value of an instance of a subclass, without code of the subclass.
PLAIN: dict[type, Callable[[Any], Any]] = {
    str: str.__str__,
    int: int.__index__,
    float: float.__float__,
    bytes: lambda value: b"".join([bytes.__getitem__(value, slice(None))]),
    tuple: lambda value: list(tuple[Any, ...].__iter__(value)),
    list: lambda value: list(list[Any].__iter__(value)),
    dict: lambda value: [list(pair) for pair in dict[Any, Any].items(value)],
    set: lambda value: list(set[Any].__iter__(value)),
    frozenset: lambda value: list(frozenset[Any].__iter__(value)),
}
BASES: dict[str, type] = {kind.__name__: kind for kind in PLAIN}

# Attributes of classes that declare their fields, so that their instances can be recorded by state.
VALUE_MARKS = (
    "__dataclass_fields__",
    "__attrs_attrs__",
    "__struct_fields__",
    "__pydantic_fields_set__",
)


class UnwritableError(Exception):
    """Raised for a value that a record cannot hold; the message describes the value."""


def clipped(text: str, limit: int = _LONGEST_TEXT) -> str:
    """Cut a text to at most so many bytes as JSON, with lone surrogates escaped, and note the cut."""
    text = clean(text)
    kept = text if len(text) <= limit else text[:limit]
    while _json_size(kept) > limit:
        kept = kept[: min(len(kept) - 1, len(kept) * limit // _json_size(kept))]
    if len(kept) == len(text):
        return text
    return f"{kept}... ({len(text) - len(kept)} more characters)"


def _json_size(text: str) -> int:
    written = len(msgspec.json.encode(text)) - 2
    if text.isascii():
        return written
    return written + 4 * (len(text.encode()) - len(text))


def state_of(value: object) -> dict[str, object]:
    """Return the attributes of an instance, from its dict and its slots."""
    state = {name: item for name, item in dict_of(value).copy().items() if type(name) is str}
    for name, descriptor in _all_slots_of(type(value)):
        try:
            state.setdefault(name, descriptor.__get__(value))
        except AttributeError:  # a slot that is empty
            continue
    return state


def restore(value: object, state: dict[str, Any]) -> None:
    """Set attributes that ``state_of`` returned; those that the class does not accept are left out."""
    slots = dict(reversed(list(_all_slots_of(type(value)))))
    held = dict_of(value)
    for name, item in state.items():
        if name not in slots:
            held[name] = item
            continue
        try:
            slots[name].__set__(value, item)
        except (AttributeError, TypeError):  # read-only in C
            continue


def _all_slots_of(kind: type) -> list[tuple[str, Descriptor]]:
    """Return the slots of Python classes, and those in which pydantic keeps its own state."""
    slots = list(slots_of(kind, python_only=True))
    for base in mro_of(kind):
        for name in ("__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__"):
            descriptor = namespace_of(base).get(name)
            if type(descriptor).__name__ == "member_descriptor":
                slots.append((name, descriptor))
    return slots

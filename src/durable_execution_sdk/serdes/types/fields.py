"""The fields of dataclasses, typed dicts, msgspec structs and attrs classes, in one form."""

from __future__ import annotations

import sys
from typing import Any, get_args, get_origin

import msgspec

from durable_execution_sdk.serdes.types.names import hints_of

__all__ = ["Field", "fields_of"]


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """A field: its names as an attribute, in JSON and in the constructor, and its type.

    ``init_name`` is empty if the constructor does not take the field.
    """

    name: str
    wire_name: str
    init_name: str
    kind: Any
    required: bool


def fields_of(kind: Any) -> list[Field] | None:
    """Return the fields of a dataclass, ``TypedDict``, ``msgspec.Struct`` or attrs class, else ``None``."""
    if issubclass(kind, msgspec.Struct):
        return [
            Field(
                name=field.name,
                wire_name=field.encode_name,
                init_name=field.name,
                kind=field.type,
                required=field.required,
            )
            for field in msgspec.structs.fields(kind)
        ]
    if hasattr(kind, "__required_keys__"):  # of typing, or of typing_extensions
        hints = hints_of(kind)
        return [_typeddict_field(kind, name, hint) for name, hint in hints.items()]
    if hasattr(kind, "__dataclass_fields__"):
        return _dataclass_fields(kind)
    if hasattr(kind, "__attrs_attrs__"):
        return _attrs_fields(kind)
    return None


def _dataclass_fields(kind: Any) -> list[Field]:
    import dataclasses  # noqa: PLC0415 - the class exists, so the module is loaded already

    hints = hints_of(kind)
    return [
        _plain(
            field.name,
            field.name if field.init else "",
            hints[field.name],
            required=field.init
            and field.default is dataclasses.MISSING
            and field.default_factory is dataclasses.MISSING,
        )
        for field in dataclasses.fields(kind)
    ]


def _attrs_fields(kind: Any) -> list[Field]:
    hints = hints_of(kind)
    return [
        _plain(
            field.name,
            field.alias if field.init else "",
            hints.get(field.name, Any),
            required=field.init and field.default is _attrs_nothing(field),
        )
        for field in kind.__attrs_attrs__
    ]


def _attrs_nothing(field: object) -> object:
    """Return attrs' marker for a field without a default, without importing attrs."""
    return sys.modules[type(field).__module__].NOTHING


def _plain(name: str, init_name: str, kind: object, *, required: bool) -> Field:
    return Field(name=name, wire_name=name, init_name=init_name, kind=kind, required=required)


def _typeddict_field(kind: Any, name: str, hint: object) -> Field:
    # Up to Python 3.13, __required_keys__ ignores markers in annotations that are text, as all are after
    # `from __future__ import annotations`.
    required: bool = name in kind.__required_keys__
    while (marker := getattr(get_origin(hint), "_name", "")) in {
        "Required",
        "NotRequired",
        "ReadOnly",
    }:
        required = {"Required": True, "NotRequired": False}.get(marker, required)
        hint = get_args(hint)[0]
    return _plain(name, name, hint, required=required)

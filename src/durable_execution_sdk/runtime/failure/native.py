"""pydantic's ``ValidationError``, whose class has no constructor that a subclass could use.

An instance is made by pydantic's own function in Rust, and its class changed after.
"""

from __future__ import annotations

import sys
from typing import Any

from durable_execution_sdk.runtime.failure.inspection import (
    RECORDED_CLASSES,
    mro_of,
    namespace_of,
    path_of,
    type_of,
)

__all__ = ["native_class", "native_parts", "new_native"]

_VALIDATION_ERROR = "pydantic_core._pydantic_core:ValidationError"
_CUSTOM_ERROR = "pydantic_core._pydantic_core:PydanticCustomError"
_NO_PARTS: Any = ("", [])
_set_class = object.__dict__["__class__"].__set__


def native_class(kind: type) -> type | None:
    """The class among the bases of ``kind`` that needs this; a rebuilt one only bears its name."""
    named = (each for each in mro_of(kind) if path_of(each) == _VALIDATION_ERROR)
    return next((each for each in named if RECORDED_CLASSES not in namespace_of(each)), None)


def native_parts(native: type, error: object) -> Any:
    """The title, the errors, the kind of input, and whether the input is hidden."""
    title, errors, *rest = namespace_of(native)["__reduce__"](error)[1]
    return [title, [{**line, "type": _type_name(line["type"])} for line in errors], *rest]


def _type_name(told: Any) -> Any:
    """The type of an error as text: one of the user's own is told by the exception that was raised."""
    for kind in mro_of(type_of(told)):
        if path_of(kind) == _CUSTOM_ERROR:
            return namespace_of(kind)["type"].__get__(told)
    return told


def new_native(native: Any, cls: type, parts: Any) -> Any:
    """An instance of ``cls``, a subclass of ``native``; it tells of no errors if they do not fit."""
    title, errors, *rest = parts or _NO_PARTS
    lines: Any
    for lines in (errors, [_custom(each) for each in errors], []):
        try:
            made = native.from_exception_data(title, lines, *rest)
        except Exception:  # noqa: S112 - a type of the user's own, or recorded in part
            continue
        _set_class(made, cls)
        return made
    raise TypeError(f"{path_of(native)} cannot be made of what was recorded")


def _custom(line: Any) -> Any:
    """An error that pydantic does not know by its type."""
    make = vars(sys.modules["pydantic_core"])["PydanticCustomError"]
    context = line.get("ctx")
    more = (context,) if type_of(context) is dict and context else ()
    kind = make(line.get("type", "?"), str(line.get("msg", "")), *more)
    return {"type": kind, "loc": tuple(line.get("loc", ())), "input": line.get("input")}

"""Support for pydantic's ``ValidationError``, whose class has no constructor that a subclass could use.

An instance is made by pydantic's own function in Rust, and its class is changed afterwards.
"""

from __future__ import annotations

import sys
from typing import Any

from durable_execution_sdk.runtime.error_objects.inspection import (
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
    """Return the class among the bases of ``kind`` that needs this; rebuilt classes only have its name."""
    candidates = (base for base in mro_of(kind) if path_of(base) == _VALIDATION_ERROR)
    return next((base for base in candidates if RECORDED_CLASSES not in namespace_of(base)), None)


def native_parts(native: type, error: object) -> Any:
    """Return the title, the errors, the kind of input, and a flag that hides the input."""
    title, errors, *rest = namespace_of(native)["__reduce__"](error)[1]
    return [title, [{**line, "type": _type_name(line["type"])} for line in errors], *rest]


def _type_name(error_type: Any) -> Any:
    """Return the type of an error as text; for a type of the user's own, that of the raised exception."""
    for kind in mro_of(type_of(error_type)):
        if path_of(kind) == _CUSTOM_ERROR:
            return namespace_of(kind)["type"].__get__(error_type)
    return error_type


def new_native(native: Any, cls: type, parts: Any) -> Any:
    """Make an instance of ``cls``, a subclass of ``native``; without errors if they cannot be converted."""
    title, errors, *rest = parts or _NO_PARTS
    lines: Any
    for lines in (errors, [_custom(line) for line in errors], []):
        try:
            error = native.from_exception_data(title, lines, *rest)
        except Exception:  # noqa: S112 - a type of the user's own, or recorded in part
            continue
        _set_class(error, cls)
        return error
    raise TypeError(f"{path_of(native)} cannot be made of what was recorded")


def _custom(line: Any) -> Any:
    """Make an error of a type that pydantic does not define."""
    make = vars(sys.modules["pydantic_core"])["PydanticCustomError"]
    context = line.get("ctx")
    more = (context,) if type_of(context) is dict and context else ()
    kind = make(line.get("type", "?"), str(line.get("msg", "")), *more)
    return {"type": kind, "loc": tuple(line.get("loc", ())), "input": line.get("input")}

"""Quick checks that a value will be read back equal, without reading it back.

msgspec reads back an equal value if each part is exactly of the annotated class, no user code runs when
it is read, and no number is nan or infinite. The checks return ``True`` only then. For all other values
they return ``False``, and the value is read back and compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Flag
from typing import Any
from uuid import UUID

import msgspec

from durable_execution_sdk import serdes
from durable_execution_sdk.serdes.foreign import is_class, is_pydantic
from durable_execution_sdk.serdes.types.parts import (
    Alias,
    Atom,
    Items,
    Members,
    Object,
    Pairs,
    Positions,
    Shape,
)
from durable_execution_sdk.serdes.types.unions import UnionShape

__all__ = ["check_for"]

Check = Callable[[Any], bool]

# ``type``, typed for values of unknown type.
type_of: Callable[[object], Any] = type

_Part = tuple[frozenset[Any], Check | None]
"""Classes whose instances all pass, and a check for instances of other classes."""

_NO_CLASS: frozenset[object] = frozenset()
_PLAIN = frozenset((str, int, bool, type(None)))
_SURE: frozenset[object] = frozenset((str, int, bool, type(None), bytes, UUID, date, timedelta))
_CONTAINERS: frozenset[object] = frozenset((list, tuple, set, frozenset))
_KEYS: tuple[object, ...] = (str, int)
_SETS: tuple[object, ...] = (set, frozenset)


def check_for(shape: Shape) -> Check:
    """Build the check for values of a type."""
    classes, check = _part(shape, {})
    if check is None:
        return lambda value: type_of(value) in classes
    return check


def _part(shape: Shape, known: dict[object, Check]) -> _Part:
    if not shape.is_native or shape.is_opaque:
        return _NO_CLASS, _never
    if shape in known:
        return _NO_CLASS, known[shape]
    match shape:
        case Atom() if is_pydantic(shape.kind):
            return _NO_CLASS, known.get(shape.kind) or _model(shape.kind, known)
        case Atom():
            return _atom(shape.kind)
        case Alias() if hasattr(shape.kind, "__supertype__"):
            return _part(shape.parts[0], known)
        case UnionShape():
            return _union(shape, known)
        case Members() if is_class(shape.kind) and not issubclass(shape.kind, Flag):
            return frozenset((shape.kind,)), None
        case Object():
            return _NO_CLASS, _object(shape, known)
        case Items() if shape.container in _CONTAINERS:
            return _NO_CLASS, _items(shape.container, *_part(shape.parts[0], known))
        case Positions():
            return _NO_CLASS, _positions(shape, [_part(each, known) for each in shape.parts])
        case Pairs() if shape.container is dict and shape.parts[0].kind in _KEYS:
            return _NO_CLASS, _pairs(shape.parts[0].kind, *_part(shape.parts[1], known))
        case _:
            pass
    return _NO_CLASS, _never


def _never(_: object) -> bool:
    return False


def _atom(kind: object) -> _Part:
    if kind is Any:
        return _PLAIN, _is_plain
    if kind in _SURE:
        return frozenset((kind,)), None
    if kind is datetime or kind is time:
        return _NO_CLASS, lambda v: type(v) is kind and v.tzinfo in (None, UTC) and not v.fold
    if kind is float:
        return _NO_CLASS, lambda v: type(v) is float and v - v == 0  # neither nan nor infinite
    if kind is Decimal:
        return _NO_CLASS, lambda v: type(v) is Decimal and v.is_finite()
    return _NO_CLASS, _never


def _is_plain(value: Any) -> bool:
    """Tell whether a value is exactly what JSON decodes to."""
    kind = type_of(value)
    if kind in _PLAIN:
        return True
    if kind is float:
        return bool(value - value == 0)
    if kind is dict:
        for key in value:
            if type(key) is not str:
                return False
        inner: Iterable[Any] = value.values()
    elif kind is list:
        inner = value
    else:
        return False
    for each in inner:  # noqa: SIM110 - quicker than a generator
        if type(each) not in _PLAIN and not _is_plain(each):
            return False
    return True


def _union(shape: UnionShape, known: dict[object, Check]) -> _Part:
    """Build the check for a union whose members have different forms in JSON; others never pass."""
    forms = [each.forms for each in shape.parts]
    if len(frozenset[type]().union(*forms)) != sum(map(len, forms)):
        return _NO_CLASS, _never
    parts = [_part(each, known) for each in shape.parts]
    classes = frozenset[Any]().union(*(part[0] for part in parts))
    checks = [check for _, check in parts if check is not None]
    if not checks:
        return classes, None
    if len(checks) == 1:
        only = checks[0]
        return classes, lambda value: type_of(value) in classes or only(value)
    return classes, lambda value: type_of(value) in classes or any(fits(value) for fits in checks)


def _items(container: object, classes: frozenset[object], check: Check | None) -> Check:
    if container in _SETS and check is not None:
        return _never  # the set fields of a model are not written for models in a set

    def fits(value: Any) -> bool:
        if type_of(value) is not container:
            return False
        for each in value:
            if type(each) not in classes and (check is None or not check(each)):
                return False
        return True

    return fits


def _pairs(key: object, classes: frozenset[object], check: Check | None) -> Check:
    def fits(value: Any) -> bool:
        if type_of(value) is not dict:
            return False
        for name, each in value.items():
            if type(name) is not key:
                return False
            if type(each) not in classes and (check is None or not check(each)):
                return False
        return True

    return fits


def _positions(shape: Positions, parts: list[_Part]) -> Check:
    kind, length = shape.container, len(parts)
    if kind is not tuple and kind.__bases__ != (tuple,):
        return _never

    def fits(value: Any) -> bool:
        if type_of(value) is not kind or len(value) != length:
            return False
        for each, (classes, check) in zip(value, parts, strict=True):
            if type(each) not in classes and (check is None or not check(each)):
                return False
        return True

    return fits


def _attributes(kind: type[Any], parts: dict[str, _Part]) -> Check:
    """The check of an object by what its dictionary holds; ``parts`` may be filled in later."""

    def fits(value: object) -> bool:
        if type_of(value) is not kind:
            return False
        held = value.__dict__
        if len(held) != len(parts):
            return False
        for name, each in held.items():
            part = parts.get(name)
            if part is None:
                return False
            if type(each) not in part[0] and (part[1] is None or not part[1](each)):
                return False
        return True

    return fits


def _object(shape: Object, known: dict[Any, Check]) -> Check:
    kind = shape.container
    parts: dict[str, _Part] = {}
    required: list[str] = []

    def in_slots(value: object) -> bool:
        if type_of(value) is not kind:
            return False
        for name, (classes, check) in parts.items():
            each = getattr(value, name)
            if type(each) not in classes and (check is None or not check(each)):
                return False
        return True

    def by_key(value: Any) -> bool:
        if type_of(value) is not dict:
            return False
        for name, each in value.items():
            part = parts.get(name)
            if part is None:
                return False
            if type(each) not in part[0] and (part[1] is None or not part[1](each)):
                return False
        return all(name in value for name in required)

    made = _attributes(kind, parts)
    if hasattr(kind, "__required_keys__"):
        made = by_key
    elif not _is_transparent(kind):
        return _never
    elif issubclass(kind, msgspec.Struct):
        made = in_slots
    known[shape] = made
    for field, part in zip(shape.fields, shape.parts, strict=True):
        parts[field.name] = _part(part, known)
        if field.required:
            required.append(field.name)
    return made


def _model(kind: Any, known: dict[Any, Check]) -> Check:
    fields = serdes.models.plain_fields_of(kind)
    if fields is None:
        return _never
    parts: dict[str, _Part] = {}

    known[kind] = fits = _attributes(kind, parts)
    for name, annotation in fields.items():
        try:
            parts[name] = _part(serdes.shapes.plan_of(annotation).shape, known)
        except (TypeError, NameError, AttributeError):  # only pydantic can read this field
            parts[name] = _NO_CLASS, _never
    return fits


def _is_transparent(kind: Any) -> bool:
    """Tell whether msgspec makes instances without running the class's code, and they have no other state."""
    if hasattr(kind, "__post_init__"):
        return False
    if issubclass(kind, msgspec.Struct):
        return not kind.__struct_config__.dict
    if not hasattr(kind, "__dataclass_fields__") or kind.__new__ is not object.__new__:
        return False
    has_slots = any("__slots__" in vars(each) for each in kind.__mro__ if each is not object)
    is_frozen = kind.__dataclass_params__.frozen
    return not has_slots and (is_frozen or kind.__setattr__ is object.__setattr__)

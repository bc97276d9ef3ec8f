"""Find the first difference between a value that was written and the value that was read back.

A value must be read back equal and of the same type, or it is refused. Its type annotation cannot
guarantee that: a subclass in a field, a ``__post_init__`` that runs again, the factory of a
``defaultdict``, and a second equal key all fit the annotation and are lost. So the value is read back,
and the two are compared part by part, by class and by state.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import cached_property
from typing import Any
from uuid import UUID

from msgspec import Struct

from durable_execution_sdk.serdes.foreign import class_of, is_pydantic, name_of

__all__ = ["Difference", "difference", "subclass_message"]

_SCALARS = frozenset((str, int, bool, float, type(None), bytes, bytearray, UUID, timedelta, date))
_BASES: tuple[type[Any], ...] = (
    str,
    int,
    float,
    complex,
    bytes,
    bytearray,
    datetime,
    date,
    time,
    timedelta,
    Decimal,
    UUID,
)
_ABSENT = object()


class Difference(Struct, frozen=True):
    """A part of a value that would be read back differently.

    ``path`` is its place. ``reason`` is the text for the loss, unless the class differs.
    """

    path: str
    before: object
    after: object
    reason: str | None = None

    def text(self, type_: Any) -> str:
        """Write the difference for an error message about a value of this type."""
        found, expected = class_of(self.before), class_of(self.after)
        if self.reason is not None:
            return (
                f"{self.path} is a {name_of(found)} that would not come back from JSON as it is: "
                f"{self.reason}. Return plain data"
            )
        if issubclass(found, expected):
            return subclass_message(self.path, found, expected)
        return (
            f"{self.path} is a {name_of(found)}, but its JSON reads as a {name_of(expected)} in "
            f"{name_of(type_)}. Annotate the class that is returned; give the members of a union "
            "fields that tell them apart, such as kind: Literal['...']"
        )


def subclass_message(path: str, found: type, expected: type) -> str:
    """Write the error message for a value of a subclass."""
    return (
        f"at {path}, expected exactly {name_of(expected)}, found its subclass {name_of(found)}, which "
        f"would come back as {name_of(expected)}. Annotate the class that is returned, or a union, "
        f"or convert it to {name_of(expected)}"
    )


class _Place(Struct, frozen=True, gc=False):
    """A place in a value: the last step of its path, and the place above."""

    above: _Place | None
    step: str

    @property
    def path(self) -> str:
        """The whole path."""
        steps: list[str] = []
        place: _Place | None = self
        while place is not None:
            steps.append(place.step)
            place = place.above
        return "".join(reversed(steps))


_Pair = tuple[_Place, Any, Any]


class _LostError(Exception):
    """A whole value would lose something that none of its parts shows; the message names the loss."""


def difference(before: object, after: object) -> Difference | None:
    """Return the first difference between two values, or ``None``."""
    todo: list[_Pair] = [(_Place(None, "$"), before, after)]
    while todo:
        place, old, new = todo.pop()
        kind = class_of(old)
        if kind is not class_of(new):
            return Difference(place.path, old, new)
        if kind in _SCALARS:
            if old != new:
                return Difference(place.path, old, new, f"would come back as {new!r}")
            continue
        try:
            parts = _parts(kind, old, new, place)
        except _LostError as error:
            return Difference(place.path, old, new, str(error))
        parts.reverse()
        todo += parts
    return None


def _parts(kind: Any, old: Any, new: Any, place: _Place) -> list[_Pair]:
    """Return the pairs of parts to compare. Raises ``_LostError`` if the whole differs."""
    if kind is dict:
        return _values(old, new, place)
    if kind is list or kind is tuple:
        return _items(old, new, place)
    if issubclass(kind, Enum):
        _same(bool(old == new), old, new)
        return []
    if issubclass(kind, Struct):
        names = kind.__struct_fields__
        before = {name: getattr(old, name) for name in names}
        return _attributes(before, {name: getattr(new, name) for name in names}, place)
    if is_pydantic(kind):
        return _of_model(kind, old, new, place)
    if issubclass(kind, _BASES):
        _compare_scalars(old, new)
        return _state_of(kind, old, new, place)
    if issubclass(kind, (Mapping, list, tuple, deque, AbstractSet)):
        return _contents(kind, old, new, place) + _state_of(kind, old, new, place)
    if not hasattr(kind, "__dataclass_fields__") and not hasattr(kind, "__attrs_attrs__"):
        equals: Any = kind.__eq__
        if equals is not object.__eq__:
            _same(bool(old == new), old, new)
            return []
    return _state_of(kind, old, new, place)


def _contents(kind: Any, old: Any, new: Any, place: _Place) -> list[_Pair]:
    """Return the pairs of parts of a container other than ``dict``, ``list`` and ``tuple``."""
    if issubclass(kind, Mapping):
        if issubclass(kind, OrderedDict):
            _same(list(old) == list(new), list(old), list(new))
        if issubclass(kind, defaultdict) and old.default_factory is not new.default_factory:
            raise _LostError(f"its default_factory {name_of(old.default_factory)} would be lost")
        return _values(old, new, place)
    if issubclass(kind, AbstractSet):
        return _members(old, new, place)
    if issubclass(kind, deque) and old.maxlen != new.maxlen:
        raise _LostError(f"its maxlen of {old.maxlen} would be lost")
    return _items(old, new, place)


def _same(is_same: bool, old: Any, new: Any) -> None:  # noqa: FBT001 - the whole of its purpose
    if not is_same:
        before, after = f"{old!r:.100}", f"{new!r:.100}"
        if before == after:
            raise _LostError(f"what comes back is not equal to {before}")
        raise _LostError(f"{before} would come back as {after}")


def _compare_scalars(old: Any, new: Any) -> None:
    base: Any = next(base for base in _BASES if isinstance(old, base))
    _same(base.__eq__(old, new) is True, old, new)
    if base is datetime or base is time:
        if (old.tzinfo is None) is not (new.tzinfo is None) or old.fold != new.fold:
            raise _LostError(f"its time zone {old.tzinfo!r} would be lost")
        if old.tzinfo is not None and old.tzinfo.utcoffset(None) != new.utcoffset():
            raise _LostError(
                f"only the offset of its time zone {old.tzinfo} would come back, not its rules; "
                "convert it to UTC"
            )


def _items(old: Any, new: Any, place: _Place) -> list[_Pair]:
    if len(old) != len(new):
        raise _LostError(f"its {len(old)} items would come back as {len(new)}")
    kinds = list(map(type, old))
    if _SCALARS.issuperset(kinds) and kinds == list(map(type, new)) and list(old) == list(new):
        return []
    names: tuple[str, ...] | None = getattr(old, "_fields", None)
    return [
        (_Place(place, f".{names[index]}" if names else f"[{index}]"), item, other)
        for index, (item, other) in enumerate(zip(old, new, strict=True))
    ]


def _values(old: Any, new: Any, place: _Place) -> list[_Pair]:
    """Return the pairs of a mapping's values, and of keys that are not text."""
    keys = {key: key for key in new}
    parts: list[_Pair] = []
    for key in old:
        other = keys.pop(key, _ABSENT)
        if other is _ABSENT:
            raise _LostError(
                f"its key {key!r} would be lost: in JSON all keys are text, and two may be the same"
            )
        if class_of(key) is not str or class_of(other) is not str:
            parts.append((_Place(place, f"[the key {key!r}]"), key, other))
        step = f".{key}" if class_of(key) is str and key.isidentifier() else f"[{key!r}]"
        parts.append((_Place(place, step), old[key], new[key]))
    if keys:
        raise _LostError(f"it would come back with a key {next(iter(keys))!r}")
    return parts


def _members(old: Any, new: Any, place: _Place) -> list[_Pair]:
    found = {item: item for item in new}
    _same(len(old) == len(new) and all(item in found for item in old), old, new)
    return [(_Place(place, f"[{item!r}]"), item, found[item]) for item in old]


def _of_model(kind: Any, old: Any, new: Any, place: _Place) -> list[_Pair]:
    if old.model_fields_set != new.model_fields_set:
        lost = sorted(old.model_fields_set ^ new.model_fields_set)
        raise _LostError(f"its model_fields_set would change in {', '.join(lost)}")
    before: dict[str, Any] = old.__dict__
    after: dict[str, Any] = new.__dict__
    parts = _attributes(_without_caches(kind, before), _without_caches(kind, after), place)
    more: dict[str, Any] = old.__pydantic_extra__ or {}
    private: dict[str, Any] = old.__pydantic_private__ or {}
    parts += _attributes(more, new.__pydantic_extra__ or {}, place)
    parts += _attributes(private, new.__pydantic_private__ or {}, place, are_fields=False)
    return parts


def _state_of(kind: Any, old: object, new: object, place: _Place) -> list[_Pair]:
    """Return the pairs of an object's attributes, in its ``__dict__`` and in its slots."""
    before, after = _state(kind, old), _state(kind, new)
    fields = getattr(kind, "__dataclass_fields__", None) or _attrs_names(kind)
    parts = _attributes(
        {name: value for name, value in before.items() if name in fields},
        {name: value for name, value in after.items() if name in fields},
        place,
    )
    return parts + _attributes(
        {name: value for name, value in before.items() if name not in fields},
        {name: value for name, value in after.items() if name not in fields},
        place,
        are_fields=False,
    )


def _state(kind: object, value: object) -> dict[str, object]:
    held: Any = object.__getstate__(value)
    in_dict, in_slots = held if class_of(held) is tuple else (held, None)
    state: dict[str, Any] = {}
    state.update(in_dict or {}, **(in_slots or {}))
    return _without_caches(kind, state)


def _attrs_names(kind: object) -> frozenset[str]:
    return frozenset(field.name for field in getattr(kind, "__attrs_attrs__", ()))


def _without_caches(kind: object, state: Mapping[str, object]) -> dict[str, object]:
    """Return the state without values of ``functools.cached_property``, which are computed again."""
    return {
        name: value
        for name, value in state.items()
        if not isinstance(getattr(kind, name, None), cached_property)
    }


def _attributes(
    old: Mapping[str, Any], new: Mapping[str, Any], place: _Place, *, are_fields: bool = True
) -> list[_Pair]:
    """Return the pairs of attributes. Attributes that are not fields may hold locks or functions."""
    missing = sorted(old.keys() ^ new.keys())
    if missing:
        verb = "be lost" if missing[0] in old else "come back with a value"
        raise _LostError(f"its attribute {missing[0]} would {verb}")
    return [
        (_Place(place, f".{name}"), value, new[name])
        for name, value in old.items()
        if are_fields or not _is_no_value(value, new[name])
    ]


def _is_no_value(old: Any, new: Any) -> bool:
    kind = class_of(old)
    return kind is class_of(new) and kind.__eq__ is object.__eq__ and not isinstance(old, Enum)

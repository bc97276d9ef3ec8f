"""Types that msgspec does not know: pydantic models, deques, other mappings, subclasses of builtins.

pydantic is never imported here; a model can only turn up if somebody else has imported it.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping
from types import GenericAlias
from typing import Any, get_args, get_origin

import msgspec

__all__ = ["ENCODER", "class_of", "from_json", "is_class", "is_pydantic", "name_of", "to_json"]

_PLAIN: tuple[type[Any], ...] = (str, int, float, bytes, list, set, frozenset, tuple)
_WRITTEN_AS: tuple[tuple[type[Any], Callable[[Any], Any]], ...] = (
    (str, str.__str__),
    (int, int.__int__),
    (float, float.__float__),
    (bytes, bytes),
    (deque, list),
    (Mapping, dict),
)


def class_of(value: object) -> Any:
    """The class of a value, about which nothing is known."""
    return type(value)


def is_class(kind: object) -> bool:
    """Whether this is a class, not a ``list[int]`` or another construct of ``typing``."""
    return isinstance(kind, type) and get_origin(kind) is None


def is_pydantic(kind: object) -> bool:
    """Whether this is a pydantic model class."""
    main = sys.modules.get("pydantic.main")
    return main is not None and isinstance(kind, type) and issubclass(kind, main.BaseModel)


def name_of(kind: Any) -> str:
    """A type as a user writes it."""
    return kind.__qualname__ if is_class(kind) else str(kind).replace("typing.", "")


def to_json(value: Any) -> Any:
    """What to write for a value that msgspec does not know; ``TypeError`` if there is nothing."""
    if is_pydantic(class_of(value)):
        return value.model_dump(mode="json", round_trip=True)
    for kind, plain in _WRITTEN_AS:
        if isinstance(value, kind):
            return plain(value)
    raise TypeError(f"{name_of(class_of(value))} has no form in JSON")


def from_json(kind: Any, value: Any, read: Callable[[Any, Any], Any]) -> Any:
    """Make a ``kind`` that msgspec does not know from what JSON gave; ``TypeError`` if it cannot.

    ``read(kind, value)`` makes what it consists of.
    """
    origin: Any = get_origin(kind) or kind
    if origin is object:
        return value
    if is_pydantic(origin):
        # As JSON, since strict models read a date, say, from text there and nowhere else.
        return origin.model_validate_json(ENCODER.encode(value), by_alias=True, by_name=True)
    if is_class(origin):
        args: tuple[Any, ...] = get_args(kind)
        make: Any = origin
        if issubclass(origin, deque):
            return make(read(GenericAlias(list, args or (Any,)), value))
        if issubclass(origin, Counter):
            return make(read(GenericAlias(dict, (args[0] if args else Any, int)), value))
        if issubclass(origin, Mapping):
            pairs = read(GenericAlias(dict, args) if args else _base(origin, dict), value)
            return defaultdict(None, pairs) if make is defaultdict else make(pairs)
        for plain in _PLAIN:
            if issubclass(origin, plain):
                return make(read(_base(origin, plain), value))
    raise TypeError(
        f"JSON cannot become {name_of(kind)}; use a dataclass, TypedDict, NamedTuple, "
        "msgspec.Struct or pydantic model"
    )


def _base(origin: Any, plain: type[Any]) -> Any:
    """``list[Item]`` for a class that was written ``class Items(list[Item])``."""
    bases: tuple[Any, ...] = getattr(origin, "__orig_bases__", ())
    return next((base for base in bases if get_origin(base) is plain), plain)


ENCODER = msgspec.json.Encoder(enc_hook=to_json)
"""Writes any value that can be written."""

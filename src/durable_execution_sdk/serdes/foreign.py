"""Types that msgspec does not know: pydantic models, deques, other mappings, subclasses of builtins.

pydantic is never imported here; a model can only turn up if the user's code has imported it.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping
from types import GenericAlias
from typing import Any, get_args, get_origin

import msgspec

from durable_execution_sdk import serdes

__all__ = [
    "ENCODER",
    "OUTWARD_ENCODER",
    "Writers",
    "class_of",
    "encoder_with",
    "from_json",
    "is_class",
    "is_pydantic",
    "is_subclass_of_builtin",
    "name_of",
    "to_json",
]

Writers = Mapping[type[Any], Callable[[Any], Any]]
"""Functions that turn instances of classes that nothing here knows into plain data."""

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


def is_subclass_of_builtin(kind: Any) -> bool:
    """Whether ``from_json`` makes one from what the builtin class is made from."""
    return kind not in _PLAIN and issubclass(kind, _PLAIN)


def name_of(kind: Any) -> str:
    """A type as a user writes it."""
    return kind.__qualname__ if is_class(kind) else str(kind).replace("typing.", "")


def to_json(value: Any, writers: Writers | None = None, *, is_outward: bool = False) -> Any:
    """What to write for a value that msgspec does not know; ``TypeError`` if there is nothing."""
    kind = class_of(value)
    if writers is not None:
        for base in kind.__mro__:
            if base in writers:
                return writers[base](value)
    if is_pydantic(kind):
        return serdes.models.model_to_json(value, is_outward=is_outward)
    for known, plain in _WRITTEN_AS:
        if isinstance(value, known):
            return plain(value)
    raise TypeError(f"{name_of(kind)} has no form in JSON")


def encoder_with(writers: Writers) -> msgspec.json.Encoder:
    """An encoder that knows these classes too."""
    return msgspec.json.Encoder(enc_hook=lambda value: to_json(value, writers))


def from_json(kind: Any, value: Any, read: Callable[[Any, Any], Any]) -> Any:
    """Make a ``kind`` that msgspec does not know from what JSON gave; ``TypeError`` if it cannot.

    ``read(kind, value)`` makes what it consists of.
    """
    origin: Any = get_origin(kind) or kind
    if origin is object:
        return value
    if is_pydantic(origin):
        return serdes.models.model_from_json(origin, value)
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
"""Writes any value that can be written, so that it can be read back."""

OUTWARD_ENCODER = msgspec.json.Encoder(enc_hook=lambda value: to_json(value, is_outward=True))
"""Writes a value for a reader outside the execution."""

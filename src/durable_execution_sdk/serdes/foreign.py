"""Types that msgspec does not know, and the decoders that ask for them.

pydantic is never imported here; a model can appear only if the user's code has imported it.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping
from types import GenericAlias
from typing import Any, TypeGuard, get_args, get_origin

import msgspec

from durable_execution_sdk import serdes

__all__ = [
    "ENCODER",
    "OUTWARD_ENCODER",
    "Writers",
    "class_of",
    "comes_back",
    "converted",
    "decoder_for",
    "encoder_with",
    "form_name",
    "from_json",
    "is_class",
    "is_pydantic",
    "is_subclass_of_builtin",
    "misfit",
    "name_of",
    "read_foreign",
    "to_json",
]


Writers = Mapping[type[Any], Callable[[Any], Any]]
"""Functions that turn instances of unsupported classes into plain data, by class."""

_PLAIN: tuple[type[object], ...] = (str, int, float, bytes, list, set, frozenset, tuple)
_WRITTEN_AS: tuple[tuple[type[Any], Callable[[Any], Any]], ...] = (
    (str, str.__str__),
    (int, int.__int__),
    (float, float.__float__),
    (bytes, bytes),
    (deque, list),
    (Mapping, dict),
)


def class_of(value: object) -> Any:
    """Return a value's class, typed as ``Any``."""
    return type(value)


def is_class(kind: object) -> TypeGuard[type[object]]:
    """Tell whether this is a class, not a ``list[int]`` or another construct of ``typing``."""
    return isinstance(kind, type) and get_origin(kind) is None


def is_pydantic(kind: object) -> bool:
    """Tell whether this is a pydantic model class."""
    main = sys.modules.get("pydantic.main")
    return main is not None and isinstance(kind, type) and issubclass(kind, main.BaseModel)


def is_subclass_of_builtin(kind: Any) -> bool:
    """Tell whether this is a subclass of a builtin class, which ``from_json`` reads as its base."""
    return kind not in _PLAIN and issubclass(kind, _PLAIN)


def name_of(kind: Any) -> str:
    """Write a type as in source code."""
    return kind.__qualname__ if is_class(kind) else str(kind).replace("typing.", "")


def to_json(value: Any, writers: Writers | None = None, *, is_outward: bool = False) -> Any:
    """Turn a value that msgspec does not support into one that it does (msgspec's ``enc_hook``).

    Raises ``TypeError`` if the value has no form in JSON.
    """
    kind = class_of(value)
    if writers is not None:
        for base in kind.__mro__:
            if base in writers:
                return writers[base](value)
    if is_pydantic(kind):
        return serdes.models.model_to_json(value, is_outward=is_outward)
    for base_class, plain in _WRITTEN_AS:
        if isinstance(value, base_class):
            return plain(value)
    raise TypeError(f"{name_of(kind)} has no form in JSON")


def encoder_with(writers: Writers) -> msgspec.json.Encoder:
    """Make an encoder that supports these classes too."""
    return msgspec.json.Encoder(enc_hook=lambda value: to_json(value, writers))


def from_json(kind: Any, value: Any, read: Callable[[Any, Any], Any]) -> Any:
    """Make an instance of a class that msgspec does not support from plain data.

    ``read(kind, value)`` reads its parts. Raises ``TypeError`` if the class is not supported here either.
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
            pairs = read(GenericAlias(dict, args) if args else _base(make, dict), value)
            return defaultdict(None, pairs) if make is defaultdict else make(pairs)
        for plain in _PLAIN:
            if issubclass(origin, plain):
                return make(read(_base(origin, plain), value))
    raise TypeError(
        f"JSON cannot become {name_of(kind)}; use a dataclass, TypedDict, NamedTuple, "
        "msgspec.Struct or pydantic model"
    )


def _base(origin: object, plain: type[object]) -> Any:
    """Return ``list[Item]`` for ``class Items(list[Item])``; ``plain`` if the base has no arguments."""
    bases: tuple[object, ...] = getattr(origin, "__orig_bases__", ())
    return next((base for base in bases if get_origin(base) is plain), plain)


ENCODER = msgspec.json.Encoder(enc_hook=to_json)
"""The encoder for values that are read back by type."""

OUTWARD_ENCODER = msgspec.json.Encoder(enc_hook=lambda value: to_json(value, is_outward=True))
"""The encoder for readers outside the execution: without the set fields of pydantic models."""


def decoder_for(kind: object) -> msgspec.json.Decoder[object] | None:
    """Make a msgspec decoder for a type; ``None`` if msgspec refuses it.

    msgspec accepts any class and calls ``read_foreign`` when it decodes one, so ``shapes`` checks
    beforehand that the class can be read.
    """
    try:
        return msgspec.json.Decoder(kind, dec_hook=read_foreign)
    except (TypeError, RecursionError):
        return None


_read_plain = msgspec.json.Decoder().decode


def comes_back(value: object, payload: bytes) -> bool:
    """Tell whether a dict or a list is read back equal without a type: no key and no number is lost."""
    try:
        return isinstance(value, (dict, list)) and bool(_read_plain(payload) == value)
    except Exception:  # a user's class may raise when it is compared
        return False


def converted(value: object, kind: object, path: str) -> Any:
    """Convert plain data to a type; errors have the path within the whole value, which is at ``path``."""
    try:
        return msgspec.convert(value, kind, dec_hook=read_foreign, str_keys=True)
    except msgspec.ValidationError as error:
        text = str(error)
        inner = text.replace("`$", f"`{path}", 1) if "`$" in text else f"{text} - at `{path}`"
        raise msgspec.ValidationError(inner) from error


def read_foreign(kind: object, value: object) -> object:
    """Make an instance of a class that msgspec does not support (msgspec's ``dec_hook``)."""
    return from_json(kind, value, lambda part, data: serdes.shapes.shape_of(part).read(data, "$"))


def misfit(expected: str, value: object, path: str) -> msgspec.ValidationError:
    """Build the error for plain data of the wrong kind, in msgspec's wording."""
    form = form_name(type(value))
    return msgspec.ValidationError(f"Expected `{expected}`, got `{form}` - at `{path}`")


def form_name(kind: type) -> str:
    """Return JSON's name for a class of plain data."""
    forms: dict[type, str] = {dict: "object", list: "array", type(None): "null"}
    return forms.get(kind, kind.__name__)

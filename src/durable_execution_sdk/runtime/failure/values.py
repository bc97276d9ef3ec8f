"""Values of an exception's arguments and attributes, as plain JSON and back.

They have no annotation that says what they are, so what JSON lacks is tagged: ``{"$": "decimal", "v":
"1.50"}``. Scalars are written as in results. No code of a value's class runs, here or there.
"""

from __future__ import annotations

import datetime
import enum
import math
import uuid
from base64 import b64decode, b64encode
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import msgspec

from durable_execution_sdk.runtime.failure.inspection import (
    clean,
    dict_of,
    find_loaded,
    mro_of,
    namespace_of,
    path_of,
    slots_of,
)

__all__ = ["Packer", "Unpacker", "UnwritableError", "clipped"]

_DEEPEST = 24
_MOST_VALUES = 4_000
_LONGEST_TEXT = 8_192
_MOST_CHARACTERS = 32_768
_MOST_BYTES = 16_384

_SCALARS: dict[type, str] = {
    datetime.datetime: "datetime",
    datetime.date: "date",
    datetime.time: "time",
    datetime.timedelta: "timedelta",
    Decimal: "decimal",
    uuid.UUID: "uuid",
}
_SCALAR_CLASSES: dict[str, Any] = {tag: kind for kind, tag in _SCALARS.items()}

# How to make a plain scalar of an instance of a subclass.
_EXACT: dict[type, Callable[[Any], Any]] = {
    datetime.datetime: lambda value: datetime.datetime.fromisoformat(
        datetime.datetime.isoformat(value)
    ),
    datetime.date: lambda value: datetime.date.fromisoformat(datetime.date.isoformat(value)),
    datetime.time: lambda value: datetime.time.fromisoformat(datetime.time.isoformat(value)),
    datetime.timedelta: datetime.timedelta.__pos__,
    Decimal: Decimal,
    uuid.UUID: lambda value: uuid.UUID(int=uuid.UUID.__int__(value)),
}

# How to read the plain value of an instance of a subclass, without code of the subclass.
_PLAIN: dict[type, Callable[[Any], Any]] = {
    str: str.__str__,
    int: int.__index__,
    float: float.__float__,
    bytes: lambda value: b"".join([bytes.__getitem__(value, slice(None))]),
    tuple: lambda value: list(tuple.__iter__(value)),
    list: lambda value: list(list.__iter__(value)),
    dict: lambda value: [list(pair) for pair in dict.items(value)],
    set: lambda value: list(set.__iter__(value)),
    frozenset: lambda value: list(frozenset.__iter__(value)),
}
_BASES: dict[str, type] = {kind.__name__: kind for kind in _PLAIN}

# Classes that say which fields make up their instances: their state is theirs to hand on.
_VALUE_MARKS = (
    "__dataclass_fields__",
    "__attrs_attrs__",
    "__struct_fields__",
    "__pydantic_fields_set__",
)


class UnwritableError(Exception):
    """A value that a record cannot hold; the message says what it is."""


def clipped(text: str, limit: int = _LONGEST_TEXT) -> str:
    """At most so much of a text, counted as it is written in JSON, with lone surrogates escaped."""
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


class Packer:
    """Writes values; ``pack_error`` writes an exception among them."""

    def __init__(self, pack_error: Callable[[BaseException], Any]) -> None:
        self._pack_error = pack_error
        self._left = _MOST_VALUES
        self._within: set[int] = set()

    def pack(self, value: Any) -> Any:
        """Write a value; ``UnwritableError`` if that is impossible."""
        kind = type(value)
        if value is None or kind is bool:
            return value
        self._left -= 1
        if self._left < 0:
            raise UnwritableError(f"more than {_MOST_VALUES:,} values")
        if kind is str:
            return _text(value)
        if kind is int:
            return value if -(2**63) <= value < 2**63 else {"$": "int", "v": hex(value)}
        if kind is float:
            return value if math.isfinite(value) else {"$": "float", "v": repr(value)}
        if kind is bytes:
            return {"$": "bytes", "v": _base64(value)}
        if len(self._within) >= _DEEPEST:
            raise UnwritableError("nested too deeply")
        if id(value) in self._within:
            raise UnwritableError("it contains itself")
        self._within.add(id(value))
        try:
            return self._pack_compound(kind, value)
        finally:
            self._within.discard(id(value))

    def pack_leniently(self, value: Any) -> Any:
        """Write a value, with a text in place of each part that cannot be written."""
        try:
            if type(value) is list:
                return [self.pack_leniently(item) for item in list.copy(value)]
            if type(value) is dict and all(type(key) is str and key != "$" for key in value):
                return {clean(key): self.pack_leniently(item) for key, item in value.items()}
            return self.pack(value)
        except (UnwritableError, RecursionError) as error:
            return f"<not recorded: {error}>"

    def _pack_compound(self, kind: type, value: Any) -> Any:
        if kind is list:
            return self._all(value)
        if kind is dict:
            if all(type(key) is str and key != "$" and clean(key) is key for key in value):
                return {key: self.pack(item) for key, item in value.items()}
            return {"$": "dict", "v": [self._all(pair) for pair in value.items()]}
        if kind is tuple or kind is set or kind is frozenset:
            return {"$": kind.__name__, "v": self._all(value)}
        mro = mro_of(kind)
        if BaseException in mro:
            return {"$": "error", "v": self._pack_error(value)}
        if enum.Enum in mro:
            return self._enum(kind, value)
        for scalar in mro:
            if scalar in _SCALARS:
                exact = value if scalar is kind else _EXACT[scalar](value)
                return {"$": _SCALARS[scalar], "v": msgspec.to_builtins(exact)}
        return self._pack_rare(kind, mro, value)

    def _pack_rare(self, kind: type, mro: tuple[type, ...], value: Any) -> Any:
        path = path_of(kind)
        if kind is bytearray:
            return {"$": "bytearray", "v": _base64(bytes(value))}
        if kind is complex:
            return {"$": "complex", "v": [repr(value.real), repr(value.imag)]}
        if kind is deque or kind is OrderedDict:
            items = value if kind is deque else [list(pair) for pair in value.items()]
            return {"$": kind.__name__, "v": self._all(items)}
        if path.startswith("pathlib") and path.endswith("Path"):
            return {"$": "path", "c": path, "v": _text(str(value))}
        if type in mro:
            return {"$": "class", "c": path_of(value)}
        for base, plain in _PLAIN.items():
            if base in mro:
                inner = self.pack(plain(value))
                return self._with_state(value, {"$": "sub", "c": path, "b": base.__name__}, inner)
        if any(mark in namespace_of(each) for each in mro for mark in _VALUE_MARKS):
            return {"$": "object", "c": path, "v": self._state(value)}
        raise UnwritableError(path.replace(":", "."))

    def _with_state(self, value: Any, tagged: dict[str, Any], inner: Any) -> dict[str, Any]:
        tagged["v"] = inner
        if state := self._state(value):
            tagged["a"] = state
        return tagged

    def _enum(self, kind: type, value: Any) -> dict[str, Any]:
        held = dict_of(value)
        name = held.get("_name_")
        if namespace_of(kind).get("_member_map_", {}).get(name) is not value:
            raise UnwritableError(f"a combination of {path_of(kind).replace(':', '.')}")
        return {"$": "enum", "c": path_of(kind), "n": name, "v": self.pack(held.get("_value_"))}

    def _state(self, value: object) -> dict[str, Any]:
        return {name: self.pack(item) for name, item in state_of(value).items()}

    def _all(self, values: Iterable[Any]) -> list[Any]:
        return [self.pack(item) for item in values]


class Unpacker:
    """Makes values of what ``Packer`` wrote; ``unpack_error`` makes an exception among them."""

    def __init__(self, unpack_error: Callable[[Any], BaseException]) -> None:
        self._unpack_error = unpack_error

    def unpack(self, value: Any) -> Any:
        """Make a value."""
        kind = type(value)
        if kind is list:
            return [self.unpack(item) for item in value]
        if kind is not dict:
            return value
        tag = value.get("$")
        if tag is None:
            return {key: self.unpack(item) for key, item in value.items()}
        return self._tagged(tag, value)

    def _tagged(self, tag: str, value: dict[str, Any]) -> Any:
        inner = value.get("v")
        scalar = _SCALAR_CLASSES.get(tag)
        if scalar is not None:
            return msgspec.convert(inner, scalar)
        match tag:
            case "text":
                return b64decode(value["v"]).decode("utf-8", "surrogatepass")
            case "int":
                return int(value["v"], 16)
            case "float":
                return float(value["v"])
            case "bytes":
                return b64decode(value["v"])
            case "bytearray":
                return bytearray(b64decode(value["v"]))
            case "complex":
                return complex(*map(float, value["v"]))
            case "error":
                return self._unpack_error(inner)
            case "dict" | "OrderedDict":
                pairs = [(self.unpack(key), self.unpack(item)) for key, item in value["v"]]
                return OrderedDict(pairs) if tag == "OrderedDict" else dict(pairs)
            case "tuple" | "set" | "frozenset" | "deque":
                make: Any = {"set": set, "frozenset": frozenset, "deque": deque}.get(tag, tuple)
                return make([self.unpack(item) for item in value["v"]])
        return self._of_class(tag, value)

    def _of_class(self, tag: str, value: dict[str, Any]) -> Any:
        """An instance of a class of the user's, or its plain value if the class is not loaded."""
        path: str = value["c"]
        found = find_loaded(path)
        kind = found[0] if found else None
        if tag == "class":
            return kind if kind is not None else f"<class {path.replace(':', '.')}>"
        inner = self.unpack(value["v"])
        if kind is None:
            return inner
        match tag:
            case "enum":
                return namespace_of(kind).get("_member_map_", {}).get(value["n"], inner)
            case "path":
                make: Any = kind
                return make(inner)
            case "sub":
                return _instance_of(
                    kind, _BASES[value["b"]], inner, self.unpack(value.get("a", {}))
                )
            case _:
                return _object_of(kind, inner)


def state_of(value: object) -> dict[str, Any]:
    """What an instance holds, in its dict and in its slots."""
    state = {name: item for name, item in dict_of(value).copy().items() if type(name) is str}
    for name, descriptor in _all_slots_of(type(value)):
        try:
            state.setdefault(name, descriptor.__get__(value))
        except AttributeError:  # a slot that is empty
            continue
    return state


def restore(value: object, state: dict[str, Any]) -> None:
    """Give an instance what ``state_of`` read; what does not fit its class is left out."""
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


def _all_slots_of(kind: type) -> list[tuple[str, Any]]:
    """The slots of Python classes, and those in which pydantic keeps what was set."""
    slots = list(slots_of(kind, python_only=True))
    for each in mro_of(kind):
        for name in ("__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__"):
            descriptor = namespace_of(each).get(name)
            if type(descriptor).__name__ == "member_descriptor":
                slots.append((name, descriptor))
    return slots


def _instance_of(kind: type, base: Any, plain: Any, state: dict[str, Any]) -> Any:
    """An instance of a subclass of a built-in class."""
    if base is dict:
        plain = {key: item for key, item in plain}
    try:
        if base in (list, dict, set):
            made: Any = base.__new__(kind)
            (list.extend if base is list else base.update)(made, plain)
        else:
            made = base.__new__(kind, plain)
        restore(made, state)
    except TypeError:  # a class with a constructor in C
        return base(plain)
    return made


def _object_of(kind: Any, state: dict[str, Any]) -> Any:
    """An instance of a dataclass or the like; the plain fields, if its own code would have to run."""
    try:
        if msgspec.Struct in mro_of(kind):
            has_code = any("__post_init__" in namespace_of(each) for each in mro_of(kind))
            if has_code or type(kind) is not type(msgspec.Struct):
                return state
            return kind(**state)
        made = object.__new__(kind)
    except TypeError:
        return state
    restore(made, state)
    return made


def _text(value: str) -> Any:
    if len(value) > _MOST_CHARACTERS:
        raise UnwritableError(f"{len(value):,} characters")
    if value.isascii() or clean(value) == value:
        return value
    return {"$": "text", "v": b64encode(value.encode("utf-8", "surrogatepass")).decode()}


def _base64(value: bytes) -> str:
    if len(value) > _MOST_BYTES:
        raise UnwritableError(f"{len(value):,} bytes")
    return b64encode(value).decode()

"""Writing of an exception's values as plain JSON."""

from __future__ import annotations

import enum
import math
from base64 import b64encode
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from durable_execution_sdk.protocol.limits import MAX_ERROR_OBJECT_BYTES
from durable_execution_sdk.runtime.error_objects.inspection import (
    clean,
    dict_of,
    mro_of,
    namespace_of,
    path_of,
    type_of,
)
from durable_execution_sdk.runtime.error_objects.values import (
    EXACT,
    PLAIN,
    SCALARS,
    VALUE_MARKS,
    UnwritableError,
    state_of,
)

__all__ = ["Packer"]

_DEEPEST = 24
_MOST_VALUES = 4_000
_MOST_BYTES = 16_384


class Packer:
    """Writes values as plain JSON. ``pack_error`` writes an exception among them."""

    def __init__(self, pack_error: Callable[[BaseException], Any]) -> None:
        self._pack_error = pack_error
        self._left = _MOST_VALUES
        self._within: set[int] = set()

    def pack(self, value: Any) -> Any:
        """Write a value. Raises ``UnwritableError`` for one that a record cannot hold."""
        kind = type_of(value)
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
        """Write a value, with a placeholder text for each part that cannot be written."""
        try:
            kind = type_of(value)
            if kind is list:
                return [self.pack_leniently(item) for item in value]
            if kind is dict and all(type(key) is str and key != "$" for key in value):
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
            if scalar in SCALARS:
                exact = value if scalar is kind else EXACT[scalar](value)
                return {"$": SCALARS[scalar], "v": msgspec.to_builtins(exact)}
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
        for base, plain in PLAIN.items():
            if base in mro:
                inner = self.pack(plain(value))
                return self._with_state(value, {"$": "sub", "c": path, "b": base.__name__}, inner)
        if any(mark in namespace_of(base_class) for base_class in mro for mark in VALUE_MARKS):
            return {"$": "object", "c": path, "v": self._state(value)}
        raise UnwritableError(path.replace(":", "."))

    def _with_state(
        self, value: object, tagged: dict[str, object], inner: object
    ) -> dict[str, object]:
        tagged["v"] = inner
        if state := self._state(value):
            tagged["a"] = state
        return tagged

    def _enum(self, kind: type, value: Any) -> dict[str, object]:
        attributes = dict_of(value)
        name = attributes.get("_name_")
        if namespace_of(kind).get("_member_map_", {}).get(name) is not value:
            raise UnwritableError(f"a combination of {path_of(kind).replace(':', '.')}")
        return {
            "$": "enum",
            "c": path_of(kind),
            "n": name,
            "v": self.pack(attributes.get("_value_")),
        }

    def _state(self, value: object) -> dict[str, object]:
        return {name: self.pack(item) for name, item in state_of(value).items()}

    def _all(self, values: Iterable[Any]) -> list[Any]:
        return [self.pack(item) for item in values]


def _text(value: str) -> Any:
    if len(value) > MAX_ERROR_OBJECT_BYTES:
        raise UnwritableError(f"{len(value):,} characters")
    if value.isascii() or clean(value) == value:
        return value
    return {"$": "text", "v": b64encode(value.encode("utf-8", "surrogatepass")).decode()}


def _base64(value: bytes) -> str:
    if len(value) > _MOST_BYTES:
        raise UnwritableError(f"{len(value):,} bytes")
    return b64encode(value).decode()

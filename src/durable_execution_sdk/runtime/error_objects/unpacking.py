"""Reading of an exception's values from the JSON that ``Packer`` wrote."""

from __future__ import annotations

from base64 import b64decode
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any

import msgspec

from durable_execution_sdk.runtime.error_objects.inspection import (
    find_loaded,
    mro_of,
    namespace_of,
    type_of,
)
from durable_execution_sdk.runtime.error_objects.values import BASES, SCALAR_CLASSES, restore

__all__ = ["Unpacker"]


class Unpacker:
    """Reads values that ``Packer`` wrote. ``unpack_error`` reads an exception among them."""

    def __init__(self, unpack_error: Callable[[Any], BaseException]) -> None:
        self._unpack_error = unpack_error

    def unpack(self, value: Any) -> Any:
        """Read a value."""
        kind = type_of(value)
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
        scalar = SCALAR_CLASSES.get(tag)
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
            case _:
                return self._of_class(tag, value)

    def _of_class(self, tag: str, value: dict[str, Any]) -> Any:
        """Read an instance of a class of the user's; its plain value if the class is not loaded."""
        path: str = value["c"]
        if tag == "path":
            return _path_of(path.rpartition(":")[2], self.unpack(value["v"]))
        kinds = find_loaded(path)
        kind = kinds[0] if kinds else None
        if tag == "class":
            return kind if kind is not None else f"<class {path.replace(':', '.')}>"
        inner = self.unpack(value["v"])
        if kind is None:
            return _plain(BASES[value["b"]], inner) if tag == "sub" else inner
        match tag:
            case "enum":
                return namespace_of(kind).get("_member_map_", {}).get(value["n"], inner)
            case "sub":
                return _instance_of(kind, BASES[value["b"]], inner, self.unpack(value.get("a", {})))
            case _:
                return _object_of(kind, inner)


def _path_of(name: str, text: str) -> Any:
    """Make a path. Its class is CPython's own, so it is imported where the process has not done so."""
    import pathlib  # noqa: PLC0415 - loaded for this value alone

    make: Any = getattr(pathlib, name)
    return make(text)


def _instance_of(kind: Any, base: Any, plain: Any, state: dict[str, Any]) -> Any:
    """Make an instance of a subclass of a built-in class."""
    fill: Any = {list: list[Any].extend, dict: dict[Any, Any].update, set: set[Any].update}.get(
        base
    )
    if base is dict:
        plain = dict(plain)
    make: Callable[..., Any] = base.__new__
    try:
        if fill is None:
            instance = make(kind, plain)
        else:
            instance = make(kind)
            fill(instance, plain)
        restore(instance, state)
    except TypeError:  # a class with a constructor in C
        return _plain(base, plain)
    return instance


def _plain(base: Callable[[Any], object], plain: object) -> Any:
    return base(plain)


def _object_of(kind: Any, state: dict[str, Any]) -> Any:
    """Make an instance of a dataclass or the like; return the plain fields if its code would have to run."""
    try:
        if msgspec.Struct in mro_of(kind):
            has_code = any("__post_init__" in namespace_of(base) for base in mro_of(kind))
            if has_code or type(kind) is not type(msgspec.Struct):
                return state
            return kind(**state)
        instance = object.__new__(kind)
    except TypeError:
        return state
    restore(instance, state)
    return instance

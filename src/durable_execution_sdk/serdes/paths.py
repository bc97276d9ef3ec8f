"""Errors for values that JSON cannot hold, with their path, as in ``$.items[3].handle``."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from msgspec import Struct
from msgspec.json import decode

from durable_execution_sdk.errors import SerDesError
from durable_execution_sdk.serdes.foreign import ENCODER, class_of, is_pydantic, name_of
from durable_execution_sdk.serdes.protocol import SerDesContext

__all__ = ["WAY_OUT", "refuse_lost_keys", "refuse_no_number", "unwritable"]

WAY_OUT = "or give the operation a serdes of its own"
"""The end of error messages about values."""

_SCALARS = frozenset((str, int, bool, type(None)))


def refuse_no_number(value: object, context: Callable[[], SerDesContext]) -> None:
    """Raise ``SerDesError`` if the value contains a nan or an infinity."""
    if _holds_no_number(value):
        path, number = _find_no_number(value)
        raise SerDesError(
            f"{context().what}: {path} is {number!r}, and JSON has no such number. "
            f"Use None or text for it, {WAY_OUT}"
        )


def refuse_lost_keys(value: object, payload: bytes, context: Callable[[], SerDesContext]) -> None:
    """Raise ``SerDesError`` if two keys of a mapping become the same text in JSON."""
    with suppress(Exception):  # a user's class may raise when it is compared
        if decode(payload) == value:
            return
    lost = _find_lost_key(value)
    if lost is not None:
        path, key = lost
        raise SerDesError(
            f"{context().what}: {path} has the key {key!r} beside another one that is the same text "
            f"in JSON, so one of them would be lost. Use keys of one type, {WAY_OUT}"
        )


def unwritable(
    value: object,
    error: Exception,
    context: SerDesContext,
    encode: Callable[[Any], bytes],
) -> SerDesError:
    """Build the error for a value that could not be written, with the path of the offending part."""
    if isinstance(error, RecursionError):
        return SerDesError(
            f"{context.what}: the value contains itself, or is nested too deeply for JSON. "
            f"Return plain data, {WAY_OUT}"
        )
    path, part = _find_unwritable(value, encode)
    return SerDesError(
        f"{context.what}: {path} is of type {name_of(type(part))} and cannot be written as JSON "
        f"({error}). Return plain data (dicts, lists, dataclasses, models ...), {WAY_OUT}"
    )


def _find_unwritable(
    value: object, encode: Callable[[Any], bytes] = ENCODER.encode
) -> tuple[str, object]:
    """Find the part that cannot be written; return its path and the part."""

    def cannot_be_written(part: object) -> bool:
        try:
            encode(part)
        except Exception:
            return True
        return False

    return _find(value, cannot_be_written, lambda key: cannot_be_written({key: None}))


def _find_lost_key(value: object) -> tuple[str, object] | None:
    """Find a key that becomes the same text as another; return the mapping's path and the key."""
    todo: list[tuple[str, Any]] = [("$", value)]
    while todo:
        path, part = todo.pop()
        if _is_a(part, Mapping):
            texts: set[str] = set()
            for key in part:
                (text,) = decode(ENCODER.encode({key: None}))
                if text in texts:
                    return path, key
                texts.add(text)
        if class_of(part) not in _SCALARS:
            todo += [(path + step, child) for step, child in _children(part)]
    return None


def _find_no_number(value: object) -> tuple[str, object]:
    """Find a nan or an infinity; return its path and the number."""
    return _find(value, _holds_no_number, _holds_no_number)


def _holds_no_number(value: Any) -> bool:
    """Tell whether the value contains a nan or an infinity, which JSON would silently turn into null."""
    todo: list[Iterable[Any]] = [(value,)]
    while todo:
        for item in todo.pop():
            kind = class_of(item)
            if kind in _SCALARS:
                continue
            if kind is float or issubclass(kind, float):
                if item - item != 0:
                    return True
            elif kind is dict:
                todo += (item, item.values())
            elif kind is list or kind is tuple:
                todo.append(item)
            else:
                todo.append([child for _, child in _children(item)])
    return False


def _find(
    value: Any, is_bad: Callable[[Any], bool], is_bad_key: Callable[[Any], bool]
) -> tuple[str, object]:
    path = "$"
    while True:
        for step, child in _children(value):
            if is_bad(child):
                path, value = path + step, child
                break
        else:
            break
    if _is_a(value, Mapping):
        for key in value:
            if is_bad_key(key):
                return f"the key {key!r} of {path}", key
    return path, value


def _children(value: Any) -> Iterator[tuple[str, Any]]:
    if _is_a(value, Mapping):
        for key in value:
            yield f".{key}" if _is_name(key) else f"[{key!r}]", value[key]
    elif _is_a(value, list, set, frozenset, deque, tuple):
        names: tuple[str, ...] | None = getattr(value, "_fields", None)
        for index, item in enumerate(value):
            yield (f".{names[index]}" if names else f"[{index}]"), item
    else:
        for name in _fields(value):
            if hasattr(value, name):
                yield f".{name}", getattr(value, name)


def _is_a(value: object, *kinds: type[Any]) -> bool:
    return isinstance(value, kinds)


def _fields(value: Any) -> tuple[str, ...]:
    kind = class_of(value)
    if issubclass(kind, Struct):
        return tuple(kind.__struct_fields__)
    if is_pydantic(kind):
        return (*kind.model_fields, *(value.model_extra or ()))
    if hasattr(kind, "__dataclass_fields__"):
        return tuple(kind.__dataclass_fields__)
    return tuple(field.name for field in getattr(kind, "__attrs_attrs__", ()))


def _is_name(key: object) -> bool:
    return isinstance(key, str) and key.isidentifier()

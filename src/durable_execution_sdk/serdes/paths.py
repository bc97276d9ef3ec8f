"""Errors for values that JSON cannot hold, with their path, as in ``$.items[3].handle``.

The module is loaded when a value is not plain data, or cannot be written.
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from msgspec import Struct
from msgspec.json import decode

from durable_execution_sdk.errors import SerDesError
from durable_execution_sdk.serdes.foreign import ENCODER, class_of, is_pydantic, name_of
from durable_execution_sdk.serdes.protocol import SerDesContext

__all__ = ["refuse_losses", "refuse_no_number", "unwritable"]

_SCALARS = frozenset((str, int, bool, type(None)))
_LEAVES = _SCALARS | {bytes, UUID, datetime, date, time, timedelta, Decimal}
_SEQUENCES = frozenset((list, tuple, set, frozenset))
_TEXT = frozenset((str,))
# Of a path in a message.
_SHOWN = 120
# Of what is looked through for what is to blame; the readers of a value recurse, and give up near 1,000.
_DEEPEST = 500


class _EndlessError(Exception):
    """The way to what is to blame has no end, or is too long."""


def refuse_no_number(value: object, context: Callable[[], SerDesContext]) -> None:
    """Raise ``SerDesError`` if the value contains a nan or an infinity."""
    if _holds_no_number(value):
        path, number = _find_no_number(value)
        raise SerDesError(
            f"{context().what}: {path} is {number!r}, and JSON has no such number. "
            f"Use None or text for it{context().way_out}"
        )


def refuse_losses(value: object, payload: bytes, context: Callable[[], SerDesContext]) -> None:
    """Raise ``SerDesError`` for a nan, an infinity, or two keys of a mapping that are the same text in JSON."""
    if not _may_lose(value):
        return
    if b"null" in payload:
        refuse_no_number(value, context)
    lost = _find_lost_key(value)
    if lost is not None:
        path, key = lost
        raise SerDesError(
            f"{context().what}: {path} has the key {key!r} beside another one that is the same text "
            f"in JSON, so one of them would be lost. Use keys of one type{context().way_out}"
        )


def unwritable(
    value: object,
    error: Exception,
    context: SerDesContext,
    encode: Callable[[object], bytes],
) -> SerDesError:
    """Build the error for a value that could not be written, with the path of the offending part."""
    try:
        path, part = _find_unwritable(value, encode)
    except _EndlessError as endless:
        return SerDesError(f"{context.what}: {endless}{context.way_out}")
    if isinstance(error, RecursionError):
        return SerDesError(
            f"{context.what}: {_short(path)} is nested too deeply to be written as JSON. Return a "
            f"flat list of its parts{context.way_out}"
        )
    if inspect.isawaitable(part):
        return SerDesError(
            f"{context.what}: {path} is of type {name_of(type(part))}, which is to be awaited: put await "
            "before it, and use its result in its place"
        )
    return SerDesError(
        f"{context.what}: {path} is of type {name_of(type(part))} and cannot be written as JSON "
        f"({error}). Return plain data (dicts, lists, dataclasses, models ...){context.way_out}"
    )


def _find_unwritable(
    value: Any, encode: Callable[[object], bytes] = ENCODER.encode
) -> tuple[str, object]:
    """Find the part that cannot be written; return its path and the part."""

    def cannot_be_written(part: object) -> bool:
        try:
            encode(part)
        except Exception:
            return True
        return False

    path = "$"
    above: dict[int, tuple[object, str]] = {}
    while True:
        above[id(value)] = value, path
        for step, child in _children(value):
            if cannot_be_written(child):
                path, value = path + step, child
                break
        else:
            break
        _check_way(path, value, above)
    if _is_a(value, Mapping):
        for key in value:
            if cannot_be_written({key: None}):
                return f"the key {key!r} of {path}", key
    return path, value


def _check_way(path: str, part: object, above: Mapping[int, tuple[object, str]]) -> None:
    """Refuse to go on to a part that has been come through, or that is too far down."""
    if id(part) in above and class_of(part) not in _SCALARS:
        raise _EndlessError(
            f"{_short(path)} is the same object as {_short(above[id(part)][1])}, so the value "
            "contains itself. Write an id in place of the object"
        )
    if len(above) >= _DEEPEST:
        raise _EndlessError(
            f"{_short(path)} is nested more than {_DEEPEST} deep, which is too deep for JSON. "
            "Return a flat list of its parts"
        )


def _may_lose(value: object) -> bool:
    """Tell whether a part of the value is a nan, an infinity, or a mapping with a key that is not text."""
    todo: list[Any] = [value]
    seen: dict[int, object] = {}  # a field that is not written may lead back
    while todo:
        whole = todo.pop()
        kind = class_of(whole)
        if kind in _LEAVES or id(whole) in seen:
            continue
        seen[id(whole)] = whole
        if kind is dict or (kind not in _SEQUENCES and _is_a(whole, Mapping)):
            if not _TEXT.issuperset(map(type, whole)):
                return True
            todo += whole.values()
        elif kind in _SEQUENCES or _is_a(whole, list, tuple, set, frozenset, deque):
            todo += whole
        elif kind is float or issubclass(kind, float):
            if whole - whole != 0:
                return True
        else:
            todo += [getattr(whole, name, None) for name in _fields(whole)]
    return False


def _find_lost_key(value: object) -> tuple[str, object] | None:
    """Find a key that becomes the same text as another; return the mapping's path and the key."""
    for path, part in _walk(value):
        if _is_a(part, Mapping):
            texts: set[str] = set()
            for key in part:
                (text,) = decode(ENCODER.encode({key: None}))
                if text in texts:
                    return path, key
                texts.add(text)
    return None


def _find_no_number(value: object) -> tuple[str, object]:
    """Find a nan or an infinity; return its path and the number."""
    for path, part in _walk(value):
        if _is_a(part, float) and _holds_no_number(part):
            return path, part
        if _is_a(part, Mapping):
            for key in part:
                if _holds_no_number(key):
                    return f"the key {key!r} of {path}", key
    return "$", value


def _walk(value: object) -> Iterator[tuple[str, Any]]:
    """Each part of a value, with its path; once, since a field that is not written may lead back."""
    todo: list[tuple[str, Any]] = [("$", value)]
    seen: dict[int, object] = {}
    while todo:
        path, part = todo.pop()
        if id(part) not in seen:
            yield path, part
            if class_of(part) not in _SCALARS:
                seen[id(part)] = part
                todo += reversed([(path + step, child) for step, child in _children(part)])


def _holds_no_number(value: Any) -> bool:
    """Tell whether the value contains a nan or an infinity, which JSON would silently turn into null."""
    todo: list[Iterable[Any]] = [(value,)]
    seen: dict[int, object] = {}  # a field that is not written may lead back
    while todo:
        for item in todo.pop():
            kind = class_of(item)
            if kind in _SCALARS:
                continue
            if kind is float or issubclass(kind, float):
                if item - item != 0:
                    return True
                continue
            if id(item) in seen:
                continue
            seen[id(item)] = item
            if kind is dict:
                todo += (item, item.values())
            elif kind is list or kind is tuple:
                todo.append(item)
            else:
                todo.append([child for _, child in _children(item)])
    return False


def _short(path: str) -> str:
    return path if len(path) <= _SHOWN else f"{path[: _SHOWN // 2]}...{path[-_SHOWN // 2 :]}"


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


def _is_a(value: object, *kinds: type[object]) -> bool:
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

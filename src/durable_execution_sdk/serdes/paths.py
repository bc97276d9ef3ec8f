"""Where in a value something is, as a path that a user can follow: ``$.items[3].handle``."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from durable_execution_sdk.serdes.foreign import ENCODER, class_of, is_pydantic

__all__ = ["find_no_number", "find_unwritable", "holds_no_number"]

_SCALARS = frozenset((str, int, bool, type(None)))


def find_unwritable(value: object) -> tuple[str, object]:
    """The path of what has no form in JSON, and the culprit itself."""
    return _find(value, _cannot_be_written, lambda key: _cannot_be_written({key: None}))


def find_no_number(value: object) -> tuple[str, object]:
    """The path of a nan or an infinity, and that number."""
    return _find(value, holds_no_number, holds_no_number)


def holds_no_number(value: Any) -> bool:
    """Whether there is a nan or an infinity in it, which JSON would silently turn into null."""
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


def _cannot_be_written(value: object) -> bool:
    try:
        ENCODER.encode(value)
    except Exception:
        return True
    return False


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

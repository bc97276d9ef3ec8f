"""The search for the loaded classes of a recorded error, of which its rebuilt class is made."""

from __future__ import annotations

from collections.abc import Sequence

from durable_execution_sdk.errors import OperationError
from durable_execution_sdk.runtime.error_objects.inspection import (
    RECORDED_CLASSES,
    find_loaded,
    mro_of,
    namespace_of,
    path_of,
)

__all__ = ["is_ours", "loaded_classes", "metaclass_of", "outermost"]

_MOST_OF_A_NAME = 64
_UNRAISABLE = (StopIteration, StopAsyncIteration)


def loaded_classes(paths: Sequence[str], *, plain: bool) -> list[list[type]]:
    """Return the loaded classes for each recorded path that has some, most derived path first."""
    loaded: list[list[type]] = []
    bases: tuple[type, ...] = (BaseException,)
    for path in reversed(paths):
        matches = [
            match
            for match in find_loaded(path, bases)
            if BaseException in mro_of(match)
            and RECORDED_CLASSES not in namespace_of(match)
            and (plain or (Exception in mro_of(match) and not _is_unraisable(match)))
        ][:_MOST_OF_A_NAME]
        if matches:
            loaded.insert(0, matches)
            bases = (*matches, *bases)
    return loaded


def is_ours(kind: type) -> bool:
    """Return ``True`` for an error class of the SDK."""
    return path_of(kind).startswith(f"{OperationError.__module__}:")


def _is_unraisable(kind: type) -> bool:
    """Return ``True`` for a class whose instances no future can hold."""
    return any(unraisable in mro_of(kind) for unraisable in _UNRAISABLE)


def outermost(kinds: list[type]) -> list[type]:
    """Return the classes that have no subclass among the others."""
    return [
        kind
        for kind in dict.fromkeys(kinds)
        if not any(kind in mro_of(other_kind) for other_kind in kinds if other_kind is not kind)
    ]


def metaclass_of(bases: list[type]) -> type:
    """Return the most derived metaclass, as the ``class`` statement selects it."""
    winner: type = type
    for base in bases:
        meta = type(base)
        if winner in mro_of(meta):
            winner = meta
        elif meta not in mro_of(winner):
            raise TypeError("metaclass conflict")
    if any(
        "mro" in namespace_of(base_class)
        for base_class in mro_of(winner)
        if base_class not in (type, object)
    ):
        raise TypeError("a metaclass that orders bases itself would run")
    return winner

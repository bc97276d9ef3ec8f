"""The order in which anyio cancels nested scopes and tasks: that of a set, which differs on each replay.

This module is loaded only where anyio is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, MutableSet
from typing import Any

import anyio._backends._asyncio as backend

__all__ = ["order_anyio"]


def order_anyio() -> None:
    """Let anyio iterate over the scopes and tasks of a cancel scope in the order of their creation."""
    scope: Any = backend.CancelScope
    original: Callable[..., None] = scope.__init__
    if getattr(original, "keeps_order", False):
        return

    def initialize(self: Any, *args: Any, **options: Any) -> None:
        original(self, *args, **options)
        self._child_scopes = OrderedSet(self._child_scopes)
        self._tasks = OrderedSet(self._tasks)

    initialize.keeps_order = True  # type: ignore[attr-defined]
    scope.__init__ = initialize


class OrderedSet(MutableSet[Any]):
    """A set whose iteration follows the order of insertion."""

    __slots__ = ("_members",)

    def __init__(self, members: Iterable[Any] = ()) -> None:
        self._members: dict[Any, None] = dict.fromkeys(members)

    def __contains__(self, member: object) -> bool:
        return member in self._members

    def __iter__(self) -> Iterator[Any]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def add(self, value: Any) -> None:
        """Add a member, at the end."""
        self._members[value] = None

    def discard(self, value: Any) -> None:
        """Remove a member if it is in the set."""
        self._members.pop(value, None)

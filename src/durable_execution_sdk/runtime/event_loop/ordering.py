"""Reproducible order for the sets of asyncio and anyio.

``asyncio.gather`` returns a future whose hash is its address, and anyio cancels nested scopes in the
order of a set. Both would differ from one replay to the next. Here the futures of ``gather`` in workflow
code get a hash by their place, and anyio's sets keep the order of insertion, for all code.
"""

from __future__ import annotations

import asyncio.tasks
import sys
from collections.abc import Callable, Iterable, Iterator, MutableSet
from typing import Any

from durable_execution_sdk.runtime.tasks.workflow_task import owner_of_future, place_of_future

__all__ = ["order_anyio", "order_gather"]


def order_gather() -> None:
    """Give the futures that ``asyncio.gather`` makes in workflow code a reproducible hash."""
    tasks_module: Any = asyncio.tasks
    original: Any = getattr(tasks_module, "_GatheringFuture", None)
    if original is None or original.__module__ == __name__:
        return

    class GatheringFuture(original):  # type: ignore[misc]  # a class that is no public one
        """The future that ``asyncio.gather`` returns."""

        def __init__(self, children: Any, *, loop: Any) -> None:
            original.__init__(self, children, loop=loop)
            self.place_in_sets: int | None = place_of_future(2)
            self.owner = owner_of_future()

        def __hash__(self) -> int:
            return object.__hash__(self) if self.place_in_sets is None else self.place_in_sets

    tasks_module._GatheringFuture = GatheringFuture  # noqa: SLF001 - ``gather`` looks it up there


def order_anyio() -> None:
    """Let anyio iterate over the scopes and tasks of a cancel scope in the order of their creation."""
    if "anyio" not in sys.modules:
        return
    import anyio._backends._asyncio as backend  # noqa: PLC0415 - only where it is used

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
        self._members: dict[object, None] = dict.fromkeys(members)

    def __contains__(self, member: object) -> bool:
        return member in self._members

    def __iter__(self) -> Iterator[Any]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def add(self, value: object) -> None:
        """Add a member, at the end."""
        self._members[value] = None

    def discard(self, value: object) -> None:
        """Remove a member if it is in the set."""
        self._members.pop(value, None)

"""Two orders of anyio that would differ on each replay: of cancellations, and of the ends of its threads.

It cancels nested scopes and tasks in the order of a set. This module is loaded only where anyio is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, MutableSet
from functools import partial
from queue import Queue
from typing import Any

import anyio._backends._asyncio as backend

from durable_execution_sdk.runtime.event_loop.loop import WorkflowLoop
from durable_execution_sdk.runtime.event_loop.observer import LoopObserver

__all__ = ["order_anyio"]


def order_anyio() -> None:
    """Let anyio iterate over the scopes and tasks of a cancel scope in the order of their creation.

    And let workflow code see the end of a thread of anyio only once it has its place in the log.
    """
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
    _order_threads(backend.WorkerThread)


def _order_threads(worker: Any) -> None:
    """Let the observer of the loop see the calls of workflow code in threads of anyio, and their ends."""
    initialize: Callable[..., None] = worker.__init__
    report: Callable[..., None] = worker._report_result  # noqa: SLF001 - anyio has no public name for it

    def begin(self: Any, *args: Any, **options: Any) -> None:
        initialize(self, *args, **options)
        self.queue.__class__ = _Calls

    def report_in_turn(self: Any, future: asyncio.Future[object], *outcome: Any) -> None:
        observer = _observer_of(future)
        if observer is None:
            report(self, future, *outcome)
        else:
            observer.threads.take_end(future, partial(report, self, future, *outcome))

    worker.__init__ = begin
    worker._report_result = report_in_turn  # noqa: SLF001


def _observer_of(future: asyncio.Future[object]) -> LoopObserver | None:
    loop = future.get_loop()
    return loop.idle_selector.observer if isinstance(loop, WorkflowLoop) else None


class _Calls(Queue[Any]):
    """The calls that a thread of anyio is given."""

    def put_nowait(self, item: Any) -> None:
        """Give the thread a call, with the future that it completes, or ``None`` to end it."""
        parts: tuple[Any, ...] = item or ()
        for future in filter(asyncio.isfuture, parts):
            observer = _observer_of(future)
            if observer is not None:
                observer.threads.call_started(future)
        super().put_nowait(item)


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

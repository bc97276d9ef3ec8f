"""Completions, and the order in which workflow code sees them: the log's.

An operation's completion is due when the log holds it. Due completions are delivered one at a time,
by their end in the log and then by claim, and each only once the workflow has come to rest after the
one before. So replay takes exactly the turns that the first run took.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextvars import Context
from heapq import heappop, heappush
from typing import Any, Generic, TypeVar

from durable_execution_sdk.runtime.tasks import WorkflowTasks

__all__ = ["Deliveries", "Handle", "Waiter", "Wake"]

_T = TypeVar("_T")


class Wake(asyncio.Future[None]):
    """What a task blocks on that only the workflow itself can wake: no timer, thread or socket."""

    def __init__(self, loop: asyncio.AbstractEventLoop, label: str) -> None:
        super().__init__(loop=loop)
        self.label = label


class Waiter(Wake):
    """What one task blocks on while it awaits an operation.

    Each awaiting task has its own, so cancelling the task does not cancel the operation.
    """

    def __init__(self, handle: Handle[Any]) -> None:
        super().__init__(handle.get_loop(), handle.label)


class Handle(asyncio.Future[_T], Generic[_T]):
    """A durable operation that is under way, or was: await it, gather it, race it.

    It is a future, so everything in asyncio that takes one takes it.
    """

    def __init__(self, order: Deliveries, label: str) -> None:
        super().__init__(loop=order.loop)
        self.label = label
        self._order = order
        self._sequence = order.claim()
        self._waiters: list[Waiter] = []
        self._watcher: Callable[[Handle[_T]], object] | None = None
        self._callbacks_added = 0
        self.is_due = False
        # Whether its end is known whenever the workflow sees it end.
        self.tells_time = True

    def __repr__(self) -> str:
        """What it is and how it stands."""
        state = "cancelled" if self.cancelled() else "done" if self.done() else "pending"
        return f"<{self.label} {state}>"

    def __hash__(self) -> int:
        """So that a set of operations, such as ``asyncio.wait`` returns, has the same order again."""
        return self._sequence

    def __await__(self) -> Generator[Any, None, _T]:
        """Wait for the operation, in any task of the workflow."""
        if not self.done():
            self._order.deliver_at_once(self)
            if not self.done():
                waiter = Waiter(self)
                self._waiters.append(waiter)
                yield from waiter
        return self.result()

    @property
    def is_awaited(self) -> bool:
        """Whether anything in the workflow would notice that it completes."""
        if self._callbacks_added or self._watcher is not None:
            return True
        return any(not waiter.done() for waiter in self._waiters)

    @property
    def has_callbacks(self) -> bool:
        """Whether code runs when it completes, besides the tasks that await it."""
        return self._callbacks_added > 0

    def add_done_callback(
        self, fn: Callable[[Any], object], /, *, context: Context | None = None
    ) -> None:
        """As for any future."""
        self._callbacks_added += 1
        super().add_done_callback(fn, context=context)

    def remove_done_callback(self, fn: Callable[[Any], object], /) -> int:
        """As for any future."""
        removed = super().remove_done_callback(fn)
        self._callbacks_added -= removed
        return removed

    def watch(self, watcher: Callable[[Handle[_T]], object]) -> None:
        """Let another operation take note, at once, that this one is done."""
        self._watcher = watcher

    def settle(self) -> None:
        """Take the outcome from the log; called when it is this completion's turn."""
        if self.done():
            return
        try:
            self.set_result(self.outcome())
        except Exception as error:
            self.set_exception(error)
            self.exception()  # an operation that nobody awaits is no bug to warn about
        self._wake()

    def outcome(self) -> _T:
        """The value, or the exception to raise."""
        raise NotImplementedError

    def cancel(self, msg: Any | None = None) -> bool:
        """As for any future: whoever awaits it is cancelled."""
        cancelled = super().cancel(msg)
        self._wake()
        return cancelled

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
        watcher = self._watcher
        if watcher is not None and self.done():
            self._watcher = None
            watcher(self)

    def become_due(self, at: float) -> None:
        """The log holds the completion, with this end."""
        self.is_due = True
        self._order.add(self, at, self._sequence)


class Deliveries:
    """The completions that are due, in order."""

    def __init__(self, tasks: WorkflowTasks, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.now: float = 0
        self._tasks = tasks
        self._due: list[tuple[float, int, Handle[Any]]] = []
        self._claims = 0

    def claim(self) -> int:
        """The next number in the order of claims."""
        self._claims += 1
        return self._claims

    def add(self, handle: Handle[Any], at: float, sequence: int) -> None:
        """This completion may be delivered when its turn comes."""
        heappush(self._due, (at, sequence, handle))

    def next_at(self) -> float | None:
        """The end of the completion whose turn it is."""
        return self._due[0][0] if self._due else None

    def deliver_next(self) -> None:
        """Deliver the completion whose turn it is."""
        at, _, handle = heappop(self._due)
        if handle.cancelled():
            return  # nobody sees it, so it moves no clock either
        if handle.tells_time:
            self.now = max(self.now, at)
        handle.settle()

    def deliver_at_once(self, handle: Handle[Any]) -> None:
        """Deliver up to this one without a turn of the loop, if that comes to the same.

        It does when the task that is about to block is the only one, and no callback waits for any
        of these completions: nothing else can move.
        """
        if handle.is_due and len(self._tasks.live) == 1:
            while not (handle.done() or self._due[0][2].has_callbacks):
                self.deliver_next()

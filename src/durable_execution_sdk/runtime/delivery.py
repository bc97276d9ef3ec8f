"""Completions, and the order in which workflow code sees them: the log's.

An operation's completion is due when the log holds it. Due completions are delivered one at a time,
by their end in the log and then by claim, and each only once the workflow has come to rest after the
one before. So replay takes exactly the turns that the first run took.
"""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Callable, Generator, Sized
from contextvars import Context
from heapq import heappop, heappush
from types import FrameType
from typing import Any, Generic, Protocol, TypeVar

from durable_execution_sdk.errors import OperationCancelledError
from durable_execution_sdk.runtime.current import CURRENT, task_on
from durable_execution_sdk.runtime.journal import LateNews, Position
from durable_execution_sdk.runtime.step_context import StepContext
from durable_execution_sdk.runtime.tasks import UNCHECKED_MOVES, WorkflowTasks, refused_in_step

__all__ = ["Deliveries", "Handle", "Signal", "Waiter", "Wake"]

_T = TypeVar("_T")
_S = TypeVar("_S")

# Called by their names, which is quicker than through ``super()``.
_new_future = asyncio.Future[Any].__init__
_result_of = asyncio.Future[Any].result


class Wake(asyncio.Future[None]):
    """What a task blocks on that only the workflow itself can wake: no timer, thread or socket."""

    __slots__ = ()

    @property
    def label(self) -> str:
        """What it stands for, in messages."""
        raise NotImplementedError


class Signal(Wake):
    """One that something in the workflow itself gives."""

    __slots__ = ("_label",)

    def __init__(self, loop: asyncio.AbstractEventLoop, label: str) -> None:
        super().__init__(loop=loop)
        self._label = label

    @property
    def label(self) -> str:
        """What is waited for."""
        return self._label


class Waiter(Wake):
    """What one task blocks on while it awaits an operation.

    Each awaiting task has its own, so cancelling the task does not cancel the operation.
    """

    __slots__ = ("handle",)

    handle: Handle[Any]

    @property
    def label(self) -> str:
        """The operation."""
        return self.handle.label

    def cancel(self, msg: Any | None = None) -> bool:
        """Stop waiting, because the task was cancelled."""
        cancelled = super().cancel(msg)
        if cancelled:
            self.handle.left_by(self)
        return cancelled


class Watcher(Protocol[_S]):
    """Takes note, at once, that an operation is done."""

    def take_note(self, handle: Handle[_S]) -> None:
        """This one is."""
        ...


class Handle(asyncio.Future[_T], Generic[_T]):
    """A durable operation that is under way, or was: await it, gather it, race it.

    It is a future, so everything in asyncio that takes one takes it.
    """

    # A future has a dictionary of its own, which is slow, and which these are to leave empty.
    __slots__ = (
        "_order",
        "_waiters",
        "_watcher",
        "callbacks_added",
        "is_due",
        "is_given_up",
        "is_kept",
        "place",
        "sequence",
    )

    # Whether its end is known whenever the workflow sees it end.
    tells_time = True
    # Whether what is delivered is the end of an operation, with this id.
    is_end = True
    operation_id: str
    # The context that it belongs to, if it is in one.
    frame: Any

    def __init__(self, order: Deliveries, place: int = 0) -> None:
        """``place`` is the hash: where the operation stands in the workflow."""
        _new_future(self, loop=order.loop)
        self._order = order
        self._waiters: list[Waiter] | None = None
        self._watcher: Watcher[_T] | None = None
        # How much code runs when it completes, besides the tasks that await it.
        self.callbacks_added = 0
        self.is_due = False
        # True once a cancellation has ended it, rather than its ``cancel()``.
        self.is_given_up = False
        # True if the cancellation of the tasks that await it leaves it alone.
        self.is_kept = False
        order.claims = self.sequence = order.claims + 1
        self.place = place

    @property
    def label(self) -> str:
        """What messages call it."""
        raise NotImplementedError

    def __repr__(self) -> str:
        """What it is and how it stands."""
        state = "cancelled" if self.cancelled() else "done" if self.done() else "pending"
        return f"<{self.label} {state}>"

    def __hash__(self) -> int:
        """The place in the workflow: sets of operations have the same order on every replay."""
        return self.place

    def __await__(self) -> Generator[Any, None, _T]:
        """Wait for the operation, in any task of the workflow."""
        if not self.done():
            if self.is_due:
                self._order.deliver_at_once(self)
            if not self.done():
                if isinstance(CURRENT.get(), StepContext):
                    raise refused_in_step(self.label, "awaited")
                waiter = Waiter(loop=self._order.loop)
                waiter.handle = self
                if self._waiters is None:
                    self._waiters = [waiter]
                else:
                    self._waiters.append(waiter)
                yield from waiter
        try:
            result: _T = _result_of(self)
        except asyncio.CancelledError:
            if self.is_given_up:
                raise self._cancelled_error() from None
            raise
        return result

    def result(self) -> _T:
        """As for any future."""
        try:
            result: _T = _result_of(self)
        except asyncio.InvalidStateError:
            if _asyncio_function(sys._getframe(1)) == "wait_for":  # noqa: SLF001
                # It has timed out, and the operation goes on.
                raise asyncio.CancelledError from None
            raise
        return result

    @property
    def is_awaited(self) -> bool:
        """Whether anything in the workflow would notice that it completes."""
        return bool(self.callbacks_added) or self._watcher is not None or self._is_waited_for

    @property
    def _is_waited_for(self) -> bool:
        return any(not waiter.done() for waiter in self._waiters or ())

    def add_done_callback(
        self, fn: Callable[[Any], object], /, *, context: Context | None = None
    ) -> None:
        """As for any future."""
        if isinstance(CURRENT.get(), StepContext):
            raise refused_in_step(self.label, "awaited")
        self.callbacks_added += 1
        super().add_done_callback(fn, context=context)

    def remove_done_callback(self, fn: Callable[[Any], object], /) -> int:
        """As for any future."""
        removed = super().remove_done_callback(fn)
        self.callbacks_added -= removed
        return removed

    def watch(self, watcher: Watcher[_T]) -> None:
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
        if self._waiters is not None or self._watcher is not None:
            self._wake()

    def outcome(self) -> _T:
        """The value, or the exception to raise."""
        raise NotImplementedError

    def cancel(self, msg: Any | None = None) -> bool:
        """As for any future: the tasks that await it are cancelled. What runs for it is cancelled too."""
        if self.done():
            return False
        if not self.passed_on(sys._getframe(1), msg):  # noqa: SLF001
            self.abandon()
            self.drop(msg)
        return True

    def give_up(self) -> None:
        """End the operation, because no task of the workflow waits for it any more."""
        if not self.done():
            self.is_given_up = True
            self.cancel()

    @property
    def can_be_given_up(self) -> bool:
        """True if something runs here for the operation, so that giving it up makes a difference."""
        return False

    def abandon(self) -> None:
        """Record that the operation is given up, if there is anything to record."""

    def drop(self, msg: Any | None = None) -> bool:
        """End the handle without a word in the log; the tasks that await it are cancelled."""
        dropped = super().cancel(msg)
        self._wake()
        return dropped

    def left_by(self, waiter: Waiter) -> None:
        """Give the operation up if this was the last task to await it."""
        if self._waiters is not None and waiter in self._waiters:
            self._waiters.remove(waiter)
        if not (self.is_kept or self.is_awaited) and self.can_be_given_up:
            self.give_up()

    def passed_on(self, caller: FrameType, msg: Any | None = None) -> bool:
        """Treat a cancellation that asyncio passes on from a task as that of a task that awaits this.

        ``wait_for`` of Python 3.11, and of later ones without time, cancels what it was given and
        waits for the end of it; ``gather`` cancels all of its operands. Returns ``False`` if it was not
        asyncio that called.
        """
        function = _asyncio_function(caller)
        if function == "_cancel_and_wait":
            is_shared = self.callbacks_added > 1 or self._watcher is not None or self._is_waited_for
            if is_shared or self.is_kept or not self.can_be_given_up:
                self._order.loop.call_soon(caller.f_locals["cb"], self)
                return True
        elif function != "cancel":
            return False
        self.is_given_up = True
        self.abandon()
        self.drop(msg)  # by which anyio tells its own cancellations
        return True

    def _cancelled_error(self) -> OperationCancelledError:
        return OperationCancelledError(
            f"{self.label} was given up: the task that awaited it was cancelled, by a timeout for"
            " instance, and no other one awaited it. Call it anew, or await asyncio.shield(...) of it"
            " in the first place, which keeps it",
            operation_id=getattr(self, "operation_id", None),
            operation_name=getattr(self, "name", None),
        )

    def _wake(self) -> None:
        waiters = self._waiters
        if waiters is not None:
            self._waiters = None
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)
        watcher = self._watcher
        if watcher is not None and self.done():
            self._watcher = None
            watcher.take_note(self)

    def become_due(self, at: float) -> None:
        """The log holds the completion, with this end: it may be delivered when its turn comes."""
        self.is_due = True
        order = self._order
        if at <= order.last_at or order.may_be_late:
            at = order.place(self, at)
        heappush(order.due, (at, self.sequence, self))


def _never_late(_handle: Handle[Any], _news: LateNews) -> None:
    """Nobody has come late yet."""


def _asyncio_function(frame: FrameType) -> str | None:
    """Return the name of the function of asyncio that this is a call of, if it is one."""
    is_asyncio = frame.f_globals.get("__name__") == "asyncio.tasks"
    return frame.f_code.co_name if is_asyncio else None


def _is_within(handle: Handle[Any], context_id: str) -> bool:
    """Tell whether an operation is one of this context, at any depth."""
    frame: Any = handle.frame
    while frame is not None:
        if frame.operation_id == context_id:
            return True
        frame = frame.parent
    return False


class Deliveries:
    """The completions that are due, in order."""

    def __init__(
        self,
        tasks: WorkflowTasks,
        loop: asyncio.AbstractEventLoop,
        position: Position,
        ready: Sized = (),
    ) -> None:
        """``ready``: the callbacks that the loop will run next."""
        self.loop = loop
        self.position = position
        self._ready = ready
        self.now: float = 0
        # Whether contexts have to know their own last end: see ``Frame.now``.
        self.tells_contexts = False
        # How many operations were claimed: each one's number breaks ties.
        self.claims = 0
        # A heap: first the end of the completion whose turn it is.
        self.due: list[tuple[float, int, Handle[Any]]] = []
        # What was delivered last: what comes with an earlier end is late.
        self.last_at = -math.inf
        self.last_sequence = 0
        self.last_id = ""
        # All that was delivered with this end.
        self._tied: list[Handle[Any]] = []
        journal = position.journal
        self.may_be_late = bool(journal.places)
        self._old_ends = journal.old_ends
        # Late ones, by operation id, whose place is not recorded yet; and who records it.
        self.unplaced: set[str] = set()
        self.record_place: Callable[[Handle[Any], LateNews], None] = _never_late
        self._tasks = tasks

    def deliver_next(self) -> None:
        """Deliver the completion whose turn it is."""
        at, sequence, handle = heappop(self.due)
        if handle.cancelled():
            return  # nobody sees it, so it moves no clock either
        if at != self.last_at:
            self._tied.clear()
        self._tied.append(handle)
        self.last_at, self.last_sequence = at, sequence
        if handle.tells_time:
            if at > self.now:  # noqa: PLR1730 - a call of max costs more than the rest of this
                self.now = at
            if self.tells_contexts and handle.is_end:
                handle.frame.last_end = at
        if handle.is_end:
            self.last_id = ended = handle.operation_id
            if ended not in self._old_ends:
                self.position.has_news = True
        handle.settle()
        tasks = self._tasks
        tasks.checked_from = tasks.progress + UNCHECKED_MOVES
        if tasks.held:
            tasks.resume()

    @property
    def is_held(self) -> bool:
        """Whether the completion whose turn it is waits until its place is recorded."""
        handle = self.due[0][2]
        return handle.is_end and handle.operation_id in self.unplaced and not handle.cancelled()

    def place(self, handle: Handle[Any], at: float) -> float:
        """Where a completion stands: at its end, unless a later one was delivered before it came.

        Then replay, which has both, would deliver them the other way round. So a late one goes right after
        what was delivered last, and is held until the log says so.
        """
        if not handle.is_end:
            return at
        late_id = handle.operation_id
        placed = self.position.journal.places.get(late_id)
        if placed is not None:
            return placed
        if (at, handle.sequence) >= (self.last_at, self.last_sequence):
            return at
        if handle.frame.is_rebuilt:
            return at  # nothing is recorded there any more
        if at == self.last_at and all(
            each.sequence < handle.sequence or _is_within(each, late_id) for each in self._tied
        ):
            # The end of a context in the very millisecond of its last operation: it comes after that on
            # replay too, if the function runs at all.
            return at
        place = math.nextafter(self.last_at, math.inf)
        self.unplaced.add(late_id)
        self.record_place(handle, LateNews(late=late_id, after=self.last_id, at=place))
        return place

    def time_after(self) -> float:
        """A time for an end that the service did not tell: now, and after what was delivered last."""
        return self.now if self.now > self.last_at else math.nextafter(self.last_at, math.inf)

    def deliver_at_once(self, handle: Handle[Any]) -> None:
        """Deliver up to this one, which is due, without a turn of the loop, if that comes to the same.

        It does when nothing else can move meanwhile: the task that is about to block is the only one,
        and is not being cancelled; no callback is ready to run, and none waits for any of these
        completions.
        """
        if len(self._tasks.live) == 1 and not self._ready:
            running = task_on(self.loop)
            if running is None or running.cancelling():
                return
            due = self.due
            while not (handle.done() or due[0][2].callbacks_added):
                if self.unplaced and self.is_held:
                    break
                self.deliver_next()

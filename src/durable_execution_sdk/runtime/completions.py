"""Completions of operations, in the order in which workflow code sees them: the order of their ends in the log.

Code that waits for several operations sees which one ends first. It may branch on that: ``race``,
``asyncio.wait``, a queue that tasks put results into. On the first run operations end one after the other.
On replay the log holds all ends from the start, and the code must still take the same branches.

The rules:

- An operation is *claimed* when workflow code calls it.
- Its completion is *due* as soon as the log holds its end.
- Due completions are *delivered*, which means that the code sees them, one at a time, and each only when the
  workflow is quiescent (``scheduler``).
- The next one is that with the earliest end in the log; of two with the same end, that whose operation
  was claimed first.

A worked example, of an operation of 150 ms and one of 50 ms::

    async def handle(event, ctx):
        slow = ctx.step(query_archive)                                      # claim 1
        quick = ctx.step(query_cache)                                       # claim 2
        done, _ = await asyncio.wait({slow, quick}, return_when=asyncio.FIRST_COMPLETED)
        if quick in done and slow not in done:
            await ctx.step(mark_stale)                                      # claim 3
        return await slow

    log                      first run delivers            replay delivers
    query_cache    ends 50   when it comes; mark_stale     first, though both are due: 50 < 150;
                             is claimed, its body runs     mark_stale is claimed, with the end 230
    query_archive  ends 150  when it comes; nothing        next: 150 < 230
                             awaits it yet
    mark_stale     ends 230  when it comes; the handler    last
                             goes on, ``slow`` is done

What goes wrong without these rules: if replay delivered both queries before the handler runs, ``done``
would hold both, ``mark_stale`` would not be claimed, and the code would not match the log. If replay
delivered in the order of claims, it would deliver ``slow`` first.

Two refinements:

- *Late news.* Operation A may end before operation B, and the service may report A's end only after B's was
  delivered. Replay, which has both ends, would deliver A first. So A gets the place right after the last
  delivery, and is held until the log holds a note of that place: a STEP named ``late news``
  (``late_news.Note``). The note costs one operation; a service that reports ends in order causes none. Two
  cases stay open: a process that dies after the service has reported the end and before the note is in the
  log; and an end that the service did not report before the execution suspended. ``UpdatedOperationIds``
  does not help there: AWS counts from the last invocation that succeeded, so after a crash the list also
  names operations whose ends were delivered before the crash.
- *Delivery at once.* If the only task is about to block on a due completion, no callback is ready and no
  cancellation is pending, then the workflow is as good as quiescent. The ``await`` itself delivers the
  completions up to that one, without a turn of the loop, which makes replay of sequential code cheap.

A handle is a future, but each task that awaits a handle blocks on a future of its own (``Waiter``). So to
cancel one task does not cancel an operation that other tasks await too, unless the cancelled task awaits it
in a ``gather``, which cancels its operands. When the last task that awaits it is cancelled, the operation is
*given up*: its body is cancelled, and a FAIL of type ``OperationCancelled`` is recorded. That FAIL never
becomes due: if it were delivered, and another end had the same millisecond, replay could see the failure
where the first run saw the cancellation.
"""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Callable, Generator, Sized
from contextvars import Context
from heapq import heappop, heappush
from types import FrameType
from typing import Any, ClassVar, Generic, NoReturn, TypeVar

from durable_execution_sdk.errors import ContextMisuseError, OperationCancelledError
from durable_execution_sdk.runtime.current import CURRENT, StepContext, task_on
from durable_execution_sdk.runtime.log.journal import LateNews, Position
from durable_execution_sdk.runtime.tasks.numbered_task import refused_in_step
from durable_execution_sdk.runtime.tasks.workflow_task import (
    UNCHECKED_MOVES,
    WorkflowTasks,
)

__all__ = [
    "Completion",
    "Completions",
    "Handle",
    "Signal",
    "Waiter",
    "Wake",
    "Watcher",
    "operation_of",
]

_T = TypeVar("_T")
_S = TypeVar("_S")

# Methods of the base class; to call them by these names is quicker than through ``super()``.
_new_future = asyncio.Future[Any].__init__
_result_of = asyncio.Future[Any].result
_set_result = asyncio.Future[Any].set_result
_set_exception = asyncio.Future[Any].set_exception
_cancel = asyncio.Future[Any].cancel


class Wake(asyncio.Future[None]):
    """A future that only the SDK or the workflow itself completes: no timer, thread or socket does."""

    __slots__ = ()

    @property
    def label(self) -> str:
        """The name of the operation or event, in messages."""
        raise NotImplementedError


class Signal(Wake):
    """A future that other code of the workflow completes, to wake the task that blocks on it."""

    __slots__ = ("_label",)

    def __init__(self, loop: asyncio.AbstractEventLoop, label: str) -> None:
        super().__init__(loop=loop)
        self._label = label

    @property
    def label(self) -> str:
        """The name of the event, in messages."""
        return self._label


class Waiter(Wake):
    """The future that one task blocks on while it awaits an operation.

    Each awaiting task has its own, so to cancel the task does not cancel the operation.
    """

    __slots__ = ("operation",)

    operation: Completion[Any]

    @property
    def label(self) -> str:
        """The name of the operation, in messages."""
        return self.operation.label

    def cancel(self, msg: Any | None = None) -> bool:
        """Stop waiting because the task was cancelled; give the operation up if no other task awaits it."""
        cancelled = super().cancel(msg)
        if cancelled:
            self.operation.left_by(self)
        return cancelled


class Watcher(Generic[_S]):
    """An object that is told that an operation is done, before any task moves."""

    def take_note(self, handle: Handle[_S]) -> None:
        """Take note that the operation of this handle is done."""
        raise NotImplementedError


class Handle(asyncio.Future[_T], Generic[_T]):
    """A durable operation that runs or has ended. It can be awaited, gathered and raced.

    It is a future, so everything in asyncio that takes one takes it. The outcome comes from the log
    alone: all that workflow code can do to the operation is to ``cancel`` it.
    """

    # A slot is quicker than the dictionary that every future has.
    __slots__ = ("_operation",)

    def __init__(self, operation: Completion[_T], loop: asyncio.AbstractEventLoop) -> None:
        _new_future(self, loop=loop)
        self._operation = operation

    @property
    def name(self) -> str | None:
        """The name of the operation, if it has one."""
        return self._operation.name

    @property
    def operation_id(self) -> str:
        """The id of the operation: the same on every replay."""
        return self._operation.operation_id

    def __repr__(self) -> str:
        """Show the operation, and its state."""
        state = "cancelled" if self.cancelled() else "done" if self.done() else "pending"
        return f"<{self._operation.label} {state}>"

    def __hash__(self) -> int:
        """Return the number of the operation's place in the workflow, so that sets have the same order on replay."""
        return self._operation.place

    def __await__(self) -> Generator[Any, None, _T]:
        """Wait for the operation, in any task of the workflow.

        Raises the operation's error, ``CancelledError`` if it was cancelled by ``cancel()``, and
        ``OperationCancelledError`` if it was given up. Inside a step it raises ``ContextMisuseError``.
        """
        operation = self._operation
        if not operation.is_done:
            if operation.is_due:
                operation.completions.deliver_at_once(operation)
            if not operation.is_done:
                yield from operation.new_waiter()
        try:
            result: _T = _result_of(self)
        except asyncio.CancelledError:
            if operation.is_given_up:
                raise operation.cancelled_error() from None
            raise
        return result

    def result(self) -> _T:
        """Return the result, as for any future."""
        try:
            result: _T = _result_of(self)
        except asyncio.InvalidStateError:
            if _asyncio_function(sys._getframe(1)) == "wait_for":  # noqa: SLF001
                # ``wait_for`` has timed out while the operation goes on; it turns this into ``TimeoutError``.
                raise asyncio.CancelledError from None
            raise
        return result

    def add_done_callback(
        self, fn: Callable[[Any], object], /, *, context: Context | None = None
    ) -> None:
        """Add a callback, as for any future. Inside a step it raises ``ContextMisuseError``."""
        operation = self._operation
        if isinstance(CURRENT.get(), StepContext):
            raise refused_in_step(operation.label, "awaited")
        operation.callbacks_added += 1
        super().add_done_callback(fn, context=context)

    def remove_done_callback(self, fn: Callable[[Any], object], /) -> int:
        """Remove a callback, as for any future."""
        removed = super().remove_done_callback(fn)
        self._operation.callbacks_added -= removed
        return removed

    def cancel(self, msg: Any | None = None) -> bool:
        """Cancel the operation, and the tasks that await it, as for any future.

        A wait ends early instead, and the tasks that await it go on as if its time were up. This is recorded, so
        replay goes on at the same place. Returns ``False`` if the workflow has seen the end of the operation, or
        has cancelled it already.
        """
        return self._operation.cancel(msg, sys._getframe(1))  # noqa: SLF001 - asyncio calls it too

    def set_result(self, result: _T, /) -> NoReturn:
        """Raise ``ContextMisuseError``: the result comes from the log alone."""
        raise self._closed("result")

    def set_exception(self, exception: type | BaseException, /) -> NoReturn:
        """Raise ``ContextMisuseError``: the error comes from the log alone."""
        raise self._closed("exception")

    def _closed(self, outcome: str) -> ContextMisuseError:
        return ContextMisuseError(
            f"set_{outcome} was called on {self._operation.label}: the outcome of an operation comes from"
            " the log, so that replay sees the same, and code cannot set it. Return or raise in the"
            " function of the operation, or call handle.cancel() to give it up; for an outcome that"
            " comes from elsewhere use ctx.create_callback()"
        )


def operation_of(handle: Handle[_T]) -> Completion[_T]:
    """The operation behind a handle, for the SDK: workflow code uses the handle alone."""
    return handle._operation  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


class Completion(Generic[_T]):
    """The operation, or the timer, behind a handle: it gives the handle its outcome.

    It refers to its handle until that is done and the waiters are told; then only the handle refers to it.
    So no cycle of references is left for the garbage collector.
    """

    __slots__ = (
        "_waiters",
        "_watcher",
        "callbacks_added",
        "completions",
        "handle",
        "is_cancelled",
        "is_done",
        "is_due",
        "is_given_up",
        "is_kept",
        "place",
        "sequence",
        "tells_time",
    )

    handle_class: ClassVar[type[Handle[Any]]] = Handle
    # False for the creation of a callback, which completes before the operation with this id ends.
    is_end: ClassVar[bool] = True
    name: str | None
    operation_id: str
    # The state (``ContextState``) of the context in which it was claimed.
    context_state: Any

    def __init__(self, completions: Completions, place: int) -> None:
        """Number the claim. ``place`` is the number of the operation's place in the workflow, and the handle's hash."""
        self.completions = completions
        self.handle: Handle[_T] = self.handle_class(self, completions.loop)
        self._waiters: list[Waiter] | None = None
        self._watcher: Watcher[_T] | None = None
        # Number of callbacks added to the handle. Tasks that await it are in ``_waiters`` instead.
        self.callbacks_added = 0
        self.is_due = False
        # The state of the handle, which only this class changes.
        self.is_done = False
        self.is_cancelled = False
        # True if it was cancelled because the tasks that awaited it were, not by a call of ``cancel()``.
        self.is_given_up = False
        # True if it goes on even when all tasks that await it are cancelled, as a step of a saga does.
        self.is_kept = False
        # False for steps in optimistic mode: code may see their result before the log has an end time, so they
        # must not advance ``Completions.now``.
        self.tells_time = True
        completions.claims = self.sequence = completions.claims + 1
        self.place = place

    @property
    def label(self) -> str:
        """The name of the operation, in messages."""
        raise NotImplementedError

    def new_waiter(self) -> Waiter:
        """Make a future for the running task to block on until this is done."""
        if isinstance(CURRENT.get(), StepContext):
            raise refused_in_step(self.label, "awaited")
        waiter = Waiter(loop=self.completions.loop)
        waiter.operation = self
        if self._waiters is None:
            self._waiters = [waiter]
        else:
            self._waiters.append(waiter)
        return waiter

    @property
    def is_awaited(self) -> bool:
        """True if a callback, a watcher or a task waits for it, so that its completion makes code run."""
        return bool(self.callbacks_added) or self._watcher is not None or self._is_waited_for

    @property
    def _is_waited_for(self) -> bool:
        return any(not waiter.done() for waiter in self._waiters or ())

    def watch(self, watcher: Watcher[_T]) -> None:
        """Tell ``watcher`` when this operation is done, before any task moves."""
        self._watcher = watcher

    def settle(self) -> None:
        """Take the outcome from the log and wake the awaiting tasks; called in this completion's turn."""
        if self.is_done:
            return
        try:
            _set_result(self.handle, self.outcome())
        except Exception as error:
            self.set_exception(error)
        self.is_done = True
        if self._waiters is not None or self._watcher is not None:
            self._tell()
        else:
            del self.handle  # see the docstring of the class

    def set_result(self, value: _T) -> None:
        """Give the handle its value."""
        _set_result(self.handle, value)
        self.is_done = True

    def set_exception(self, error: Exception) -> None:
        """Give the handle its error."""
        _set_exception(self.handle, error)
        self.handle.exception()  # marks it as retrieved, so that asyncio does not log it
        self.is_done = True

    def outcome(self) -> _T:
        """Return the value, or raise the operation's error."""
        raise NotImplementedError

    def cancel(self, msg: Any | None = None, caller: FrameType | None = None) -> bool:
        """End the operation, and cancel the tasks that await it; ``caller`` is the frame that called the handle."""
        if self.is_done:
            return False
        if caller is None or not self.passed_on(caller, msg):
            self.abandon()
            self.drop(msg)
        return True

    def give_up(self) -> None:
        """End the operation because no task of the workflow waits for it any more."""
        if not self.is_done:
            self.is_given_up = True
            self.cancel()

    @property
    def can_be_given_up(self) -> bool:
        """True if to give the operation up would cancel code that runs for it in this process."""
        return False

    def abandon(self) -> None:
        """Record that the operation is given up, if its type has such a record."""

    def drop(self, msg: Any | None = None) -> bool:
        """End the handle without a record; the tasks that await it are cancelled."""
        if self.is_done:
            return False
        self.refuse(msg)
        self._tell()
        return True

    def refuse(self, msg: Any | None = None) -> None:
        """Cancel the handle of an operation that was claimed too late to do anything, before a task awaits it."""
        _cancel(self.handle, msg)
        self.is_done = self.is_cancelled = True

    def left_by(self, waiter: Waiter) -> None:
        """Give the operation up if the task of this waiter was the last to await it."""
        if self._waiters is not None and waiter in self._waiters:
            self._waiters.remove(waiter)
        if not (self.is_kept or self.is_awaited) and self.can_be_given_up:
            self.give_up()

    def passed_on(self, caller: FrameType, msg: Any | None = None) -> bool:
        """Treat a call of ``cancel()`` by asyncio as the cancellation of one task that awaits the operation.

        ``wait_for`` of Python 3.11, and of later ones without a positive timeout, cancels its operand and
        waits until the operand has ended. That gives the operation up only if no other code awaits it.
        ``gather`` cancels all of its operands, as in asyncio, and so gives them up even if others await them. An
        operation that is kept goes on in both cases. Returns ``False`` if other code has called ``cancel()``:
        that is to end the operation itself.
        """
        function = _asyncio_function(caller)
        if function == "_cancel_and_wait":
            is_shared = self.callbacks_added > 1 or self._watcher is not None or self._is_waited_for
            if is_shared or self.is_kept or not self.can_be_given_up:
                # The operation goes on: call the callback by which ``wait_for`` would learn of its end.
                self.completions.loop.call_soon(caller.f_locals["cb"], self.handle)
                return True
        elif function != "cancel":
            return False
        elif self.is_kept:
            return True  # ``gather`` raises ``CancelledError`` once this operation has ended
        self.is_given_up = True
        self.abandon()
        self.drop(msg)  # anyio recognizes its own cancellations by ``msg``
        return True

    def cancelled_error(self) -> OperationCancelledError:
        """The error for a task that awaits this operation after it was given up."""
        return OperationCancelledError(
            f"{self.label} was given up: the last task that awaited it, or a gather that it was part"
            " of, was cancelled, by a timeout for instance. Call it again, or await asyncio.shield(...) of"
            " it, which lets it go on",
            operation_id=self.operation_id,
            operation_name=self.name,
        )

    def _tell(self) -> None:
        """Wake the tasks that await the operation; once it is done, tell the watcher and forget the handle."""
        waiters = self._waiters
        if waiters is not None:
            self._waiters = None
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)
        if self.is_done:
            watcher = self._watcher
            if watcher is not None:
                self._watcher = None
                watcher.take_note(self.handle)
            del self.handle

    def become_due(self, at: float) -> None:
        """Queue the completion for delivery. ``at`` is the operation's end in the log, in milliseconds."""
        self.is_due = True
        completions = self.completions
        if at <= completions.last_at or completions.may_be_late:
            at = completions.place(self, at)
        heappush(completions.due, (at, self.sequence, self))


def _never_late(_completion: Completion[Any], _news: LateNews) -> None:
    """Record nothing: this stands in until ``InvocationRun`` sets the function that records the place."""


def _asyncio_function(frame: FrameType) -> str | None:
    """Return the name of the function of ``asyncio.tasks`` that this frame runs; ``None`` for other code."""
    is_asyncio = frame.f_globals.get("__name__") == "asyncio.tasks"
    return frame.f_code.co_name if is_asyncio else None


def _is_within(completion: Completion[Any], context_id: str) -> bool:
    """Return ``True`` if an operation is in this context, at any depth."""
    context_state: Any = completion.context_state
    while context_state is not None:
        if context_state.operation_id == context_id:
            return True
        context_state = context_state.parent
    return False


class Completions:
    """The queue of completions that are due, in the order of their delivery."""

    def __init__(
        self,
        tasks: WorkflowTasks,
        loop: asyncio.AbstractEventLoop,
        position: Position,
        ready: Sized = (),
    ) -> None:
        """Make an empty queue. ``ready`` holds the callbacks that the loop will run next."""
        self.loop = loop
        self.position = position
        self._ready = ready
        self.now: float = 0
        # True if each context keeps its own last end: see ``ContextState.now``.
        self.tells_contexts = False
        # The number of operations and timers claimed so far. The number of each (``Completion.sequence``)
        # decides between equal ends.
        self.claims = 0
        # A heap of end, sequence number and completion; its first entry is delivered next.
        self.due: list[tuple[float, int, Completion[Any]]] = []
        # The end and the sequence number of the last delivery: an end that comes now and is earlier is late. The
        # id is that of the last operation whose end was delivered.
        self.last_at = -math.inf
        self.last_sequence = 0
        self.last_id = ""
        # The completions that were delivered with the end ``last_at``.
        self._tied: list[Completion[Any]] = []
        journal = position.journal
        # True if the log holds notes of late news, so that a completion may have a place other than its end.
        self.may_be_late = bool(journal.places)
        # The ids of operations whose ends an earlier invocation may have seen.
        self._old_ends = journal.old_ends
        # The ids of late operations whose place is not recorded yet, and the function that records it.
        self.unplaced: set[str] = set()
        self.record_place: Callable[[Completion[Any], LateNews], None] = _never_late
        self._tasks = tasks

    def deliver_next(self) -> None:
        """Deliver the completion whose turn it is."""
        at, sequence, completion = heappop(self.due)
        if completion.is_cancelled:
            return  # no code sees it, so it does not move the clock
        if at == self.last_at:
            self._tied.append(completion)
        else:
            self._tied = [completion]
        self.last_at, self.last_sequence = at, sequence
        if completion.tells_time:
            if at > self.now:  # noqa: PLR1730 - a call of max costs more than the rest of this
                self.now = at
            if self.tells_contexts and completion.is_end:
                completion.context_state.last_end = at
        if completion.is_end:
            self.last_id = ended = completion.operation_id
            if ended not in self._old_ends and not self.position.has_news:
                self.position.delivered(ended)
        completion.settle()
        tasks = self._tasks
        # A delivery starts the count anew by which ``spinning`` finds tasks that spin, and lets held tasks go on.
        tasks.checked_from = tasks.progress + UNCHECKED_MOVES
        if tasks.held:
            tasks.resume()

    @property
    def is_held(self) -> bool:
        """True if the next completion came late and its place is not recorded yet."""
        completion = self.due[0][2]
        return (
            completion.is_end
            and completion.operation_id in self.unplaced
            and not completion.is_cancelled
        )

    def place(self, completion: Completion[Any], at: float) -> float:
        """Return the place of a completion in the order of delivery: ``at``, or a later place if it came late.

        It is late if a completion with a later end was delivered already: replay, which has both ends, would
        deliver them the other way round. A late completion gets the place right after the last delivery, and is
        held until the log holds a note of that place.
        """
        if not completion.is_end:
            return at
        late_id = completion.operation_id
        placed = self.position.journal.places.get(late_id)
        if placed is not None:
            return placed
        if (at, completion.sequence) >= (self.last_at, self.last_sequence):
            return at
        if completion.context_state.is_rebuilt:
            return at  # a rebuilt context records nothing
        if at == self.last_at and all(
            each.sequence < completion.sequence or _is_within(each, late_id) for each in self._tied
        ):
            # This is a context that ended in the same millisecond as operations in it or claimed before it. If
            # replay runs its function at all, it delivers the context's end after theirs too.
            return at
        place = math.nextafter(self.last_at, math.inf)
        self.unplaced.add(late_id)
        self.record_place(completion, LateNews(late=late_id, after=self.last_id, at=place))
        return place

    def time_after(self) -> float:
        """Return an end for an operation whose end the service did not report: now, but after the last delivery."""
        return self.now if self.now > self.last_at else math.nextafter(self.last_at, math.inf)

    def deliver_at_once(self, completion: Completion[Any]) -> None:
        """Deliver the completions up to this one, which is due, without a turn of the loop, if that is safe.

        It is safe if nothing else can move meanwhile: the task that is about to block is the only one and is
        not being cancelled, no callback is ready to run, and none is attached to any of these completions.
        """
        if len(self._tasks.live) == 1 and not self._ready:
            running = task_on(self.loop)
            if running is None or running.cancelling():
                return
            due = self.due
            while not (completion.is_done or due[0][2].callbacks_added):
                if self.unplaced and self.is_held:
                    break
                self.deliver_next()

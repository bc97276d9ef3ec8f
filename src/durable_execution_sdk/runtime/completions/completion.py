"""The operation, or the timer, behind a handle: its outcome, the tasks that await it, and its cancellation.

A handle is a future, but each task that awaits a handle blocks on a future of its own (``Waiter``). So the
cancellation of one task does not cancel an operation that other tasks await too, unless the cancelled task awaits
it in a ``gather``, which cancels its operands. When the last task that awaits it is cancelled, the operation is
*given up*: its body is cancelled, and a FAIL of type ``OperationCancelled`` is recorded. That FAIL never becomes due:
if it were, and another end had the same millisecond, replay could see the failure where the first run was cancelled.
"""

from __future__ import annotations

import asyncio
import math
from heapq import heappush
from types import FrameType
from typing import Any, ClassVar, TypeVar

from durable_execution_sdk.errors import OperationCancelledError, OperationError
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.operations import GIVEN_UP, Operation
from durable_execution_sdk.runtime.completions import Claim, Completions
from durable_execution_sdk.runtime.completions.handle import (
    Handle,
    Waiter,
    Watcher,
    asyncio_function,
)
from durable_execution_sdk.runtime.current import StepContext, get_current
from durable_execution_sdk.runtime.log import LateNews
from durable_execution_sdk.runtime.tasks.numbered_task import refused_in_step

__all__ = ["Completion", "Dropped", "Timer", "operation_of"]

_T = TypeVar("_T")

# Methods of the base class; to call them by these names is quicker than through ``super()``.
_set_result = asyncio.Future[Any].set_result
_set_exception = asyncio.Future[Any].set_exception
_cancel = asyncio.Future[Any].cancel


def operation_of(handle: Handle[_T]) -> Completion[_T]:
    """The operation behind a handle, for the SDK: workflow code uses the handle alone."""
    operation: Any = handle._operation  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    return operation  # type: ignore[no-any-return]  # only completions make handles


class Completion(Claim[_T]):
    """The operation, or the timer, behind a handle: it gives the handle its outcome.

    It refers to its handle until that is done and the waiters are told; then only the handle refers to it.
    So no cycle of references is left for the garbage collector.
    """

    __slots__ = ("_waiters", "_watcher", "handle", "is_kept")

    handle_class: ClassVar[type[Handle[Any]]] = Handle

    def __init__(self, completions: Completions, place: int) -> None:
        """Number the claim. ``place`` is the number of the operation's place in the workflow, and the handle's hash."""
        self.completions = completions
        # On the loop that runs. No ``__init__`` in Python, which would cost a replayed operation 3 %.
        self.handle: Handle[_T] = self.handle_class()
        self.handle._operation = self  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        self._waiters: list[asyncio.Future[None]] | None = None
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
        self.is_end = True

    def new_waiter(self) -> Waiter:
        """Make a future for the running task to block on until this is done."""
        if isinstance(get_current(), StepContext):
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
        watcher = self._watcher
        return (
            bool(self.callbacks_added)
            or (watcher is not None and watcher.makes_code_run)
            or self._is_waited_for
        )

    @property
    def _is_waited_for(self) -> bool:
        return any(not waiter.done() for waiter in self._waiters or ())

    def watch(self, watcher: Watcher[_T]) -> Watcher[_T] | None:
        """Tell ``watcher`` when this operation is done, before any task moves; return the one that was told so far."""
        before, self._watcher = self._watcher, watcher
        return before

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
        """True if the operation has code in this process that giving it up would cancel."""
        return False

    @property
    def is_left_to_code(self) -> bool:
        """True while code of the workflow that runs here may end it, as that of a context does."""
        return False

    def abandon(self, why: ErrorObject = GIVEN_UP) -> None:
        """Record that the operation is given up, if its type has such a record."""

    def time_out(self, error: OperationError, why: ErrorObject) -> None:
        """End the operation with this error, and give it up: its time limit has passed.

        As for any operation that is given up, its own end is not delivered from then on: on replay the
        timer ends it again.
        """
        if not self.is_done:
            self.abandon(why)
            _set_exception(self.handle, error)
            self.handle.exception()  # marks it as retrieved, so that asyncio does not log it
            self.drop()  # the handle keeps its error

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

    def left_by(self, waiter: asyncio.Future[None]) -> None:
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
        such a call ends the operation itself.
        """
        function = asyncio_function(caller)
        if function == "_cancel_and_wait":
            watched = self._watcher is not None and self._watcher.makes_code_run
            is_shared = self.callbacks_added > 1 or watched or self._is_waited_for
            if is_shared or self.is_kept or not self.can_be_given_up:
                # The operation goes on: call the callback by which ``wait_for`` would learn of its end.
                self.completions.loop.call_soon(caller.f_locals["cb"], self.handle)
                return True
        elif function != "cancel":
            return False
        elif self.is_kept:
            return True  # ``gather`` raises ``CancelledError`` once this operation has ended
        self.is_given_up = True
        self.handle._is_timed_out = function == "_cancel_and_wait"  # noqa: SLF001
        self.abandon()
        self.drop(msg)  # anyio recognizes its own cancellations by ``msg``
        return True

    def cancelled_error(self) -> OperationCancelledError:
        """The error for a task that awaits this operation after it was given up."""
        return OperationCancelledError(
            f"{self.label} was given up: the last task that awaited it, or a gather that it was part"
            " of, was cancelled, by a timeout for instance, or it lost a race with cancel_losers=True. Call it"
            " again, or let it go on: await asyncio.shield(...) of it, or race it without cancel_losers",
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
            at = completions.rank(self, at)
        heappush(completions.due, (at, self.sequence, self))


class Timer:
    """A timer of this process that the service may take over: one of workflow code, or a step that waits for time."""

    __slots__ = ()

    is_loose: bool  # it is a second or longer, and not yet recorded as a WAIT
    is_ticking: bool  # it is shorter, and fires in this process

    def hand_over(self) -> None:
        """Record it as a WAIT, so that the service keeps it."""
        raise NotImplementedError


class Dropped:
    """An operation whose handle ended before the log held its end, and the last delivery before that.

    If its end turns out to be earlier than that delivery, replay, which has both ends, would deliver it first.
    """

    __slots__ = ("_after", "_at", "_operation", "_sequence")

    def __init__(self, operation: Completion[Any]) -> None:
        completions = operation.completions
        self._operation = operation
        self._at, self._sequence = completions.last_at, completions.last_sequence
        self._after = completions.last_id

    def observe(self, record: Operation) -> None:
        """Record a rank after that delivery for an end that came late; replay drops the operation before it."""
        operation = self._operation
        at = record.end_timestamp
        if at is None or (at, operation.sequence) >= (self._at, self._sequence):
            return
        rank = math.nextafter(self._at, math.inf)
        news = LateNews(late=operation.operation_id, after=self._after, at=rank)
        operation.completions.record_rank(operation, news)

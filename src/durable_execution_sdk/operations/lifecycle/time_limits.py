"""Time limits of operations: a durable timer that gives an operation up if it fires before the operation ends.

The timer is one of those of ``runtime.timers``. It starts when its operation does, and is recorded as a WAIT if
the operation has not ended after 0.2 s, or when nothing else can move. Its id follows from the operation's, so it
shifts no other, and replay need not ask for it.

The end of the operation and that of the timer are delivered in the order of the log, and the first decides:

- If the operation has ended first, the timer is cancelled.
- If the timer has fired first, the operation is given up as if its task were cancelled: its code is cancelled, and
  a FAIL is recorded that is never delivered. Its handle gets the error. On replay the timer ends the operation
  again, also if the process died before the FAIL was recorded, or if another end came after the timer's.

What goes wrong with a FAIL that is delivered: in the millisecond of the timer's end another one may be delivered
between the two, and code that branches on ``handle.done()`` would see it on replay before the operation ends, not
after.
"""

from __future__ import annotations

from typing import Any

from durable_execution_sdk.duration import Duration, DurationLike
from durable_execution_sdk.errors import ChildContextTimeoutError, OperationError
from durable_execution_sdk.protocol.limits import MAX_NAME_CHARACTERS
from durable_execution_sdk.protocol.operations import Operation, OperationSubType, timed_out
from durable_execution_sdk.runtime.completions.completion import Completion
from durable_execution_sdk.runtime.completions.handle import Handle, Watcher
from durable_execution_sdk.runtime.contexts import ContextState
from durable_execution_sdk.runtime.log.ids import time_limit_id
from durable_execution_sdk.runtime.timers import DurableTimer

__all__ = ["limit_context", "limit_time"]


class TimeLimit(DurableTimer):
    """The timer of an operation that has a time limit."""

    __slots__ = ("_error_class", "_limit", "_note", "_operation")

    def __init__(
        self,
        context_state: ContextState,
        operation: Completion[Any],
        limit: Duration,
        delay: float,
        error_class: type[OperationError],
        note: str,
    ) -> None:
        self._operation = operation
        self._limit = limit
        self._error_class = error_class
        self._note = note
        super().__init__(
            context_state,
            time_limit_id(operation.operation_id),
            operation.place,
            delay,
            f"time limit of {operation.name or 'an operation'}"[:MAX_NAME_CHARACTERS],
        )
        # Its end makes the callbacks of the operation run, so it may not be delivered within an ``await``.
        self.callbacks_added = 1

    @property
    def label(self) -> str:
        """The name of the timer in messages."""
        return f"the time limit of {self._operation.label}"

    @property
    def is_awaited(self) -> bool:
        """True if the operation is awaited, or has code here that the end of its time would cancel."""
        return self._operation.is_awaited or self._operation.is_left_to_code

    def settle(self) -> None:
        """Fire: give the operation up, and let its handle raise the error."""
        super().settle()
        operation = self._operation
        message = (
            f"{operation.label} took longer than its time limit of {self._limit}{self._note or ', and was given up'}:"
            f" {_cure_of(operation)}"
        )
        error = self._error_class(
            message, operation_id=operation.operation_id, operation_name=operation.name
        )
        operation.time_out(error, timed_out(self._error_class.__name__, message))

    def drop(self, msg: object | None = None) -> bool:
        """Cancel the timer, because the operation has ended."""
        self.callbacks_added = 0
        return super().drop(msg)


_CURES: dict[str, str] = {
    OperationSubType.CHAINED_INVOKE: "raise InvokeConfig.timeout, or catch the InvokeTimeoutError",
    OperationSubType.WAIT_FOR_CONDITION: (
        "raise WaitForConditionConfig.timeout, or catch the WaitForConditionTimeoutError"
    ),
    OperationSubType.MAP_ITERATION: "raise MapConfig.item_timeout, or let an item do less",
    OperationSubType.PARALLEL_BRANCH: "raise ParallelConfig.branch_timeout, or let a branch do less",
}


def _cure_of(operation: Completion[Any]) -> str:
    """Write what can be done about the limit; that of a context may be of ``ctx.with_retry``, too."""
    cure = _CURES.get(getattr(operation, "sub_type", ""))
    return cure or "raise the limit, or catch the ChildContextTimeoutError"


class _Ending(Watcher[Any]):
    """Cancels the timer when its operation ends, and tells the watcher that the operation had before."""

    def __init__(self, limit: TimeLimit, before: Watcher[Any] | None) -> None:
        self._limit = limit
        self._before = before
        self.makes_code_run = before is not None

    def take_note(self, handle: Handle[Any]) -> None:
        """Cancel the timer."""
        self._limit.drop()
        if self._before is not None:
            self._before.take_note(handle)


def limit_context(
    context_state: ContextState, context: Completion[Any], timeout: DurationLike
) -> None:
    """End a child context with a ``ChildContextTimeoutError`` once it has taken this long."""
    record: Operation | None = getattr(context, "record", None)  # a virtual one has none
    limit_time(context_state, context, record, timeout, ChildContextTimeoutError)


def limit_time(
    context_state: ContextState,
    operation: Completion[Any],
    record: Operation | None,
    timeout: DurationLike,
    error_class: type[OperationError],
    note: str = "",
) -> None:
    """End an operation with an ``error_class`` once it has taken this long, as a timer of the log decides.

    ``record`` is the operation's, if the log holds one: after a crash the time counts from its start, in a fork from the
    fork's. ``note`` says in the message of the error what becomes of an operation that is not given up.
    """
    run = context_state.run
    if context_state.is_over or operation.is_done:
        return
    # A timer that is not recorded, of an operation whose end is news, tells ``position`` that the last invocation was cut.
    has_ended = record is not None and record.id in run.journal.old_ends
    if (context_state.is_rebuilt or has_ended) and not run.journal.is_recorded(
        time_limit_id(operation.operation_id)
    ):
        return  # the operation has ended before its timer was recorded
    limit = Duration.of(timeout)
    delay: float = limit.seconds
    if record is not None and record.start_timestamp is not None:
        now = max(run.plane.now(), run.completions.now)
        # A fork has the records of its origin, which may have ended days ago. Their limits were not recorded, so they
        # had just started: the limits of the fork start when it does.
        started = max(record.start_timestamp, run.journal.forked_at)
        delay -= max(0.0, now - started) / 1000
    timer = TimeLimit(context_state, operation, limit, max(delay, 1.0), error_class, note)
    before = operation.watch(_Ending(timer, None))
    if before is not None:
        operation.watch(_Ending(timer, before))

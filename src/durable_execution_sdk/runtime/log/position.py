"""The position that replay has reached in the log, and the signs that the last invocation was cut."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sized
from typing import TYPE_CHECKING, Any, Protocol

from durable_execution_sdk.protocol.operations import OperationStatus
from durable_execution_sdk.protocol.updates import OperationAction, OperationUpdate
from durable_execution_sdk.runtime.log import Journal
from durable_execution_sdk.runtime.log.ids import ITEMS_OF_MAPS, LIMITS, SELF_NUMBERED

__all__ = ["Position"]


if TYPE_CHECKING:

    class Attempt(Protocol):
        """A step whose attempt the log holds as under way or due."""

        # The state (``ContextState``) of its context.
        context_state: Any
        # True once it has ended, or its context has.
        is_done: bool


class Position:
    """The position of replay: the rule that logs, ``ctx.is_replaying`` and observers share.

    A point of workflow code is *new* if no earlier invocation is known to have passed it. Completions are
    delivered in one order, so the execution has one position; each scope has one of its own for the
    operations that it claims. A point is new

    - if the log was empty when the invocation began;
    - once a completion was delivered that the log did not hold then, or that came while the execution
      was suspended (``UpdatedOperationIds``);
    - once the gate has opened and the body of a step runs, which may wake code that waits for no operation, by an
      event or a queue for instance;
    - once its scope, or one that made it, has claimed an operation that the log did not hold
      (``IdScope.is_replaying``).

    After an invocation that was cut, the log may hold ends that its code never saw. What is certain then
    is this: code that was passed before an operation was asked for has run if the log holds that operation.
    So a point is old exactly as long as a recorded operation has yet to be asked for: around a crash lines
    come twice rather than never.

    An invocation was cut if the service names nothing that has changed. If there is news already when it
    invokes again, the event looks like that of an execution that was suspended. Then points are in doubt from
    where all that is recorded has been asked for, and lines are held. An invocation that suspends has recorded
    all that its code did and has ended all attempts. So if before it sees news the code asks for something that
    the log does not hold, causes an update, comes to its end, asks for a step with an attempt under way or
    with one that was due already, or comes to rest with a timer of asyncio that is not recorded or with no operation
    that may end, then the last one was cut, and the lines are new. If it sees news first, they are old.

    The updates of a timer of asyncio and of a call in a thread prove nothing when they are caused: the clock and the
    thread do not follow the log, so these may end here before a recorded end that led the code to leave them. They
    count where the code comes to rest, if it still waits for them.

    An attempt of a virtual context, as a branch of a flat parallel has, proves this only if that context lives when
    the code comes to rest. The end of one is not recorded: it ends its operations, and the log holds them as they were.
    """

    def __init__(self, journal: Journal, timers: Sized = ()) -> None:
        """``timers`` are those that run in this process, because the log does not hold them."""
        self.journal = journal
        self._timers = timers
        # Returns True if the invocation stays for a call in a thread whose end is not among these.
        self.stays_for_new_end: Callable[[Collection[str]], bool] = lambda _recorded: False
        # Returns True if an operation has not settled that the service may finish.
        self.may_wait_for_service: Callable[[], bool] = lambda: True
        # True once the workflow is past all that an earlier invocation can have seen; it stays true.
        self.has_news = len(journal) == 0
        # The service invokes a suspended execution when something has changed, and says what, even if it is in
        # a context that has ended, of which the log shows no more.
        self.was_cut = not journal.updated_ids - {journal.execution_id}
        # True if calls in threads whose ends are recorded had yet to end when the gate opened.
        self._repeats_calls = False
        self._held: list[Callable[[], object]] = []
        # The attempts of virtual contexts that a suspended invocation would have ended if their contexts lived.
        self._attempts: list[Attempt] = []

    @property
    def is_new(self) -> bool:
        """True if the workflow is further than any earlier invocation is known to have come."""
        return self.has_news or (self.was_cut and not self._is_more_recorded())

    @property
    def is_in_doubt(self) -> bool:
        """Return ``True`` if the code has run before, unless the last invocation was cut."""
        return not (self.has_news or self.was_cut or self._is_more_recorded())

    def hold(self, write: Callable[[], object]) -> None:
        """Write a line once it turns out that the last invocation was cut."""
        self._held.append(write)

    def look_for_cut(self, update: OperationUpdate) -> None:
        """Take note of an update that an earlier invocation would have made, unless it was cut."""
        # A service may refuse a cancellation, and then it is not sent.
        if update.action == OperationAction.CANCEL or update.name in SELF_NUMBERED:
            return
        if update.id.startswith(LIMITS):
            return
        record = self.journal.get(update.id)
        if record is None or record.status != OperationStatus.READY:
            self.found_cut()

    def found_cut(self) -> None:
        """Take note that the code does what a suspended invocation would have recorded: see above."""
        if not (self.has_news or self.was_cut):
            self.was_cut = True
            self.settle(are_new=True)

    def met_attempt(self, attempt: Attempt) -> None:
        """Take note that the code asks for a step whose attempt is under way, or was due already."""
        if attempt.context_state.is_recorded:
            self.found_cut()
        else:
            self._attempts.append(attempt)

    def comes_to_rest(self) -> None:
        """Take note that the code has seen all that an earlier invocation can have seen, and blocks.

        That one would have suspended here, and before that have recorded each timer, each end of a call in a thread
        and each end of an attempt.
        """
        if self.has_news or self.was_cut:
            return
        is_under_way = any(not attempt.is_done for attempt in self._attempts)
        if is_under_way or self._timers or self.stays_for_new_end(self.journal.thread_ends):
            self.found_cut()

    def gate_opens(self, *, starts_bodies: bool) -> None:
        """Take note that the code has come to rest and asked for all that is recorded, and if bodies of steps run now."""
        self.comes_to_rest()
        if not (self.has_news or self.may_wait_for_service()):
            self.found_cut()  # an earlier invocation would have failed here as deadlocked
        self.settle(are_new=False)
        # Such calls still move the code as they have before.
        self._repeats_calls = bool(self.journal.thread_ends)
        if starts_bodies:
            self.body_begins()

    def body_begins(self) -> None:
        """Take note that a body runs. If it wakes code that has come to rest, that goes on as it never has."""
        if not self._repeats_calls:
            self.has_news = True

    def settle(self, *, are_new: bool) -> None:
        """Write the lines that are held, or drop them."""
        held, self._held = self._held, []
        if are_new:
            for write in held:
                write()

    def _is_more_recorded(self) -> bool:
        """Return ``True`` if the code has yet to ask for recorded operations.

        Operations of a task that iterates over a map's items do not count: a completed map does not run it.
        """
        return not all(each.startswith(ITEMS_OF_MAPS) for each in self.journal.unclaimed)

    def delivered(self, operation_id: str) -> None:
        """Note that the workflow is about to see the end of this operation."""
        if operation_id not in self.journal.old_ends:
            self.comes_to_rest()
            self.has_news = True

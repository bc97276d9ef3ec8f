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

Three refinements:

- *Late news.* Operation A may end before operation B, and the service may report A's end only after B's was
  delivered. Replay, which has both ends, would deliver A first. So A gets the rank right after the last
  delivery, and waits until the log holds a note of that rank: a STEP named ``late news``
  (``late_news.Note``). The note costs one operation; a service that reports ends in order causes none. An
  operation that the code dropped meanwhile, because B ended first, gets a note too: replay would deliver its
  end and not drop it (``completion.Dropped``). Two cases stay open: a process that dies after the service has
  reported the end and before the note is in the log; and an end that the service did not report before the
  execution suspended or ended. ``UpdatedOperationIds`` does not help there: AWS counts from the last invocation that
  succeeded, so after a crash the list also names operations whose ends were delivered before the crash.
- *Delivery at once.* If the only task is about to block on a due completion, no callback is ready and no
  cancellation is pending, then the workflow is as good as quiescent. The ``await`` itself delivers the
  completions up to that one, without a turn of the loop, which makes replay of sequential code cheap.
- *Early results.* In optimistic mode a sequential workflow may see the result of a step before the log holds it. That
  is a delivery like any other: it waits until the workflow is quiescent. If the end of the step's body delivered it,
  callbacks that are ready would run after it on the first run, and before it on replay.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sized
from heapq import heappop, heappush
from types import FrameType
from typing import Any, TypeVar

from durable_execution_sdk.errors import OperationCancelledError
from durable_execution_sdk.first_use import StaticGeneric
from durable_execution_sdk.runtime.current import task_on
from durable_execution_sdk.runtime.log import LateNews
from durable_execution_sdk.runtime.log.position import Position
from durable_execution_sdk.runtime.tasks import UNCHECKED_MOVES, WorkflowTasks

__all__ = ["Claim", "Completions"]

_T = TypeVar("_T")

# A method of asyncio's class; to call it by this name is quicker.
_cancelling = asyncio.Task[Any].cancelling


class Claim(StaticGeneric[_T]):
    """An operation or a timer that workflow code has claimed, as its handle and the queue see it."""

    __slots__ = (
        "callbacks_added",
        "completions",
        "is_cancelled",
        "is_done",
        "is_due",
        "is_end",
        "is_given_up",
        "place",
        "sequence",
        "tells_time",
    )

    name: str | None
    operation_id: str
    # The state (``ContextState``) of the context in which it was claimed.
    context_state: Any
    # ``Completion`` sets these, and explains them.
    completions: Completions
    sequence: int
    place: int
    tells_time: bool
    callbacks_added: int
    is_due: bool
    is_end: bool
    is_done: bool
    is_cancelled: bool
    is_given_up: bool

    @property
    def label(self) -> str:
        """The name of the operation, in messages."""
        raise NotImplementedError

    def settle(self) -> None:
        """Take the outcome from the log and wake the awaiting tasks; called in this completion's turn."""
        raise NotImplementedError

    def new_waiter(self) -> asyncio.Future[None]:
        """Make a future for the running task to block on until this is done."""
        raise NotImplementedError

    def left_by(self, waiter: asyncio.Future[None]) -> None:
        """Give the operation up if the task of this waiter was the last to await it."""
        raise NotImplementedError

    def cancel(self, msg: Any | None = None, caller: FrameType | None = None) -> bool:
        """End the operation, and cancel the tasks that await it; ``caller`` is the frame that called the handle."""
        raise NotImplementedError

    def cancelled_error(self) -> OperationCancelledError:
        """The error for a task that awaits this operation after it was given up."""
        raise NotImplementedError


def _never_late(_completion: Claim[Any], _news: LateNews) -> None:
    """Record nothing: this stands in until ``InvocationRun`` sets the function that records the rank."""


def _is_within(completion: Claim[Any], context_id: str) -> bool:
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
        self.due: list[tuple[float, int, Claim[Any]]] = []
        # The end of the last delivery: one that comes now and is earlier is late. The id is that of the last
        # operation whose end was delivered.
        self.last_at = -math.inf
        self.last_id = ""
        # The completions that were delivered with the end ``last_at``, in this order.
        self._tied: list[Claim[Any]] = []
        journal = position.journal
        # True if the log holds notes of late news, so that a completion may have a rank other than its end.
        self.may_be_late = bool(journal.ranks)
        # The ids of operations whose ends an earlier invocation may have seen.
        self._old_ends = journal.old_ends
        # The recorded ends of calls in threads that have yet to end in this invocation: see ``thread_ends``.
        self._thread_ends = journal.thread_ends
        # The sequence numbers of the calls in threads that have begun, by the ids of their ends.
        self.thread_claims: dict[str, int] = {}
        # The ids of late operations whose rank is not recorded yet, and the function that records it.
        self.unranked: set[str] = set()
        self.record_rank: Callable[[Claim[Any], LateNews], None] = _never_late
        # In optimistic mode: the function by which the step that ended last delivers its result early, if it may.
        self.early: Callable[[], bool] | None = None
        self._tasks = tasks

    def deliver_next(self) -> None:
        """Deliver the completion whose turn it is."""
        at, _, completion = heappop(self.due)
        if completion.is_cancelled:
            return  # no code sees it, so it does not move the clock
        if at == self.last_at:
            self._tied.append(completion)
        else:
            self.last_at = at
            self._tied = [completion]
        if completion.tells_time:
            if at > self.now:  # noqa: PLR1730 - a call of max costs more than the rest of this
                self.now = at
            if self.tells_contexts and completion.is_end:
                completion.context_state.last_end = at
        if completion.is_end:
            self.last_id = ended = completion.operation_id
            if not self.position.has_news and ended not in self._old_ends:
                self.position.delivered(ended)
        completion.settle()
        tasks = self._tasks
        # A delivery starts the count anew by which ``spinning`` finds tasks that spin, and lets held tasks go on.
        tasks.checked_from = tasks.progress + UNCHECKED_MOVES
        if tasks.held:
            tasks.resume()
        if tasks.at_move:
            tasks.begins_to_move()

    def take_early(self) -> bool:
        """Let the step that ended last deliver its result early, if it may; return ``True`` if it has."""
        early, self.early = self.early, None
        return early is not None and early()

    def deliver_early(self, completion: Claim[Any]) -> None:
        """Deliver a completion that the log does not hold yet, in the rank right after the last delivery.

        Nothing else is due, and no end can come before this one in the log.
        """
        heappush(self.due, (self.last_at, completion.sequence, completion))
        self.deliver_next()

    @property
    def last_sequence(self) -> int:
        """The sequence number of the last delivery."""
        return self._tied[-1].sequence if self._tied else 0

    @property
    def is_next_unranked(self) -> bool:
        """True if the next completion came late and its rank is not recorded yet."""
        completion = self.due[0][2]
        return (
            completion.is_end
            and completion.operation_id in self.unranked
            and not completion.is_cancelled
        )

    def rank(self, completion: Claim[Any], at: float) -> float:
        """Return the rank of a completion in the order of delivery: ``at``, or a later one if it came late.

        It is late if a completion with a later end was delivered already: replay, which has both ends, would
        deliver them the other way round. A late completion gets the rank right after the last delivery, and
        waits until the log holds a note of that rank.
        """
        if not completion.is_end:
            return at
        late_id = completion.operation_id
        recorded = self.position.journal.ranks.get(late_id)
        if recorded is not None:
            return recorded
        if (at, completion.sequence) >= (self.last_at, self.last_sequence):
            return at
        if completion.context_state.is_rebuilt:
            return at  # a rebuilt context records nothing
        if at == self.last_at and all(
            each.sequence < completion.sequence or _is_within(each, late_id) for each in self._tied
        ):
            # Of the ends in this millisecond that were delivered, each is of an operation in this context or one
            # claimed before it. AWS's local runner gives all updates of a call one time. If replay runs the
            # context's function at all, it delivers the context's end after these too.
            return at
        rank = math.nextafter(self.last_at, math.inf)
        self.unranked.add(late_id)
        self.record_rank(completion, LateNews(late=late_id, after=self.last_id, at=rank))
        return rank

    def time_after(self) -> float:
        """Return an end for an operation whose end the service did not report: the log's time, or after the last delivery."""
        return self.now if self.now > self.last_at else math.nextafter(self.last_at, math.inf)

    def deliver_at_once(self, completion: Claim[Any]) -> None:
        """Deliver the completions up to this one, which is due, without a turn of the loop, if that is safe.

        It is safe if nothing else can move meanwhile: the task that is about to block is the only one and is
        not being cancelled, no callback is ready to run, and none is attached to any of these completions.
        """
        if len(self._tasks.live) == 1 and not (self._ready or self._thread_ends):
            running = task_on(self.loop)
            if running is None or _cancelling(running):
                return
            due = self.due
            while not (completion.is_done or due[0][2].callbacks_added):
                if self.unranked and self.is_next_unranked:
                    break
                self.deliver_next()

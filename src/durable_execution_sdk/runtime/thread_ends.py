"""The ends of calls in threads that workflow code waits for: each has a place in the log.

A call of ``asyncio.to_thread`` in workflow code runs again on every replay. If its end had no place in the log,
it could come before a completion on the first run and after it on replay, and code that waits for both would
take another path, without an error. So a STEP records that the call has ended, as one does for a short timer
of asyncio, and the code sees the end once that is acknowledged. The STEP holds no value: replay takes the value
from the call, which runs again, and holds back the completions that came after its end on the first run. To hold
back completions while a thread runs, without a record, would not do: the thread may wait for an operation. If the
code has left a call whose end is recorded, replay takes the end from the log: the call may hang this time.

A thread completes a future of the loop by ``call_soon_threadsafe``. So the loop sees each such end, whether the
thread is that of ``run_in_executor``, of ``asyncio.wrap_future`` or of a library. Other effects of a thread on the
loop, such as an event that it sets, have no place in the log.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from durable_execution_sdk.errors import DeterminismError
from durable_execution_sdk.protocol.operations import (
    TERMINAL_STATUSES,
    Operation,
    OperationSubType,
    OperationType,
)
from durable_execution_sdk.protocol.updates import OperationAction, OperationUpdate
from durable_execution_sdk.runtime.completions.completion import Completion
from durable_execution_sdk.runtime.current import CURRENT, sdk_context
from durable_execution_sdk.runtime.event_loop.observer import NumberedFuture, ThreadOrigin
from durable_execution_sdk.runtime.log.ids import THREAD_NAME
from durable_execution_sdk.runtime.tasks import WorkflowTask
from durable_execution_sdk.runtime.tasks.identity import Row

if TYPE_CHECKING:
    from durable_execution_sdk.runtime.run import InvocationRun

__all__ = ["ThreadEnds"]

Tell = Callable[[], object]

# Calls that complete a plain future, such as those of anyio, are numbered in one row.
_ROW = Row("anyio", 0)


class ThreadEnd(Completion[None]):
    """The operation that records the end of a call in a thread."""

    __slots__ = ("context_state", "due_at", "is_pending", "name", "operation_id", "run")

    def __init__(self, context_state: Any, operation_id: str, place: int, sequence: int) -> None:
        self.context_state = context_state
        self.run: InvocationRun = context_state.run
        self.name = THREAD_NAME
        self.operation_id = operation_id
        super().__init__(self.run.completions, place)
        # Of two ends in the same millisecond, that of the future that was made first is delivered first. The
        # order in which the ends came would not be the same on replay.
        self.sequence = sequence
        self.is_pending = False
        self.due_at: float | None = None
        self.context_state.unsettled[sequence] = self
        self.run.registered[operation_id] = self
        if self.run.reporter is not None:
            self.run.reporter.claimed(operation_id)
        record = self.run.claim(self)
        if record is not None:
            self.observe(record)
        elif not self.context_state.is_rebuilt:
            self.context_state.submit(
                OperationUpdate(
                    id=operation_id,
                    type=OperationType.STEP,
                    action=OperationAction.SUCCEED,
                    parent_id=self.context_state.parent_id,
                    name=THREAD_NAME,
                    sub_type=OperationSubType.STEP,
                    payload="null",
                )
            )

    @property
    def label(self) -> str:
        """The name of the end in messages."""
        return "the end of a call in a thread"

    def observe(self, record: Operation) -> None:
        """Take in a change of its record in the log."""
        if record.status in TERMINAL_STATUSES and not self.is_done:
            self.become_due(record.end_timestamp or self.run.completions.now)

    def outcome(self) -> None:
        """Return nothing: the thread's own callback has the value."""

    def settle(self) -> None:
        """Let workflow code see the end."""
        self.context_state.operations += 1
        super().settle()
        self.context_state.release(self)

    def drop(self, msg: object | None = None) -> bool:
        """Forget the end, because the context is over."""
        dropped = super().drop(msg)
        if dropped:
            self.context_state.release(self)
        return dropped


class ThreadEnds:
    """The ends of calls in threads of one invocation."""

    def __init__(self, run: InvocationRun) -> None:
        self._run = run
        # The places of plain futures, which have no room for theirs.
        self._origins: dict[asyncio.Future[Any], ThreadOrigin] = {}
        # The ranks of the recorded ends, with their ids, the earliest one last.
        ranks = run.journal.ranks
        self._recorded = sorted(
            (
                (ranks.get(end_id, record.end_timestamp or 0), end_id)
                for end_id, record in run.journal.thread_ends.items()
            ),
            reverse=True,
        )

    def call_started(self, future: asyncio.Future[Any]) -> ThreadOrigin | None:
        """Take note of the call in a thread that will complete a plain future; return its origin in workflow code."""
        runner = CURRENT.get()
        if not isinstance(runner, WorkflowTask) or self._run.is_ending:
            return None
        origin = (runner.scope, *runner.scope.next_thread_end(_ROW))
        self._origins[future] = origin
        self._run.outside.thread_started(future, origin)
        future.add_done_callback(self.future_done, context=sdk_context())
        return origin

    def is_recorded(self, origin: ThreadOrigin | None) -> bool:
        """Return ``True`` if the log holds the end of a call that begins, or that of the context around it."""
        if origin is None:
            return False
        scope: Any = origin[0]
        return scope.context_state.is_rebuilt or origin[1] in self._run.journal.thread_ends

    def take_end(self, future: asyncio.Future[Any], tell: Tell) -> None:
        """Record the end of the call that completes this future; ``tell`` completes it.

        Clean-up code sees the end at once, without a record. So does code that no longer waits for the call,
        unless the log holds its end already.
        """
        run = self._run
        earlier: ThreadEnd | None = getattr(future, "end", None)
        if earlier is not None:
            # Two threads complete one future: the first one does it, and the other one finds it done.
            _after(earlier, tell)
            return
        origin = self._origin_of(future)
        is_recorded = origin is not None and origin[1] in run.journal.thread_ends
        end = None if origin is None or run.is_ending else self._end_of(future, origin)
        if end is None:
            tell()
            return
        run.outside.thread_arrived(future, None if is_recorded else origin)
        _after(end, tell)

    def future_done(self, future: asyncio.Future[Any]) -> None:
        """Deliver an end that the log holds, though code has left its call: that may never begin, so nothing waits for it."""
        origin = self._origin_of(future)
        recorded = self._run.journal.thread_ends
        if origin is not None and origin[1] in recorded and not self._run.is_ending:
            self._end_of(future, origin)

    def _end_of(self, future: asyncio.Future[Any], origin: ThreadOrigin) -> ThreadEnd | None:
        """Make the record of an end, or take it from the log; ``None`` if the end needs none."""
        scope: Any
        scope, operation_id, place, sequence = origin
        is_recorded = self._run.journal.thread_ends.pop(operation_id, None) is not None
        if scope.context_state.is_over or (future.done() and not is_recorded):
            return None
        end = ThreadEnd(scope.context_state, operation_id, place, sequence)
        if isinstance(future, NumberedFuture):
            future.end = end
        return end

    def come_before(self, at: float, sequence: int) -> bool:
        """Return ``True`` if a call that had ended before this completion on the first run has yet to end."""
        run, recorded = self._run, self._recorded
        ends, gate, begun = run.journal.thread_ends, run.gate, run.completions.thread_claims
        while recorded and recorded[-1][1] not in ends:
            recorded.pop()
        for rank, end_id in reversed(recorded):
            if rank > at:
                break
            record = ends.get(end_id)
            if (
                record is not None
                and (rank, begun.get(end_id, math.inf)) < (at, sequence)
                and (gate is None or gate.runs(record.parent_id))
            ):
                return True
        return False

    def fails_to_wait(self) -> bool:
        """Fail the execution, and return ``True``, if no thread is left whose call could end as the log says."""
        if self._run.outside.leads_to_an_end(self._run.tasks.progress):
            return False
        # A thread may have scheduled a callback after the loop was found idle, and have ended since.
        if not self._run.environment.loop.ready:
            self._run.fail(self.missing())
        return True

    def missing(self) -> DeterminismError:
        """Return the error for calls that ended before this point on the first run, and do not end now."""
        count = len(self._run.journal.thread_ends)
        from durable_execution_sdk.runtime.log.divergence import (  # noqa: PLC0415 - only for errors
            Change,
            divergence,
            seen_last,
        )

        return divergence(
            "where the code came to rest",
            f"the log holds that {count} call{'s' if count > 1 else ''} in threads, such as asyncio.to_thread in"
            f" workflow code, had ended here, and {'they have' if count > 1 else 'it has'} not ended this time",
            Change.CONTENT,
            before=seen_last(self._run.journal),
            unrecorded="Or the call hangs. Do a thread's work in a step, which replay does not repeat",
        )

    def _origin_of(self, future: asyncio.Future[Any]) -> ThreadOrigin | None:
        """Return the origin of a future; ``None`` if no code of this workflow made it."""
        if isinstance(future, NumberedFuture):
            return future.origin if future.owner is self._run.tasks else None
        return self._origins.pop(future, None)


def _after(end: ThreadEnd, tell: Tell) -> None:
    """Call ``tell`` once the end is delivered, and never if it is dropped."""
    if end.is_done:
        if not end.is_cancelled:
            tell()
        return
    end.handle.add_done_callback(
        lambda _: None if end.is_cancelled else tell(), context=sdk_context()
    )

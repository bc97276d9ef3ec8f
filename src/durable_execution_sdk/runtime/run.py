"""The state of one invocation that its operations, its scheduler and its end share.

``scheduler`` decides by it how the invocation goes on. Operations claim records, submit updates and set the verdict.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from durable_execution_sdk.protocol.limits import MAX_BATCH_UPDATES
from durable_execution_sdk.protocol.operations import Operation, OperationType
from durable_execution_sdk.protocol.updates import OperationUpdate
from durable_execution_sdk.runtime.bodies import Bodies, BodyWatcher
from durable_execution_sdk.runtime.completions import Claim, Completions
from durable_execution_sdk.runtime.completions.completion import Completion, Timer
from durable_execution_sdk.runtime.current import sdk_context
from durable_execution_sdk.runtime.event_loop.environment import Environment
from durable_execution_sdk.runtime.event_loop.observer import ObservedRun
from durable_execution_sdk.runtime.external_wakeups import Outside
from durable_execution_sdk.runtime.log import Journal, LateNews
from durable_execution_sdk.runtime.log.checkpointer import Checkpointer
from durable_execution_sdk.runtime.log.gate import Gate
from durable_execution_sdk.runtime.log.position import Position
from durable_execution_sdk.runtime.log.unsettled import Polling, Unsettled
from durable_execution_sdk.runtime.settings import Invoked, Settings
from durable_execution_sdk.runtime.tasks import WorkflowTasks
from durable_execution_sdk.runtime.verdicts import Abort, Suspend, Verdict

if TYPE_CHECKING:
    from durable_execution_sdk.ports import DataPlane
    from durable_execution_sdk.runtime.extension_points import Reporter

__all__ = ["InvocationRun", "MakeRun", "Reader", "Seam"]

# Number of operations asked for after the end that are cancelled at once; later ones stay blocked.
_TURNED_DOWN_AT_MOST = 1_000

Reader = Callable[[str], object]  # decodes a payload to the value that user code sees


class Seam:
    """The place at which rehearsals and tests change an invocation; in Lambda the defaults below hold.

    A rehearsal (``replay.rehearsal``) and the runs of ``testing.local`` are subclasses of ``InvocationRun``,
    which a handler gets by ``DurableHandler.made_by``. Besides the members of this class they may override
    ``claim``, ``submit``, ``leave_behind``, ``expect``, ``end``, ``unwind``, ``open_gate``, ``fail`` and
    ``is_waiting_for_service``; ``tests/architecture/test_seam.py`` holds them to that.
    """

    # True for a rehearsal, which starts nothing and writes nothing: what has no end in the log stays so.
    is_rehearsal: ClassVar[bool] = False
    # The most updates that one checkpoint call carries.
    most_updates: int = MAX_BATCH_UPDATES

    def seconds_of_function(self, seconds: float) -> float:
        """Return the seconds until the function's own time is nearly up; a test may end an invocation before, as here."""
        return seconds

    def make_bodies(self, loop: asyncio.AbstractEventLoop) -> Bodies:
        """Make the object that starts the bodies of steps."""
        return Bodies(loop)

    def built_again(self, record: Operation, payload: str, read: Reader) -> str:
        """Return the payload of a context whose function ran again because the log does not hold its result."""
        return payload

    def invoked_again(
        self, record: Operation, function_name: str, write: Callable[[], str], read: Reader
    ) -> None:
        """Check an invoke in a rehearsal, given the function's name and payload, which the log does not hold."""


_Defaults = dict[Any, Any]


class InvocationRun(Seam, ObservedRun):
    """The state of one invocation: its tasks, operations and bodies, the log, and the verdict."""

    def __init__(
        self,
        environment: Environment,
        plane: DataPlane,
        invoked: Invoked,
        journal: Journal,
        settings: Settings,
    ) -> None:
        self.is_eager = settings.checkpoints("EAGER")
        self.is_optimistic = settings.checkpoints("OPTIMISTIC")
        # Set if plugins observe the invocation: the reporter, and the watcher that runs the user's functions.
        self.reporter: Reporter | None = None
        self.watcher: BodyWatcher | None = None
        self.environment = environment
        self.plane = plane
        self.invoked = invoked
        self.journal = journal
        self.settings = settings
        self.loop = environment.loop
        self.thread = threading.get_ident()
        self.tasks = WorkflowTasks(self.loop)
        self._records = journal.records
        self._unclaimed = journal.unclaimed
        self.thread_ends = journal.thread_ends
        self.timers: dict[Timer, None] = {}
        self.position = Position(journal, self.timers)
        self.completions = Completions(self.tasks, self.loop, self.position, environment.loop.ready)
        self.completions.record_rank = self._record_rank
        self.completions.tells_contexts = self.is_optimistic
        if journal.execution is not None and journal.execution.start_timestamp is not None:
            self.completions.now = journal.execution.start_timestamp
        self.checkpointer = Checkpointer(
            plane,
            invoked.arn,
            invoked.token,
            loop=self.loop,
            receive=self._receive,
            fail=self._refused,
            eager=self.is_eager,
            unseen=self.completions.due,
            most_updates=self.most_updates,
            ready=environment.loop.ready,
        )
        self.outside = Outside(self.tasks, self.loop, foreign_wait=settings.foreign_wait)
        self.tasks.cancels = self.outside.cancels
        self.bodies = self.make_bodies(self.loop)
        self.unsettled = Unsettled(journal)
        # The operations and timers that have not settled, and those that the log holds as given up, by id.
        self.registered = self.unsettled.registered
        self.given_up = self.unsettled.given_up
        self.polling = Polling(
            self.loop, now=plane.now, pending=self.due_times, ask=self.checkpointer.push
        )
        # The defaults that functions give to their steps and to their contexts; valid for one invocation.
        self.said_by_functions, self.said_by_contexts = _Defaults(), _Defaults()
        self.event_serdes: Any = None  # that of the handler, for ``operations.continue_as_new``
        self.patches: Any = None  # ``operations.patched.Patches``, once code has asked for one
        self.statuses: Any = None  # ``operations.status.Statuses``, once code has set one
        self.counts_contexts, self.leaves_out_contexts = settings.limits is not None, False
        journal.warns_at = settings.warning_marks()
        self.bytes_in_contexts: Callable[[], int] = lambda: 0
        self.inboxes: Any = None  # ``operations.inboxes``, once code has opened one
        self.verdict: Verdict | None = None
        self.refusal: Abort | None = None
        # Restless: callbacks keep the loop busy that move no workflow task.
        self.is_ending = self.is_restless = False
        self.ended: asyncio.Future[None] = self.loop.create_future()
        self.on_stop: Callable[[], None] | None = None
        self.began_at = self.completions.now
        # Seconds between the time at which the invocation leaves and the end of the function's time.
        self.margin = 0.0
        self._turned_down = 0
        self.gate: Gate | None = None  # until replay has asked for all recorded operations
        if len(journal) and not self.is_rehearsal:
            self.gate = self.bodies.gate = Gate(journal, self.loop)
            self.checkpointer.is_held = True

    # Called by operations.

    def claim(self, claimant: Completion[Any]) -> Operation | None:
        """Return the record of an operation that workflow code has just asked for; ``None`` if it is new."""
        operation_id = claimant.operation_id
        record = self._records.get(operation_id)
        if record is not None:
            self._unclaimed.discard(operation_id)
        elif self.gate is not None:
            self.gate.asked(claimant)
        return record

    def submit(self, update: OperationUpdate) -> None:
        """Record an update with the next checkpoint call."""
        if not self.is_ending:
            if self.gate is not None:
                self.position.look_for_cut(update)
            if self.reporter is not None:
                update = self.reporter.submitted(update)
            self.checkpointer.submit(update)

    def leave_behind(self, update: OperationUpdate) -> None:
        """Record an update that causes no call of its own: it goes with the next one."""
        if not self.is_ending:
            if self.gate is not None:
                self.position.look_for_cut(update)
            if self.reporter is not None:
                update = self.reporter.submitted(update)
            self.checkpointer.leave_behind(update)

    def expect(self, due_at: float | None) -> None:
        """Ask the service for changes at this time (milliseconds), or every ten seconds if it is ``None``."""
        if not self.is_ending:
            self.polling.expect(due_at)

    def turn_down(self, operation: Completion[Any]) -> None:
        """Cancel an operation that was asked for after the end, which unwinds the tasks that await it.

        Code that catches the cancellation and asks again and again would never become quiescent. From the
        1,001st time on the operation stays pending, so that the code blocks and can be stopped.
        """
        self._turned_down += 1
        if self._turned_down <= _TURNED_DOWN_AT_MOST:
            operation.refuse()

    def end(self, verdict: Verdict) -> None:
        """Set the verdict, unless there is one or the invocation is ending already."""
        if self.verdict is None and not self.is_ending:
            self.verdict = verdict
            self.is_ending = self.tasks.is_cut = True
            self.tell_end()

    def tell_end(self, _main: asyncio.Future[Any] | None = None) -> None:
        """Wake ``run_invocation``: there is a verdict, or the workflow's main task has ended."""
        if not self.ended.done():
            self.ended.set_result(None)

    def stop(self, verdict: Verdict) -> None:
        """End the invocation while its workflow could still go on, and cancel all tasks at once.

        Otherwise the cancellation of one task could let another one go on, by a lock that it frees for
        instance, and nothing in the log would say so.
        """
        if not self.is_ending:
            self.end(verdict)
            # The caller may be the body of a step, whose context is refused the cancellation of tasks.
            if self.on_stop is not None:
                sdk_context().run(self.on_stop)

    def fail(self, error: BaseException) -> None:
        """Fail the execution, or the invocation (``OnDivergence``); workflow code cannot catch it."""
        self.end(Abort(error, fatal=self.settings.fails_for(error)))

    @property
    def is_sequential(self) -> bool:
        """True if there is one task with one unsettled operation, and no timer or thread whose end could overtake that."""
        alone = len(self.tasks.live) == len(self.registered) == 1
        others = self.timers or self.completions.due or self.completions.thread_claims
        return alone and len(self.bodies.running) <= 1 and not others

    def open_gate(self) -> None:
        """Open the gate: bodies may start and updates may be sent."""
        gate, self.gate, self.bodies.gate = self.gate, None, None
        if gate is not None:
            self.position.gate_opens(starts_bodies=gate.holds_bodies)
            stored = self.bytes_in_contexts()
            self.journal.held_at_start(stored, self.settings, self.completions.claims)
            gate.open()
            self.checkpointer.let_go()

    def returned_too_early(self, context_id: str | None) -> bool:
        """Fail the execution and return ``True`` if a context's function ended before it asked for its operations."""
        if divergence := self.gate and self.gate.divergence(context_id):
            self.fail(divergence)
        return divergence is not None

    def is_waiting_for_service(self) -> bool:
        """Return ``True`` if an operation is pending that code awaits."""
        # Code that polls waits for an operation too, and it is not known for which one.
        return self.unsettled.is_waiting(for_any=self.is_restless or bool(self.tasks.held))

    def due_times(self) -> list[float | None]:
        """Return the due time of each pending operation, ``None`` if it is not known; empty after the end."""
        return [] if self.is_ending else self.unsettled.due_times()

    def unwind(self) -> None:
        """Stop the timers of this invocation; its tasks are about to be cancelled."""
        self.outside.leave()
        self.polling.stop()

    # Called by the checkpointer.

    def _receive(self, batch: Sequence[OperationUpdate], operations: Sequence[Operation]) -> None:
        told = self.unsettled.learn(operations)
        if not self.checkpointer.may_write:
            self.stop(Suspend())
            return
        # An update is recorded once it is acknowledged, whether or not the answer contains its operation.
        for update in batch:
            if update.id not in told and update.type != OperationType.EXECUTION:
                at = self.completions.time_after()
                self.unsettled.learn([self.journal.acknowledged(update, at)])
        self.journal.wrote(batch, self.settings, self.completions.claims)

    def _record_rank(self, completion: Claim[Any], news: LateNews) -> None:
        """Record the rank of an end that came late, in a STEP of the SDK's own; then it may be delivered."""
        if self.verdict is not None or not self.checkpointer.may_write:
            return  # but after the handler's return, its last updates may still bring such an end
        from durable_execution_sdk.runtime.log.late_news import Note  # noqa: PLC0415 - rarely needed

        note = Note(news, self.journal, self.completions.unranked)
        self.registered[note.operation_id] = note
        self.checkpointer.submit(note.update(completion.context_state))

    def _refused(self, error: Exception, batch: Sequence[OperationUpdate]) -> None:
        from durable_execution_sdk.runtime.log.refusals import refusal_of  # noqa: PLC0415 - rarely needed

        self.refusal = refusal_of(batch, error, self.journal, self.settings)
        self.stop(self.refusal)


MakeRun = Callable[[Environment, "DataPlane", Invoked, Journal, Settings], InvocationRun]

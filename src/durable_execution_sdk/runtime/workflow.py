"""One invocation's workflow: who runs, what each task waits for, and when it is over.

Whenever the loop comes to rest there is one thing to do, in this order: deliver the completion whose
turn it is; let running bodies and calls go on; send what is queued; let non-durable awaits finish;
suspend, if something durable is pending; and otherwise say who waits for what that can never come.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from contextvars import Context
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from msgspec import Struct

from durable_execution_sdk.errors import (
    ConfigError,
    DeterminismError,
    ExecutionError,
    InvocationError,
    ServiceError,
)
from durable_execution_sdk.model.operation import Operation, OperationType
from durable_execution_sdk.model.update import OperationUpdate
from durable_execution_sdk.runtime.checkpointer import Checkpointer
from durable_execution_sdk.runtime.current import sdk_context
from durable_execution_sdk.runtime.delivery import Deliveries, Handle
from durable_execution_sdk.runtime.gate import Gate
from durable_execution_sdk.runtime.journal import Journal, LateNews, Note, Position
from durable_execution_sdk.runtime.loop import Environment
from durable_execution_sdk.runtime.outside import Outside
from durable_execution_sdk.runtime.polling import Polling
from durable_execution_sdk.runtime.settings import CheckpointingMode, Reporter, Settings
from durable_execution_sdk.runtime.suspension import Aborted, Verdict, WentAway
from durable_execution_sdk.runtime.tasks import (
    NumberedFuture,
    WorkflowTask,
    WorkflowTasks,
    out_of_reach,
    place_of_future,
)
from durable_execution_sdk.service import DataPlane

if TYPE_CHECKING:
    from durable_execution_sdk.runtime.spinning import Spinning

__all__ = ["Invoked", "MakeWorkflow", "Reader", "Workflow"]

# How often workflow code may swallow its cancellation before it is closed.
_UNWINDING_ROUNDS = 20
# How long all clean-up together may take.
GRACE_SECONDS = 5.0
# How many operations that come too late are cancelled at once.
_TURNED_DOWN_AT_MOST = 1_000


class Registered(Protocol):
    """An operation that has not settled."""

    is_pending: bool
    due_at: float | None

    @property
    def label(self) -> str:
        """What messages call it."""
        ...

    @property
    def is_awaited(self) -> bool:
        """Whether anybody would notice that it completes."""
        ...

    def observe(self, record: Operation) -> None:
        """The log has news of it."""
        ...


class Attempting(Protocol):
    """An operation whose body runs."""

    operation_id: str
    name: str | None
    at_most_once: bool

    @property
    def attempt_number(self) -> int:
        """Which attempt it is, from 1."""
        ...

    @property
    def label(self) -> str:
        """What messages call it."""
        ...


class Claimant(Protocol):
    """An operation, or a timer, that has just been asked for."""

    operation_id: str

    @property
    def label(self) -> str:
        """What messages call it."""
        ...


class Timer(Protocol):
    """A timer of workflow code that has not rung.

    It is ticking if it will ring in the process, and loose if the service does not keep it yet.
    """

    is_ticking: bool
    is_loose: bool

    def hand_over(self) -> None:
        """Let the service keep it."""
        ...


# Scope, when, delay, callback, arguments, context.
StartTimer = Callable[
    [Any, float, float, Callable[..., object], tuple[Any, ...], Context | None],
    asyncio.TimerHandle | None,
]


# Reads a payload as the value that user code sees.
Reader = Callable[[str], object]


class Invoked(Struct, frozen=True):
    """What an invocation was made with."""

    arn: str
    token: str
    request_id: str
    lambda_context: Any
    ends_at: float | None


class Workflow:
    """The state that the operations of one invocation share."""

    # Whether the log is all there is: what has not ended in it stays as it is.
    is_rehearsal: ClassVar[bool] = False

    def __init__(
        self,
        environment: Environment,
        plane: DataPlane,
        invoked: Invoked,
        journal: Journal,
        settings: Settings,
        start_timer: StartTimer,
    ) -> None:
        self.is_eager = settings.checkpointing is CheckpointingMode.EAGER
        self.is_optimistic = settings.checkpointing is CheckpointingMode.OPTIMISTIC
        # Whom to report to, and who runs functions of the user's, if anybody observes.
        self.reporter: Reporter | None = None
        self.watcher: Any = None
        self.environment = environment
        self.plane = plane
        self.invoked = invoked
        self.journal = journal
        self.settings = settings
        self.loop: asyncio.AbstractEventLoop = environment.loop
        self.thread = threading.get_ident()
        self.tasks = WorkflowTasks(self.loop)
        self._look_up = journal.look_up
        self._unclaimed = journal.unclaimed
        self.position = Position(journal)
        self.order = Deliveries(self.tasks, self.loop, self.position, environment.loop.ready)
        self.order.record_place = self._record_place
        self.order.tells_contexts = self.is_optimistic
        if journal.execution is not None and journal.execution.start_timestamp is not None:
            self.order.now = journal.execution.start_timestamp
        self.checkpointer = Checkpointer(
            plane,
            invoked.arn,
            invoked.token,
            loop=self.loop,
            receive=self._receive,
            fail=self._refused,
            eager=self.is_eager,
            unseen=self.order.due,
        )
        self.tasks.hold = self._hold
        self.outside = Outside(self.tasks, self.loop, foreign_wait=settings.foreign_wait)
        self.outside.thread_ended = self._thread_ended
        self.tasks.cancels = self.outside.cancels
        self.polling = Polling(
            self.loop, now=plane.now, pending=self._pending, ask=self.checkpointer.push
        )
        self.verdict: Verdict | None = None
        self.refusal: Aborted | None = None
        self.is_ending = False
        self.ended: asyncio.Future[None] = self.loop.create_future()
        self.on_stop: Callable[[], None] = _nothing
        self.timers: dict[Timer, None] = {}
        # What steps have asked their functions, which say the same for as long as this invocation.
        self.said_by_functions: dict[Any, Any] = {}
        self._start_timer = start_timer
        # Until replay has asked for all that is recorded.
        self.gate: Gate | None = None
        if len(journal) and not self.is_rehearsal:
            self.gate = Gate(journal, self.loop)
            self.checkpointer.is_held = True
        self.began_at = self.order.now
        # Whom to tell what the log says of an operation, by id, until it settles.
        self.registered: dict[str, Registered] = {}
        # Those whose recorded end is that they were given up, by id, until the code does so again.
        self.given_up: dict[str, Registered] = {}
        self._bodies: dict[asyncio.Task[None] | None, Attempting] = {}
        # Bodies that were given up and have yet to end; they do not keep the invocation open.
        self._left_bodies: dict[asyncio.Task[None] | None, Attempting] = {}
        self._deadline: asyncio.TimerHandle | None = None
        self._started_at = time.monotonic()
        self._is_restless = False
        self._margin = 0.0
        self._rounds = 0
        self._unwound_by: float | None = None
        self._turned_down = 0

    # What operations do.

    def claim(self, claimant: Claimant) -> Operation | None:
        """What the log holds of the operation that workflow code has just asked for."""
        operation_id = claimant.operation_id
        record = self._look_up(operation_id)
        if record is not None:
            self._unclaimed.discard(operation_id)
        elif self.gate is not None:
            self.gate.asked(claimant)
        return record

    def submit(self, update: OperationUpdate) -> None:
        """Record an update that somebody waits for."""
        if not self.is_ending:
            if self.reporter is not None:
                update = self.reporter.submitted(update)
            self.checkpointer.submit(update)

    def leave_behind(self, update: OperationUpdate) -> None:
        """Record an update with the next one that somebody waits for."""
        if not self.is_ending:
            if self.reporter is not None:
                update = self.reporter.submitted(update)
            self.checkpointer.leave_behind(update)

    def start_body(
        self, operation: Attempting, body: Coroutine[Any, Any, None]
    ) -> asyncio.Task[None]:
        """Run the body of a step: plain code, which keeps the invocation open until it ends."""
        # A name of its own spares asyncio making one up.
        held = None if self.gate is None else self.gate.passed_by(body)
        name = operation.name or operation.operation_id
        task = asyncio.Task(held or body, loop=self.loop, name=name)
        if held is not None:
            # One that is cancelled before it moves has not come to its body.
            task.add_done_callback(lambda _: body.close(), context=sdk_context())
        out_of_reach(task)
        self._bodies[task] = operation
        return task

    def bodies_left(self) -> list[asyncio.Task[Any]]:
        """The bodies that have not ended, given up or not."""
        bodies = (*self._bodies, *self._left_bodies)
        return [task for task in bodies if task is not None and not task.done()]

    def body_ended(self, task: asyncio.Task[None] | None) -> None:
        """A body says that it runs no more; one that was cancelled before it ran says nothing."""
        self._bodies.pop(task, None)
        self._left_bodies.pop(task, None)

    def leave_body(self, task: asyncio.Task[None]) -> None:
        """Let a cancelled body clean up, without holding up the invocation."""
        body = None if self.is_ending else self._bodies.pop(task, None)
        if body is not None and not task.done():
            self._left_bodies[task] = body

    def title_of(self, task: asyncio.Task[Any]) -> str:
        """Return what messages call a task: a step by its name, others by their coroutine's."""
        body = self._bodies.get(task) or self._left_bodies.get(task)
        if body is not None:
            return body.label
        coroutine: object = task.get_coro()
        if isinstance(coroutine, WorkflowTask):
            watched: WorkflowTask[Any] = coroutine
            scope: Any = watched.scope
            return str(scope.frame.title) if watched.is_of_the_sdk else watched.name
        for name in ("__qualname__", "__name__"):
            if hasattr(coroutine, name):
                return str(getattr(coroutine, name))
        return task.get_name()

    def built_again(self, record: Operation, payload: str, read: Reader) -> str:
        """The payload of a context whose function ran again, since the log does not hold its result."""
        return payload

    def invoked_again(
        self, record: Operation, function_name: str, write: Callable[[], str], read: Reader
    ) -> None:
        """Look at an invoke of a rehearsal; the log does not hold which function it was."""

    def turn_down(self, handle: asyncio.Future[Any]) -> None:
        """Unwind whoever awaits an operation that may do nothing any more.

        Code that swallows that and asks again and again is left blocked instead, so that it can be
        stopped: it would never come to rest.
        """
        self._turned_down += 1
        if self._turned_down <= _TURNED_DOWN_AT_MOST:
            asyncio.Future[Any].cancel(handle)

    def expect(self, due_at: float | None) -> None:
        """The service will change something at this time, if it says when: ask then, if still here."""
        if not self.is_ending:
            self.polling.expect(due_at)

    def end(self, verdict: Verdict) -> None:
        """The invocation is over; the first verdict stands."""
        if self.verdict is None and not self.is_ending:
            self.verdict = verdict
            self.is_ending = self.tasks.is_cut = True
            self.tell_end()

    def tell_end(self, _main: asyncio.Future[Any] | None = None) -> None:
        """There is a verdict, or the workflow's main task has ended."""
        if not self.ended.done():
            self.ended.set_result(None)

    def stop(self, verdict: Verdict) -> None:
        """The invocation is over though its workflow might go on: all of it is cancelled at once.

        No task may see what the cancellation of another one leaves behind, a free lock for instance:
        nothing in the log says that it would.
        """
        if not self.is_ending:
            self.end(verdict)
            # A body may stop the invocation, and is refused what it does to the workflow by itself.
            sdk_context().run(self.on_stop)

    def fail(self, error: BaseException) -> None:
        """Fail the execution, whatever workflow code makes of it."""
        self.end(Aborted(error, fatal=True))

    @property
    def is_sequential(self) -> bool:
        """Whether one operation of one task is all there is, so that nothing can overtake it."""
        alone = len(self.tasks.live) == len(self.registered) == 1
        return alone and len(self._bodies) <= 1 and not (self.timers or self.order.due)

    def leave_after(self, seconds: float, margin: float) -> None:
        """The invocation may take so long, and has so many seconds more to leave."""
        self._margin = margin
        self._deadline = self.loop.call_later(
            max(seconds, 0), self._on_deadline, margin, context=sdk_context()
        )

    def time_to_leave(self, seconds: float) -> float:
        """Return when what takes so many seconds at most has to be over, on the monotonic clock.

        That is before the margin; within the margin, it is half of the time that is left.
        """
        now = time.monotonic()
        ends_at = self.invoked.ends_at
        if ends_at is None:
            return now + seconds
        return min(now + seconds, max(ends_at - self._margin, now + (ends_at - now) / 2))

    def clean_up_end(self) -> float:
        """Return until when the tasks that a context has left may clean up, on the monotonic clock.

        That is no more than half of the time that is left, so that the workflow gets on in any case.
        """
        now, ends_at = time.monotonic(), self.invoked.ends_at
        if ends_at is None:
            return now + GRACE_SECONDS
        return now + min(GRACE_SECONDS, max(0.0, ends_at - now) / 2)

    def _on_deadline(self, margin: float) -> None:
        """The invocation's time is nearly up: let the service keep what would ring in the process."""
        timers = [] if self._has_bodies() else list(self.timers)
        for timer in timers:
            timer.hand_over()
        if timers:
            self._deadline = self.loop.call_later(margin / 2, self._leave, context=sdk_context())
        else:
            self._leave()

    def _leave(self) -> None:
        """Leave in good order, for time is up.

        PENDING would be wrong while anything can go on without the service: it would not invoke again
        before something else is due, which may be next year.
        """
        is_at_rest = not self._has_bodies() and self._is_at_rest()
        if is_at_rest and self._is_waiting_for_service():
            self.end(WentAway())
        elif is_at_rest and self._has_waited_in_vain():
            self._fail_as_deadlocked()
        else:
            labels = {each.label for task, each in self._bodies.items() if _is_under_way(task)}
            what = ", ".join(sorted(labels)) or "the workflow's own code"
            if not labels and self.checkpointer.is_writing:
                what = "a checkpoint, which the service has not answered yet,"
            self.stop(
                Aborted(
                    InvocationError(
                        f"the function's time is nearly up and {what} still runs: this invocation"
                        " ends so that Lambda invokes again; raise the function's timeout if one"
                        " attempt needs longer"
                    ),
                    fatal=False,
                )
            )

    def _has_waited_in_vain(self) -> bool:
        """True if another invocation could wait hardly longer for what comes from outside."""
        return self.outside.waited(self._moved) > (time.monotonic() - self._started_at) / 2

    # What the service says.

    def _receive(self, batch: Sequence[OperationUpdate], operations: Sequence[Operation]) -> None:
        told = self._learn(operations)
        if not self.checkpointer.may_write:
            self.stop(WentAway())
            return
        # What was acknowledged is recorded, whether or not the answer repeats it.
        for update in batch:
            if update.id not in told and update.type is not OperationType.EXECUTION:
                self._learn([self.journal.acknowledged(update, self.order.time_after())])

    def _learn(self, operations: Sequence[Operation]) -> set[str]:
        """Take in what the log holds, and tell the operations concerned; returns which these are."""
        told: set[str] = set()
        reporter = self.reporter
        for operation in operations:
            told.add(operation.id)
            if reporter is not None:
                reporter.learned(operation)
            if self.journal.merge(operation):
                registered = self.registered.get(operation.id)
                if registered is not None:
                    registered.observe(operation)
        return told

    def _record_place(self, handle: Handle[Any], news: LateNews) -> None:
        """Record that an end came late, in a STEP that nobody asked for; then it may be delivered."""
        if self.is_ending:
            return
        note = Note(news, self.journal, self.order.unplaced)
        self.registered[note.operation_id] = note
        self.checkpointer.submit(note.update(handle.frame.parent_id))

    def _refused(self, error: Exception, batch: Sequence[OperationUpdate]) -> None:
        if isinstance(error, ServiceError) and not (
            error.is_stale_token or error.is_transient or error.is_about_credentials
        ):
            what = ", ".join(sorted({_title(update) for update in batch})) or "a state request"
            error = ExecutionError(f"the service refused the checkpoint of {what}: {error}")
        self.refusal = Aborted(error, fatal=isinstance(error, (ExecutionError, ConfigError)))
        self.stop(self.refusal)

    def _has_bodies(self) -> bool:
        """Whether the body of a step runs, or is about to."""
        while self._bodies:
            task = next(iter(self._bodies))
            if _is_under_way(task):
                return True  # One is enough to know: there may be thousands.
            del self._bodies[task]
        return False

    def _pending(self) -> list[float | None]:
        if self.is_ending:
            return []
        return [op.due_at for op in self.registered.values() if op.is_pending]

    # What the loop says.

    @property
    def progress(self) -> int:
        """How often a workflow task has moved."""
        return self.tasks.progress

    def on_idle(self, *, at_rest: bool) -> bool:
        """The loop has nothing to run; returns whether there is something now."""
        if self.is_ending:
            return at_rest and self._unwind()
        due = self.order.due
        if (
            due
            and not (self.order.unplaced and self.order.is_held)
            and not (
                self.journal.recorded_ends
                and self.outside.is_watching
                and self._is_out_of_turn(due[0][0])
            )
        ):
            self.order.deliver_next()
            self.checkpointer.delivered()
            return True
        if self.gate is not None:
            return at_rest and self._pass_gate(self.gate)
        if self.checkpointer.release():
            return True
        if not at_rest or self.checkpointer.is_writing or not self.tasks.live:
            return False
        if self._has_bodies():
            return False
        if not self.checkpointer.is_idle:
            self.checkpointer.push()
            return True
        if self.outside.may_wake() or self._is_ticking():
            return False
        loose = [timer for timer in self.timers if timer.is_loose]
        is_pending = bool(loose) or self._is_waiting_for_service()
        if self.tasks.held and not (is_pending or self.spinning.is_endless):
            self.spinning.let_on()
            return True
        if self._is_waited_for(is_pending=is_pending):
            return False
        for timer in loose:
            timer.hand_over()
        if not loose:
            self._conclude()
        return True

    def on_restless(self) -> None:
        """Callbacks come again at each turn of the loop, and none has moved a workflow task."""
        if not self.is_ending:
            self._is_restless = True
            self.on_idle(at_rest=True)
            self._is_restless = False

    @cached_property
    def spinning(self) -> Spinning:
        """The part that holds back tasks that spin; made when there may be one."""
        from durable_execution_sdk.runtime.spinning import Spinning  # noqa: PLC0415 - rarely needed

        return Spinning(self.tasks, self.loop, lambda: self.is_ending)

    def _hold(
        self, watched: WorkflowTask[Any], error: BaseException | None = None
    ) -> asyncio.Future[None] | None:
        """Ask for the first time whether a task spins."""
        return self.spinning.hold(watched, error)

    def _thread_ended(self) -> None:
        """A thread has done what workflow code gave it: code that polls for that may look."""
        if self.tasks.held and not self.is_ending:
            self.spinning.let_on()

    def new_task(
        self, coroutine: Any, name: str | None, context: Context | None
    ) -> asyncio.Task[Any] | None:
        """Make a task of workflow code, if that is what asks."""
        return self.tasks.make(coroutine, name=name, context=context)

    def new_future(self) -> asyncio.Future[Any] | None:
        """Make a future of workflow code, if that is what asks."""
        place = place_of_future(3)
        return None if place is None else NumberedFuture(place, self.loop, self.tasks)

    def _pass_gate(self, gate: Gate) -> bool:
        """Open the gate or fail the execution, unless something outside may still wake a task."""
        if self.outside.may_wake():
            return False
        divergence = self._awaits_what_it_gave_up() or gate.divergence()
        if divergence is None:
            self.open_gate()
        elif self.tasks.held and not self.spinning.is_endless:
            self.spinning.let_on()
        elif self._is_waited_for(is_pending=False):
            return False
        else:
            self.fail(divergence)
        return True

    def open_gate(self) -> None:
        """Let bodies start and updates leave."""
        gate, self.gate = self.gate, None
        if gate is not None:
            gate.open()
            self.checkpointer.let_go()

    def returned_too_early(self, context_id: str | None) -> bool:
        """Fail the execution if a context's function ends before it has asked for what it recorded."""
        divergence = None if self.gate is None else self.gate.divergence(context_id)
        if divergence is not None:
            self.fail(divergence)
        return divergence is not None

    def is_workflow(self, runner: object) -> bool:
        """Whether it is workflow code that runs, and not the body of a step."""
        return isinstance(runner, WorkflowTask)

    def time_of(self, runner: object) -> float | None:
        """The clock of workflow code: the log's time, in seconds since the execution started."""
        if isinstance(runner, WorkflowTask) and not self.is_ending:
            now: float = runner.scope.now
            return (now - self.began_at) / 1000
        return None

    def set_timer(
        self,
        runner: object,
        when: float,
        delay: float,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: Context | None,
    ) -> asyncio.TimerHandle | None:
        """Set a durable timer, if it is workflow code that asks."""
        if isinstance(runner, WorkflowTask) and not self.is_ending:
            return self._start_timer(runner.scope, when, delay, callback, args, context)
        return None

    def _is_out_of_turn(self, at: float) -> bool:
        """Whether a completion that the log holds before this one has yet to be seen."""
        if not self.journal.unseen_before(at):
            return False
        return self.outside.may_wake() or self._is_waited_for(is_pending=True)

    def _is_waited_for(self, *, is_pending: bool) -> bool:
        """True if something outside that is not known gets some more time to wake a task."""
        again = self.spinning.let_on if self.tasks.held and not is_pending else None
        return self.outside.is_waited_for(
            self._moved, is_pending=is_pending, is_restless=self._is_restless, again=again
        )

    @property
    def _moved(self) -> tuple[bool, float]:
        """A value that changes when the workflow moves, leaving aside tasks that spin."""
        if self.tasks.held:
            return (True, self.spinning.delivered_at)
        return (False, self.tasks.progress)

    def _is_ticking(self) -> bool:
        return any(timer.is_ticking for timer in self.timers)

    def _is_at_rest(self) -> bool:
        """Whether no task can move, no completion is due and everything is acknowledged."""
        waits: list[Any] = [watched.blocked_on for watched in self.tasks.live]
        blocked = all(isinstance(each, asyncio.Future) and not each.done() for each in waits)
        kept = not any(timer.is_ticking or timer.is_loose for timer in self.timers)
        settled = blocked and kept and not self.order.due
        return settled and self.checkpointer.is_idle and not self.outside.may_wake()

    def _is_waiting_for_service(self) -> bool:
        # Code that polls waits for what it looks at, and nobody knows at what it does.
        polls = self._is_restless or bool(self.tasks.held)
        return any(op.is_pending and (polls or op.is_awaited) for op in self.registered.values())

    def _awaits_what_it_gave_up(self) -> DeterminismError | None:
        """The error for a task that awaits what is recorded as given up, if there is one."""
        awaited = ", ".join(sorted(op.label for op in self.given_up.values() if op.is_awaited))
        if not awaited:
            return None
        return DeterminismError(
            f"the log holds that the workflow gave up {awaited}; now the code awaits it, and nothing"
            " cancels what awaits it. The workflow's code has changed since this execution began, or the"
            " cancellation came from something that is not recorded: a thread, a socket, the clock of"
            " the process"
        )

    def _conclude(self) -> None:
        if self.environment.loop.ready and not self._is_restless:
            return  # A thread has just left a callback, and may have ended since.
        divergence = self._awaits_what_it_gave_up()
        if divergence is not None:
            self.fail(divergence)
            return
        if self._is_waiting_for_service():
            self.end(WentAway())
        else:
            self._fail_as_deadlocked()

    def _fail_as_deadlocked(self) -> None:
        from durable_execution_sdk.runtime.deadlock import deadlock  # noqa: PLC0415 - rarely needed

        idle = [op.label for op in self.registered.values() if op.is_pending]
        waited = self.outside.waited(self._moved)
        moves = self.spinning.moves if self.tasks.held else 0
        self.fail(deadlock(self.tasks, idle, waited, moves))

    def _unwind(self) -> bool:
        """Workflow code swallowed its cancellation and blocks again: insist."""
        if self._unwound_by is None:
            self._unwound_by = self.time_to_leave(GRACE_SECONDS)
        if (
            not self.tasks.live
            or self._has_bodies()
            or self.outside.may_wake(before=self._unwound_by)
        ):
            return False
        if self._is_waited_for(is_pending=True):
            return False
        self._rounds += 1
        for watched in list(self.tasks.live):
            if self._rounds > _UNWINDING_ROUNDS:
                watched.kill()
            watched.cancel()
        return True

    def unwind(self) -> None:
        """Ask for nothing more; the tasks are about to be cancelled."""
        self.outside.leave()
        self.polling.stop()
        if self._deadline is not None:
            self._deadline.cancel()


def _nothing() -> None:
    """Nobody has anything to stop yet."""


def _is_under_way(body: asyncio.Task[None] | None) -> bool:
    return body is not None and not body.done()


def _title(update: OperationUpdate) -> str:
    return f"{update.type.lower()} {update.name!r}" if update.name else update.type.lower()


MakeWorkflow = Callable[
    [Environment, DataPlane, Invoked, Journal, Settings, StartTimer],
    Workflow,
]

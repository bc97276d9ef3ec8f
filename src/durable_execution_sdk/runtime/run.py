"""The state of one invocation, and the rule by which it goes on, suspends or ends.

An invocation must answer PENDING as soon as only the service can make the workflow go on, because idle
time is billed. It must not answer earlier, because the answer cuts off everything that still runs. And
it must deliver completions at points of the code that a replay can reproduce. All three need the same
fact: the workflow is *quiescent*, which means that no code of it can run before something new happens.

The event loop knows that. ``asyncio`` asks its selector to wait only when no callback is ready to run
(``loop._IdleSelector``), which calls ``on_idle`` at that moment. It does the first of these that applies:

1. Deliver the completion whose turn it is (``completions``).
2. With the gate closed, check what replay has not asked for, and open the gate or fail (``gate``).
3. Send the batch that was held back for those completions (``checkpointer``).
4. While a checkpoint call is in flight or the body of a step runs, wait.
5. Send the updates that are left in the queue.
6. While a short timer, a thread or a socket of workflow code may wake a task, wait (``external_wakeups``).
7. If no completion can come, let tasks go on that were held because they spin (``spinning``).
8. While an unknown source, such as a thread, may wake a task, wait: 30 seconds at most by default.
9. Record the timers of a second and more as WAITs.
10. End: PENDING if an operation is pending that code awaits, else the workflow is deadlocked.

A worked example. ``ship`` waits for a day, ``notify`` runs a step of three seconds::

    async def ship(ctx):
        await ctx.wait(Duration.from_days(1))
        await ctx.step(send_parcel)

    async def notify(ctx):
        await ctx.step(send_mail)

    @durable_execution
    async def handle(event, ctx):
        await asyncio.gather(ship(ctx), notify(ctx))

    invocation 1                                      log afterwards
    both tasks start; START of the wait is sent       wait STARTED, send_mail STARTED
    all tasks are blocked, but the body of
      send_mail runs: rule 4, the invocation stays
    the body ends; its SUCCEED is sent                send_mail SUCCEEDED
    the answer makes the completion due: rule 1;
      notify ends
    ship and the gather are blocked, the wait is
      pending and awaited: rule 10, PENDING
    invocation 2, a day later                         wait SUCCEEDED (in its event)
    replay claims both; send_mail ended before the
      wait, so it is delivered first (rule 1), and
      then the wait; send_parcel is new: rule 2
      opens the gate, and its body starts

What goes wrong without it: if a task that blocks on a wait suspended the invocation at once, the mail
would be cut off, and sent again in the next one. If a completion were delivered as soon as its answer
came, it would meet the other tasks at another point of their code on each run. If a lock that nothing can
release counted as waiting, the function would run until its timeout, and then again.

The verdict is set before any task is cancelled (``end``), and the first verdict stands. So code that
catches the cancellation cannot undo a suspension; what it asks for afterwards does nothing.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextvars import Context
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar, cast

from msgspec import Struct
from msgspec.json import encode

from durable_execution_sdk.errors import (
    ConfigError,
    DeterminismError,
    DurableError,
    ExecutionError,
    InvocationError,
    ServiceError,
)
from durable_execution_sdk.ports.data_plane import DataPlane
from durable_execution_sdk.protocol.operations import (
    Operation,
    OperationStatus,
    OperationSubType,
    OperationType,
)
from durable_execution_sdk.protocol.updates import OperationAction, OperationUpdate
from durable_execution_sdk.runtime.completions import Completion, Completions, Handle, operation_of
from durable_execution_sdk.runtime.current import sdk_context
from durable_execution_sdk.runtime.event_loop.loop import Environment
from durable_execution_sdk.runtime.external_wakeups import Outside
from durable_execution_sdk.runtime.log.checkpointer import Checkpointer
from durable_execution_sdk.runtime.log.gate import Gate
from durable_execution_sdk.runtime.log.journal import Journal, LateNews, Note, Position
from durable_execution_sdk.runtime.log.service_polling import Polling
from durable_execution_sdk.runtime.settings import CheckpointingMode, Reporter, Settings
from durable_execution_sdk.runtime.tasks.workflow_task import (
    NumberedFuture,
    WorkflowTask,
    WorkflowTasks,
    out_of_reach,
    place_of_future,
)
from durable_execution_sdk.runtime.verdicts import Abort, Suspend, Verdict

if TYPE_CHECKING:
    from durable_execution_sdk.runtime.tasks.spinning import Spinning

__all__ = [
    "Attempting",
    "BodyWatcher",
    "InvocationRun",
    "Invoked",
    "MakeRun",
    "Observable",
    "Reader",
    "Timer",
]

_T = TypeVar("_T")

# Number of times that workflow code may catch its cancellation before its coroutines are closed.
_UNWINDING_ROUNDS = 20
# Seconds that all clean-up together may take.
GRACE_SECONDS = 5.0
# Number of operations asked for after the end that are cancelled at once; later ones stay blocked.
_TURNED_DOWN_AT_MOST = 1_000


class Registered(Protocol):
    """An operation that has not settled, as the workflow sees it."""

    is_pending: bool
    due_at: float | None

    @property
    def label(self) -> str:
        """Its name in messages."""
        ...

    @property
    def is_awaited(self) -> bool:
        """True if code would notice that it completes."""
        ...

    def observe(self, record: Operation) -> None:
        """Take in a change of its record in the log."""
        ...


class Attempting(Completion[_T], Generic[_T]):
    """An operation whose body runs."""

    __slots__ = ()

    at_most_once: bool

    @property
    def attempt_number(self) -> int:
        """The number of the attempt, from 1."""
        raise NotImplementedError


class Timer(Completion[None]):
    """A timer of workflow code.

    ``is_ticking``: it is shorter than a second and fires in this process. ``is_loose``: it is longer, and not
    yet recorded as a WAIT.
    """

    __slots__ = ("is_loose", "is_ticking")

    is_loose: bool
    is_ticking: bool

    def hand_over(self) -> None:
        """Record it as a WAIT, so that the service keeps it."""
        raise NotImplementedError


class Observable(Protocol):
    """An operation that runs a function of the user's."""

    kind: ClassVar[OperationType]
    operation_id: str
    name: str | None
    is_cancelled: bool

    @property
    def sub_type(self) -> OperationSubType:
        """Its subtype."""
        ...

    @property
    def context_state(self) -> Enclosing:
        """The context that it belongs to."""
        ...


class Enclosing(Protocol):
    """The context of an operation."""

    parent_id: str | None

    @property
    def is_replaying(self) -> bool:
        """True if the code that runs now has run before."""
        ...


class BodyWatcher:
    """Runs functions of the user's, and reports each run."""

    async def step(
        self, operation: Observable, number: int, body: Callable[[], Awaitable[None]]
    ) -> None:
        """Run an attempt of a step."""
        raise NotImplementedError

    async def context(self, operation: Observable, body: Callable[[], Awaitable[_T]]) -> _T:
        """Run the function of a context."""
        raise NotImplementedError


# Takes scope, loop time, delay in seconds, callback, its arguments and its context.
StartTimer = Callable[
    [Any, float, float, Callable[..., object], tuple[Any, ...], Context | None],
    asyncio.TimerHandle | None,
]


# Decodes a payload to the value that user code sees.
Reader = Callable[[str], object]


class Invoked(Struct, frozen=True):
    """The parameters of an invocation. ``ends_at`` is its end on the monotonic clock, if it has a limit."""

    arn: str
    token: str
    request_id: str
    lambda_context: Any
    ends_at: float | None


class InvocationRun:
    """The state of one invocation: its tasks, operations and bodies, the log, and the verdict."""

    # True for a rehearsal, which starts nothing and writes nothing: what has no end in the log stays so.
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
        # Set if plugins observe the invocation: the reporter, and the watcher that runs the user's functions.
        self.reporter: Reporter | None = None
        self.watcher: BodyWatcher | None = None
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
        self.completions = Completions(self.tasks, self.loop, self.position, environment.loop.ready)
        self.completions.record_place = self._record_place
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
        )
        self.tasks.hold = self._hold
        self.outside = Outside(self.tasks, self.loop, foreign_wait=settings.foreign_wait)
        self.outside.thread_ended = self._thread_ended
        self.tasks.cancels = self.outside.cancels
        self.polling = Polling(
            self.loop, now=plane.now, pending=self._pending, ask=self.checkpointer.push
        )
        self.verdict: Verdict | None = None
        self.refusal: Abort | None = None
        self.is_ending = False
        self.ended: asyncio.Future[None] = self.loop.create_future()
        self.on_stop: Callable[[], None] = _nothing
        self.timers: dict[Timer, None] = {}
        # Per-function cache of name, configuration and serdes; valid for one invocation.
        self.said_by_functions: dict[Any, Any] = {}
        self._start_timer = start_timer
        # Present until replay has asked for all recorded operations.
        self.gate: Gate | None = None
        if len(journal) and not self.is_rehearsal:
            self.gate = Gate(journal, self.loop)
            self.checkpointer.is_held = True
        self.began_at = self.completions.now
        # The operations and timers that have not settled, by operation id. They get the news of the log.
        self.registered: dict[str, Registered] = {}
        # The operations that the log holds as given up, by id, until the code gives them up again.
        self.given_up: dict[str, Registered] = {}
        self._bodies: dict[asyncio.Task[None] | None, Attempting[Any]] = {}
        # Bodies that were given up and have not ended; they do not keep the invocation open.
        self._left_bodies: dict[asyncio.Task[None] | None, Attempting[Any]] = {}
        self._deadline: asyncio.TimerHandle | None = None
        self._started_at = time.monotonic()
        self._is_restless = False
        self._margin = 0.0
        self._rounds = 0
        self._unwound_by: float | None = None
        self._turned_down = 0

    # Called by operations.

    def claim(self, claimant: Completion[Any]) -> Operation | None:
        """Return the record of an operation that workflow code has just asked for; ``None`` if it is new."""
        operation_id = claimant.operation_id
        record = self._look_up(operation_id)
        if record is not None:
            self._unclaimed.discard(operation_id)
        elif self.gate is not None:
            self.gate.asked(claimant)
        return record

    def submit(self, update: OperationUpdate) -> None:
        """Record an update with the next checkpoint call."""
        if not self.is_ending:
            if self.gate is not None:
                self._look_for_cut(update)
            if self.reporter is not None:
                update = self.reporter.submitted(update)
            self.checkpointer.submit(update)

    def leave_behind(self, update: OperationUpdate) -> None:
        """Record an update that causes no call of its own: it goes with the next one."""
        if not self.is_ending:
            if self.gate is not None:
                self._look_for_cut(update)
            if self.reporter is not None:
                update = self.reporter.submitted(update)
            self.checkpointer.leave_behind(update)

    def _look_for_cut(self, update: OperationUpdate) -> None:
        """Tell the position of an update that an earlier invocation would have made, unless it was cut."""
        if update.action is OperationAction.CANCEL:
            return  # a service may refuse them, and then they are not sent
        record = self._look_up(update.id)
        if record is None or record.status != OperationStatus.READY:
            self.position.found_cut()

    def start_body(
        self, operation: Attempting[Any], body: Coroutine[Any, Any, None]
    ) -> asyncio.Task[None]:
        """Run the body of a step: plain code, which keeps the invocation open until it ends."""
        # A name of its own spares asyncio making one up.
        held = None if self.gate is None else self.gate.passed_by(body)
        name = operation.name or operation.operation_id
        task = asyncio.Task(held or body, loop=self.loop, name=name)
        if held is not None:
            # A task that is cancelled before its first step has not started the body.
            task.add_done_callback(lambda _: body.close(), context=sdk_context())
        out_of_reach(task)
        self._bodies[task] = operation
        return task

    def bodies_left(self) -> list[asyncio.Task[Any]]:
        """Return the tasks of bodies that have not ended, given up or not."""
        bodies = (*self._bodies, *self._left_bodies)
        return [task for task in bodies if task is not None and not task.done()]

    def body_ended(self, task: asyncio.Task[None] | None) -> None:
        """Remove a finished body. A body cancelled before its first step never calls this; see ``_has_bodies``."""
        self._bodies.pop(task, None)
        self._left_bodies.pop(task, None)

    def leave_body(self, task: asyncio.Task[None]) -> None:
        """Let a cancelled body clean up without keeping the invocation open."""
        body = None if self.is_ending else self._bodies.pop(task, None)
        if body is not None and not task.done():
            self._left_bodies[task] = body

    def title_of(self, task: asyncio.Task[Any]) -> str:
        """Return the name of a task in messages: a step's own name, otherwise that of the coroutine."""
        body = self._bodies.get(task) or self._left_bodies.get(task)
        if body is not None:
            return body.label
        coroutine: object = task.get_coro()
        if isinstance(coroutine, WorkflowTask):
            watched: WorkflowTask[Any] = coroutine
            return watched.scope.title if watched.is_of_the_sdk else watched.name
        for name in ("__qualname__", "__name__"):
            if hasattr(coroutine, name):
                return str(getattr(coroutine, name))
        return task.get_name()

    def built_again(self, record: Operation, payload: str, read: Reader) -> str:
        """Return the payload of a context whose function ran again because the log does not hold its result."""
        return payload

    def invoked_again(
        self, record: Operation, function_name: str, write: Callable[[], str], read: Reader
    ) -> None:
        """Check an invoke in a rehearsal, given the function's name and payload, which the log does not hold."""

    def turn_down(self, operation: Completion[Any]) -> None:
        """Cancel an operation that was asked for after the end, which unwinds the tasks that await it.

        Code that catches the cancellation and asks again and again would never become quiescent. From the
        1,001st time on the operation stays pending, so that the code blocks and can be stopped.
        """
        self._turned_down += 1
        if self._turned_down <= _TURNED_DOWN_AT_MOST:
            operation.refuse()

    def expect(self, due_at: float | None) -> None:
        """Ask the service for changes at this time (milliseconds), or every ten seconds if it is ``None``."""
        if not self.is_ending:
            self.polling.expect(due_at)

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
            # The caller may be the body of a step, whose own context is refused the cancellation of tasks.
            sdk_context().run(self.on_stop)

    def fail(self, error: BaseException) -> None:
        """Fail the execution; workflow code cannot catch it."""
        self.end(Abort(error, fatal=True))

    @property
    def is_sequential(self) -> bool:
        """True if there is one task with one unsettled operation, so that nothing can overtake that."""
        alone = len(self.tasks.live) == len(self.registered) == 1
        return alone and len(self._bodies) <= 1 and not (self.timers or self.completions.due)

    def leave_after(self, seconds: float, margin: float) -> None:
        """Leave after so many seconds. ``margin`` is the time between that and the end of the function's time."""
        self._margin = margin
        self._deadline = self.loop.call_later(
            max(seconds, 0), self._on_deadline, margin, context=sdk_context()
        )

    def time_to_leave(self, seconds: float) -> float:
        """Return the monotonic time at which work of at most so many seconds has to be over.

        It is no later than the beginning of the margin or, within the margin, half of the time that is left.
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
        """Record the timers as WAITs, because the invocation's time is nearly up; then leave."""
        timers = [] if self._has_bodies() else list(self.timers)
        for timer in timers:
            timer.hand_over()
        if timers:
            self._deadline = self.loop.call_later(margin / 2, self._leave, context=sdk_context())
        else:
            self._leave()

    def _leave(self) -> None:
        """End the invocation because its time is nearly up.

        The verdict is PENDING only if everything waits for the service. Otherwise it is an error, so that
        Lambda invokes again: after PENDING, the service would not invoke before an operation completes, which
        may be next year.
        """
        is_at_rest = not self._has_bodies() and self._is_at_rest()
        if is_at_rest and self._is_waiting_for_service():
            self.end(Suspend())
        elif is_at_rest and self._has_waited_in_vain():
            self._fail_as_deadlocked()
        else:
            labels = {each.label for task, each in self._bodies.items() if _is_under_way(task)}
            what = ", ".join(sorted(labels)) or "the workflow's own code"
            if not labels and self.checkpointer.is_writing:
                what = "a checkpoint, which the service has not answered yet,"
            self.stop(
                Abort(
                    InvocationError(
                        f"the function's time is nearly up and {what} still runs: this invocation"
                        " ends so that Lambda invokes again; raise the function's timeout if one"
                        " attempt needs longer"
                    ),
                    fatal=False,
                )
            )

    def _has_waited_in_vain(self) -> bool:
        """True if the workflow has waited for something outside for over half of the invocation."""
        return self.outside.waited(self._moved) > (time.monotonic() - self._started_at) / 2

    # Called by the checkpointer.

    def _receive(self, batch: Sequence[OperationUpdate], operations: Sequence[Operation]) -> None:
        told = self._learn(operations)
        if not self.checkpointer.may_write:
            self.stop(Suspend())
            return
        # An update is recorded once it is acknowledged, whether or not the answer contains its operation.
        for update in batch:
            if update.id not in told and update.type is not OperationType.EXECUTION:
                self._learn([self.journal.acknowledged(update, self.completions.time_after())])

    def _learn(self, operations: Sequence[Operation]) -> set[str]:
        """Merge operations from the service into the log, notify the handles, and return the ids."""
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

    def _record_place(self, completion: Completion[Any], news: LateNews) -> None:
        """Record the place of an end that came late, in a STEP of the SDK's own; then it may be delivered."""
        if self.is_ending:
            return
        note = Note(news, self.journal, self.completions.unplaced)
        self.registered[note.operation_id] = note
        self.checkpointer.submit(note.update(completion.context_state.parent_id))

    def _refused(self, error: Exception, batch: Sequence[OperationUpdate]) -> None:
        if not isinstance(error, DurableError):
            error = _unencodable(batch) or error
        elif isinstance(error, ServiceError) and not (
            error.is_stale_token or error.is_transient or error.is_about_credentials
        ):
            what = ", ".join(sorted({_title(update) for update in batch})) or "a state request"
            error = ExecutionError(f"the service refused the checkpoint of {what}: {error}")
        self.refusal = Abort(error, fatal=isinstance(error, (ExecutionError, ConfigError)))
        self.stop(self.refusal)

    def _has_bodies(self) -> bool:
        """Return ``True`` if the body of a step runs or is about to; drop those that have ended."""
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

    # Called by the event loop.

    @property
    def progress(self) -> int:
        """The number of moves of workflow tasks so far; a move is a run to the next await that blocks."""
        return self.tasks.progress

    def on_idle(self, *, at_rest: bool) -> bool:
        """Do what is due when the loop is idle; return ``True`` if it has something to run now.

        ``at_rest`` is ``False`` if callbacks that move no workflow task keep the loop busy, as a body does that
        spins. Only completions are delivered then, and the batch that waits for them is sent.
        """
        if self.is_ending:
            return at_rest and self._cancel_again()
        due = self.completions.due
        if (
            due
            and not (self.completions.unplaced and self.completions.is_held)
            and not (
                self.journal.recorded_ends
                and self.outside.is_watching
                and self._is_out_of_turn(due[0][0])
            )
        ):
            self.completions.deliver_next()
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
        """Act as if idle: callbacks have come at each of many turns, and none has moved a workflow task."""
        if not self.is_ending:
            self._is_restless = True
            self.on_idle(at_rest=True)
            self._is_restless = False

    @cached_property
    def spinning(self) -> Spinning:
        """The counter of moves that holds tasks which spin; made when one may spin."""
        from durable_execution_sdk.runtime.tasks.spinning import Spinning  # noqa: PLC0415 - rarely needed

        return Spinning(self.tasks, self.loop, lambda: self.is_ending)

    def _hold(
        self, watched: WorkflowTask[Any], error: BaseException | None = None
    ) -> asyncio.Future[None] | None:
        """Load ``spinning`` at its first use, and ask it about a task."""
        return self.spinning.hold(watched, error)

    def _thread_ended(self) -> None:
        """Let held tasks go on when a thread of workflow code has ended: they may poll for that."""
        if self.tasks.held and not self.is_ending:
            self.spinning.let_on()

    def new_task(
        self, coroutine: Any, name: str | None, context: Context | None
    ) -> asyncio.Task[Any] | None:
        """Make a numbered task if workflow code asks; return ``None`` for other code."""
        return self.tasks.make(coroutine, name=name, context=context)

    def refuse_task_of(self, awaitable: object) -> None:
        """Raise if a task is to be made of an operation."""
        if isinstance(awaitable, Handle):
            raise TypeError(
                f"a task was to be made of {operation_of(cast('Any', awaitable)).label}, which is no coroutine: it runs"
                " already, and needs no task. Await it, or pass it to asyncio.gather or"
                " asyncio.wait; for a TaskGroup, put the call and the await into an async function, and"
                " make the task of that"
            )

    def new_future(self) -> asyncio.Future[Any] | None:
        """Make a numbered future if workflow code asks; return ``None`` for other code."""
        place = place_of_future(3)
        return None if place is None else NumberedFuture(place, self.loop, self.tasks)

    def _pass_gate(self, gate: Gate) -> bool:
        """Open the gate, or fail the execution unless something outside may still wake a task.

        Returns ``False`` if the invocation has to wait.
        """
        divergence = self._awaits_what_it_gave_up() or gate.divergence()
        if divergence is None:
            self.open_gate()
        elif self.outside.may_wake():
            return False
        elif self.tasks.held and not self.spinning.is_endless:
            self.spinning.let_on()
        elif self._is_waited_for(is_pending=False):
            return False
        else:
            self.fail(divergence)
        return True

    def open_gate(self) -> None:
        """Open the gate: bodies may start and updates may be sent."""
        gate, self.gate = self.gate, None
        if gate is not None:
            self.position.settle(are_new=False)
            gate.open()
            self.checkpointer.let_go()

    def returned_too_early(self, context_id: str | None) -> bool:
        """Fail the execution if a context's function has ended without asking for its recorded operations.

        Returns ``True`` in that case.
        """
        divergence = None if self.gate is None else self.gate.divergence(context_id)
        if divergence is not None:
            self.fail(divergence)
        return divergence is not None

    def is_workflow(self, runner: object) -> bool:
        """Return ``True`` if the runner is workflow code, and not the body of a step."""
        return isinstance(runner, WorkflowTask)

    def time_of(self, runner: object) -> float | None:
        """Return the clock of workflow code: the log's time in seconds since the execution started.

        Returns ``None`` for other code and during clean-up, which have the process's clock.
        """
        if isinstance(runner, WorkflowTask) and not self.is_ending:
            return (runner.scope.now - self.began_at) / 1000
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
        """Set a durable timer if workflow code asks; return ``None`` for other code and during clean-up."""
        if isinstance(runner, WorkflowTask) and not self.is_ending:
            return self._start_timer(runner.scope, when, delay, callback, args, context)
        return None

    def _is_out_of_turn(self, at: float) -> bool:
        """Return ``True`` if the log holds an earlier end that the code may still ask for.

        That is so while something outside may wake a task, such as a thread after which it claims an operation.
        """
        if not self.journal.unseen_before(at):
            return False
        return self.outside.may_wake() or self._is_waited_for(is_pending=True)

    def _is_waited_for(self, *, is_pending: bool) -> bool:
        """Return ``True`` while an unknown source, such as a thread, gets more time to wake a task."""
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
        """Return ``True`` if no task can move, no completion is due and everything is acknowledged."""
        waits: list[Any] = [watched.blocked_on for watched in self.tasks.live]
        blocked = all(isinstance(each, asyncio.Future) and not each.done() for each in waits)
        kept = not any(timer.is_ticking or timer.is_loose for timer in self.timers)
        settled = blocked and kept and not self.completions.due
        return settled and self.checkpointer.is_idle and not self.outside.may_wake()

    def _is_waiting_for_service(self) -> bool:
        # Code that polls waits for an operation too, and it is not known for which one.
        polls = self._is_restless or bool(self.tasks.held)
        return any(op.is_pending and (polls or op.is_awaited) for op in self.registered.values())

    def _awaits_what_it_gave_up(self) -> DeterminismError | None:
        """Return the error for tasks that await operations which the log holds as given up, if there are any."""
        awaited = ", ".join(sorted(op.label for op in self.given_up.values() if op.is_awaited))
        if not awaited:
            return None
        return DeterminismError(
            f"the log holds that the workflow gave up {awaited}; now the code awaits it, and nothing"
            " cancels the task that awaits it. The workflow's code has changed since this execution began, or the"
            " cancellation came from something that is not recorded: a thread, a socket, the clock of"
            " the process"
        )

    def _conclude(self) -> None:
        if self.environment.loop.ready and not self._is_restless:
            return  # A thread has just scheduled a callback, and may have ended since.
        divergence = self._awaits_what_it_gave_up()
        if divergence is not None:
            self.fail(divergence)
            return
        if self._is_waiting_for_service():
            self.end(Suspend())
        else:
            self._fail_as_deadlocked()

    def _fail_as_deadlocked(self) -> None:
        from durable_execution_sdk.runtime.deadlocks.deadlock import deadlock  # noqa: PLC0415 - rarely needed

        idle = [op.label for op in self.registered.values() if op.is_pending]
        waited = self.outside.waited(self._moved)
        moves = self.spinning.moves if self.tasks.held else 0
        self.fail(deadlock(self.tasks, idle, waited, moves))

    def _cancel_again(self) -> bool:
        """Cancel workflow tasks again that caught their cancellation and blocked; after 20 rounds, close them.

        Returns ``True`` if it has cancelled tasks, and ``False`` if the loop has to wait.
        """
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
        """Stop the timers of this invocation; its tasks are about to be cancelled."""
        self.outside.leave()
        self.polling.stop()
        if self._deadline is not None:
            self._deadline.cancel()


def _nothing() -> None:
    """Stop nothing: the root context is not made yet."""


def _is_under_way(body: asyncio.Task[None] | None) -> bool:
    return body is not None and not body.done()


def _unencodable(batch: Sequence[OperationUpdate]) -> ExecutionError | None:
    """Return the error for the first update that has no form in JSON, which no invocation could send."""
    for update in batch:
        try:
            encode(update)
        except Exception as error:
            return ExecutionError(
                f"the checkpoint of {_title(update)} ({update.action}) cannot be written as JSON:"
                f" {error}. A serdes or a plugin of the workflow made a value of another type or a text"
                " that is not UTF-8; correct it, and start the execution again"
            )
    return None


def _title(update: OperationUpdate) -> str:
    return f"{update.type.lower()} {update.name!r}" if update.name else update.type.lower()


MakeRun = Callable[
    [Environment, DataPlane, Invoked, Journal, Settings, StartTimer],
    InvocationRun,
]

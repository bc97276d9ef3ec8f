"""The decision, each time that nothing can run, whether an invocation goes on, suspends or ends.

An invocation must answer PENDING as soon as only the service can make the workflow go on, because idle
time is billed. It must not answer earlier, because the answer cuts off everything that still runs. And
it must deliver completions at points of the code that a replay can reproduce. All three depend on one
fact: the workflow is *quiescent*, which means that its code cannot run before something new happens.

The event loop notices that moment. ``asyncio`` asks its selector to wait only when no callback is ready to
run, so the selector (``event_loop.idle_selector``) calls ``on_idle`` before it waits. ``on_idle`` does
the first of these that applies:

1. Deliver the completion whose turn it is (``completions``).
2. While the gate is closed: open it if replay has asked for every recorded operation. If it has not, wait
   while a source outside may still wake a task, then fail the execution (``gate``).
3. Send the batch that the checkpointer held back for the due completions; deliver an early one (optimistic mode).
4. While a checkpoint call is in flight or the body of a step runs, wait.
5. Send the updates that are left in the queue.
6. While a short timer, a thread or a socket of workflow code may wake a task, wait (``external_wakeups``).
7. If no completion can come, let the tasks go on that are held because they spin (``spinning``).
8. While a source that the SDK does not know, such as a thread that no executor started, may wake a task,
   wait: 30 seconds at most by default.
9. Record the timers of a second and more as WAITs.
10. End the invocation: with PENDING if code awaits a pending operation, otherwise as deadlocked.

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
    invocation 2, a day later                         wait SUCCEEDED (in the event)
    replay claims both; send_mail ended before the
      wait, so it is delivered first (rule 1), and
      then the wait; send_parcel is new: rule 2
      opens the gate, and its body starts

What goes wrong without these rules: if a task that blocks on a wait suspended the invocation at once,
``send_mail`` would be cut off, and the next invocation would send the mail again. If a completion were
delivered as soon as the service's answer came, the other tasks would stand at another point of their code
on each run. If a task that blocks on a lock which nothing can release kept the invocation open, the
function would run until its timeout, and the next invocation would do the same.

The verdict is set before any task is cancelled (``InvocationRun.end``), and the first verdict stands. So
code that catches the cancellation cannot undo a suspension: operations that it calls afterwards do nothing.
"""

from __future__ import annotations

import asyncio
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from durable_execution_sdk.runtime.completions.completion import operation_of
from durable_execution_sdk.runtime.completions.handle import Handle
from durable_execution_sdk.runtime.event_loop.observer import LoopObserver, StartTimer
from durable_execution_sdk.runtime.log.gate import Gate
from durable_execution_sdk.runtime.run import InvocationRun
from durable_execution_sdk.runtime.settings import GRACE_SECONDS
from durable_execution_sdk.runtime.tasks import WorkflowTask
from durable_execution_sdk.runtime.verdicts import Suspend

if TYPE_CHECKING:
    from durable_execution_sdk.runtime.tasks.spinning import Spinning
    from durable_execution_sdk.runtime.thread_ends import ThreadEnds

__all__ = ["Scheduler"]

# Number of rounds in which tasks are cancelled again before their coroutines are closed too.
_UNWINDING_ROUNDS = 20


class Scheduler(LoopObserver):
    """The observer of the loop that decides, each time the loop is idle, how an invocation goes on."""

    def __init__(self, run: InvocationRun, start_timer: StartTimer) -> None:
        super().__init__(run, start_timer)
        self._run = run
        self.outside, self.due = run.outside, run.completions.due
        self._ready = run.environment.loop.ready
        run.tasks.hold = self._hold
        run.outside.thread_ended = self._thread_ended
        # How often the tasks were cancelled again, their moves by then, and the time until which clean-up timers count.
        self._rounds, self._moves = 0, 0.0
        self._unwound_by: float | None = None

    def on_idle(self, *, at_rest: bool) -> bool:
        """Do what is due when the loop is idle; return ``True`` if it has something to run now.

        ``at_rest`` is ``False`` if callbacks that move no workflow task keep the loop busy, as the body of a
        step does that spins. Then it only delivers completions, and sends the batch that was held back for them.
        """
        run = self._run
        if run.is_ending:
            return at_rest and self._cancel_again()
        due = run.completions.due
        if due and run.journal.thread_ends and self.threads.come_before(*due[0][:2]):
            return at_rest and self.threads.fails_to_wait()
        # The next completion waits while the rank of its late end is not recorded, and while code may yet ask
        # for an operation that ended earlier.
        if (
            due
            and not (run.completions.unranked and run.completions.is_next_unranked)
            and not (
                run.journal.may_hold_unseen
                and (run.outside.is_watching or self._ready)
                and self._is_out_of_turn(due[0][0])
            )
        ):
            run.completions.deliver_next()
            run.checkpointer.delivered()
            return True
        if run.gate is not None:
            return at_rest and self._pass_gate(run.gate)
        if run.checkpointer.release() or (
            at_rest and run.completions.early is not None and run.completions.take_early()
        ):
            return True
        busy = run.checkpointer.is_writing or run.bodies.is_any_running()
        if busy or not (at_rest and run.tasks.live):
            return False
        if not run.checkpointer.is_idle:
            run.checkpointer.push()
            return True
        if run.outside.may_wake() or any(timer.is_ticking for timer in run.timers):
            return False
        unrecorded = [timer for timer in run.timers if timer.is_loose]
        is_pending = bool(unrecorded) or run.is_waiting_for_service()
        if run.tasks.held and not (is_pending or self.spinning.is_endless):
            self.spinning.let_on()
            return True
        if self._is_waited_for(is_pending=is_pending):
            return False
        for timer in unrecorded:
            timer.hand_over()
        if not unrecorded:
            self._conclude()
        return True

    def on_restless(self) -> None:
        """Act as if the loop were idle: many turns of it have run callbacks, and none has moved a workflow task."""
        self._run.is_restless = True
        self.on_idle(at_rest=True)
        self._run.is_restless = False

    @cached_property
    def spinning(self) -> Spinning:
        """The object that counts the moves of tasks and holds those that spin; made when a task may spin."""
        from durable_execution_sdk.runtime.tasks.spinning import Spinning  # noqa: PLC0415 - rarely needed

        return Spinning(self._run.tasks, self._run.loop, lambda: self._run.is_ending)

    def _hold(
        self, watched: WorkflowTask[object], error: BaseException | None = None
    ) -> asyncio.Future[None] | None:
        """Return the future on which a task has to block if it spins; loads ``spinning`` at its first use."""
        return self.spinning.hold(watched, error)

    def _thread_ended(self) -> None:
        """Let held tasks go on when a thread of workflow code has ended: they may poll for that."""
        if self._run.tasks.held and not self._run.is_ending:
            self.spinning.let_on()

    def fail(self, error: BaseException) -> None:
        """Fail the execution."""
        self._run.fail(error)

    def bodies_left(self) -> list[asyncio.Task[object]]:
        """Return the tasks of bodies that have not ended, also those of operations that were given up."""
        return self._run.bodies.tasks_left()

    def refuse_task_of(self, awaitable: object) -> None:
        """Raise ``TypeError`` if workflow code makes a task of an operation, which needs none."""
        if isinstance(awaitable, Handle):
            raise TypeError(
                f"a task was to be made of {operation_of(cast('Any', awaitable)).label}, which is no coroutine: it runs"
                " already, and needs no task. Await it, or pass it to asyncio.gather or"
                " asyncio.wait; for a TaskGroup, put the call and the await into an async function, and"
                " make the task of that"
            )

    def _pass_gate(self, gate: Gate) -> bool:
        """Open the gate if replay has asked for every recorded operation; otherwise fail the execution.

        It fails only when neither a source outside nor a held task can lead to the missing operation. Returns
        ``False`` if the invocation has to wait for such a source.
        """
        divergence = self._run.unsettled.awaited_but_given_up() or gate.divergence()
        if divergence is None:
            self._run.open_gate()
        elif self._run.outside.may_wake():
            return False
        elif self._run.tasks.held and not self.spinning.is_endless:
            self.spinning.let_on()
        elif self._is_waited_for(is_pending=False):
            return False
        elif not self._has_callbacks:
            self._run.fail(divergence)
        return True

    def _is_out_of_turn(self, at: float) -> bool:
        """Return ``True`` if a completion with the end ``at`` has to wait for one with an earlier end.

        The log holds the earlier end, and the workflow has not seen it yet. It may still do so while a source
        outside may wake a task: after a call in a thread, for instance, code may ask for the operation.
        """
        if not self._run.journal.unseen_before(at):
            return False
        outside = self._run.outside
        return outside.may_wake() or self._is_waited_for(is_pending=True) or self._has_callbacks

    @property
    def _has_callbacks(self) -> bool:
        """True if a thread has scheduled one since the loop was found idle, and may have ended: read it after the sources."""
        return bool(self._ready) and not self._run.is_restless

    @property
    def threads(self) -> ThreadEnds:
        """The calls in threads of workflow code."""
        return self._thread_ends

    @cached_property
    def _thread_ends(self) -> ThreadEnds:
        from durable_execution_sdk.runtime.thread_ends import ThreadEnds  # noqa: PLC0415 - rarely needed

        return ThreadEnds(self._run)

    def _is_waited_for(self, *, is_pending: bool) -> bool:
        """Return ``True`` while a source that the SDK does not know gets more time to wake a task."""
        # Held tasks may poll for that source, so they go on from time to time meanwhile.
        again = self.spinning.let_on if self._run.tasks.held and not is_pending else None
        return self._run.outside.is_waited_for(
            self._moved, is_pending=is_pending, is_restless=self._run.is_restless, again=again
        )

    @property
    def _moved(self) -> tuple[bool, float]:
        """A value that changes when a task moves; while tasks are held, only when a completion is delivered."""
        if self._run.tasks.held:
            return (True, self.spinning.delivered_at)
        return (False, self._run.tasks.progress)

    def waited(self) -> float:
        """Return the seconds for which the workflow has waited, without a move, for a source unknown to the SDK."""
        return self._run.outside.waited(self._moved)

    def _conclude(self) -> None:
        if self._has_callbacks or self._run.checkpointer.send_last_status():
            return
        divergence = self._run.unsettled.awaited_but_given_up()
        if divergence is not None:
            self._run.fail(divergence)
        elif self._run.is_waiting_for_service():
            self._run.end(Suspend())
        else:
            self.fail_as_deadlocked()

    def fail_as_deadlocked(self) -> None:
        """Fail the execution with a deadlock error, which names what each task waits for."""
        from durable_execution_sdk.runtime.deadlocks.deadlock import deadlock  # noqa: PLC0415 - rarely needed

        idle = self._run.unsettled.idle_labels()
        moves = self.spinning.moves if self._run.tasks.held else 0
        self._run.fail(deadlock(self._run.tasks, idle, self.waited(), moves))

    def _cancel_again(self) -> bool:
        """Cancel again the workflow tasks that caught their cancellation, and return ``False`` if the loop has to wait.

        After 20 rounds it closes their coroutines too, and stops when that moves none.
        """
        run = self._run
        self._unwound_by = self._unwound_by or run.invoked.time_to_leave(GRACE_SECONDS, run.margin)
        busy = not run.tasks.live or run.bodies.is_any_running()
        if busy or run.outside.may_wake(before=self._unwound_by):
            return False
        if self._is_waited_for(is_pending=True) or self._has_callbacks:
            return self._has_callbacks
        if self._rounds > _UNWINDING_ROUNDS and self._moves == run.tasks.progress:
            return False  # a circle that passes no cancellation on: its tasks are abandoned
        self._rounds, self._moves = self._rounds + 1, run.tasks.progress
        for task in list(run.tasks.live):
            if self._rounds > _UNWINDING_ROUNDS:
                task.kill()
            task.cancel()
        return True

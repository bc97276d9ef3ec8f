"""The deadline of an invocation: it ends before the function's time is up, whether the workflow is quiescent or not.

Bodies that still run then are interrupted: their attempts are recorded as failed, so that their strategies decide
(``operations.lifecycle.interruption``). The record has three quarters of the margin to be acknowledged, and the clean-up of
the bodies goes on meanwhile. The workflow is held still until then: code that moved on would begin bodies that
have no time. With 2 s of margin in a function of 15 minutes::

    898.0 s   the attempts are recorded, the bodies cancelled; no completion is delivered and no body starts any more
    898.1 s   the answer: if everything waits for the service now, the verdict is PENDING
    899.5 s   no answer yet: the invocation ends with an error, and the next one sees in the log if it was recorded

If a step failed for good, or its body is left to run again, code has to go on: then it ends with an error too. Of a
body that is left, the START is recorded at least: by that, the next invocation knows that it runs for the second time.

A call in a thread that never ends, or a loop without end, in workflow code takes each invocation to its
deadline, and Lambda invokes again. The same happens after the code has changed, if a thread waits for an
operation that the gate holds back. One such invocation proves nothing: the call may have been slow this time.
So the age of the log decides. If nothing was recorded for an hour, and for as long as three whole invocations
take, then the execution is stuck, and fails.

The invocations themselves are not counted: the count would have to be in the log, and no update may leave while the
gate is closed. The age of the log includes times in which the service did not invoke, so after a pause fewer than
three invocations may be enough, but never less than a whole one.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any

from durable_execution_sdk.errors import (
    DeadlockError,
    DeterminismError,
    ExecutionError,
    InvocationError,
    ServiceError,
)
from durable_execution_sdk.runtime.current import sdk_context
from durable_execution_sdk.runtime.run import InvocationRun
from durable_execution_sdk.runtime.scheduler import Scheduler
from durable_execution_sdk.runtime.settings import Settings
from durable_execution_sdk.runtime.tasks.numbered_task import out_of_reach
from durable_execution_sdk.runtime.verdicts import Abort, Suspend

__all__ = ["Deadline", "margin_of"]

# An execution is stuck if its log has not changed for this time, and for the time of so many invocations.
_STUCK_SECONDS = 3600.0
_STUCK_INVOCATIONS = 3
# The share of the margin in which interrupted attempts have to be recorded; clean-up and the response have the rest.
_RECORDING_SHARE = 0.75


def margin_of(settings: Settings, remaining: float) -> float:
    """Return the time in seconds by which an invocation ends before the function's time is up.

    By default it is a tenth of the remaining time, but at least 0.3 s and at most 2 s, so that a function with
    a timeout of 3 s still has most of it.
    """
    if settings.deadline_margin is not None:
        return settings.deadline_margin
    return min(2.0, max(0.3, remaining * 0.1))


class Deadline:
    """Ends one invocation before the function's time is up."""

    def __init__(self, run: InvocationRun, scheduler: Scheduler) -> None:
        self._run = run
        self._scheduler = scheduler
        self._started_at = time.monotonic()
        self._timer: asyncio.TimerHandle | None = None
        # The names of the operations whose bodies were interrupted, and the task that waits for their records.
        self._interrupted: list[str] = []
        # False if a test has less time than the function: then no attempt has failed.
        self._is_of_function = True
        self._recording: asyncio.Task[None] | None = None

    def leave_after(self, seconds: float) -> None:
        """End the invocation after so many seconds: its time less the margin (``margin_of``)."""
        own = self._run.seconds_of_function(seconds)
        self._run.bodies.time_given, self._run.bodies.leaves_at = own, time.monotonic() + own
        self._is_of_function = own <= seconds
        self._timer = self._run.loop.call_later(
            max(seconds, 0), self._on_deadline, context=sdk_context()
        )

    async def stop(self) -> None:
        """Cancel the timer, and the wait for records: the invocation is about to be unwound."""
        if self._timer is not None:
            self._timer.cancel()
        if self._recording is not None:
            self._recording.cancel()
            await asyncio.wait([self._recording])

    def _on_deadline(self) -> None:
        """Interrupt the bodies, record the timers as WAITs, then end the invocation."""
        run = self._run
        if run.is_ending:
            return
        is_recording = self._is_of_function and run.gate is None  # else no body has begun
        if is_recording:
            self._interrupted = run.bodies.interrupt()
        timers = [] if run.bodies.is_any_running() else list(run.timers)
        for timer in timers:
            timer.hand_over()
        if self._interrupted or (is_recording and run.bodies.is_any_running()):
            self._scheduler.on_idle = self._hold_still  # type: ignore[method-assign]
            run.checkpointer.ends_at = (run.bodies.leaves_at or 0) + run.margin * _RECORDING_SHARE
            self._recording = asyncio.Task(
                self._leave_recorded(), loop=run.loop, context=sdk_context()
            )
            out_of_reach(self._recording)
        elif timers:
            self._timer = self._run.loop.call_later(
                self._run.margin / 2, self._leave, context=sdk_context()
            )
        else:
            self._leave()

    def _hold_still(self, *, at_rest: bool) -> bool:
        """Deliver and decide nothing when the loop is idle, until there is a verdict."""
        return self._run.is_ending and Scheduler.on_idle(self._scheduler, at_rest=at_rest)

    async def _leave_recorded(self) -> None:
        """End the invocation once the interrupted attempts are recorded, or at the latest when a share of the margin is over."""
        with suppress(ServiceError):
            await self._run.checkpointer.flush()
        self._leave()

    def _leave(self) -> None:
        """End the invocation because its time is nearly up.

        The verdict is PENDING only if everything waits for the service. Otherwise it is an error, so that
        Lambda invokes again: after PENDING, the service would not invoke before an operation completes, which
        may be next year.
        """
        is_at_rest = not self._run.bodies.is_any_running() and self._is_at_rest()
        if is_at_rest and self._run.is_waiting_for_service():
            self._run.end(Suspend())
        elif is_at_rest and self._has_waited_in_vain():
            self._scheduler.fail_as_deadlocked()
        elif self._is_stuck():
            self._fail_as_stuck()
        else:
            labels = self._run.bodies.labels() if self._run.gate is None else ()
            threads = self._run.environment.loop.threads
            busy = ", ".join(sorted(labels)) or "the workflow's own code"
            if not labels and self._run.checkpointer.is_writing:
                busy = "a checkpoint, which the service has not answered yet,"
            elif not labels and self._interrupted:
                busy = f"code goes on after {', '.join(sorted(self._interrupted))}, which was interrupted, and"
            self._run.stop(
                Abort(
                    InvocationError(
                        f"the function's time is nearly up and {busy} still runs: this invocation"
                        " ends so that Lambda invokes again; raise the function's timeout if one"
                        f" attempt needs longer{threads.shortage if threads else ''}"
                    ),
                    fatal=False,
                )
            )

    def _fail_as_stuck(self) -> None:
        """Fail the execution: with the records that no code asked for if there are any, else as code that never ends."""
        run = self._run
        divergence = None if run.gate is None else run.gate.divergence()
        if run.journal.thread_ends:
            divergence = self._scheduler.threads.missing()
        error: ExecutionError = DeadlockError(
            "workflow code, or a thread that it waits for, ran until the function's time was up, in each invocation"
            " of the last hour, and recorded nothing. It runs again from the start in each. Put it into a step, and"
            " give the function more time than one attempt takes"
        )
        if divergence is not None:
            error = DeterminismError(
                f"{divergence}. Workflow code, or a thread that it waits for, ran until the function's time was up,"
                " in each invocation of the last hour"
            )
        run.stop(Abort(error, fatal=run.settings.fails_for(error)))

    def _is_stuck(self) -> bool:
        """True if the workflow's own code has kept invocation after invocation from recording anything."""
        run = self._run
        # While the gate is closed, bodies wait and none runs.
        is_recording = run.checkpointer.is_writing or bool(self._interrupted)
        if is_recording or (run.gate is None and run.bodies.is_any_running()):
            return False
        since = (run.plane.now() - _last_recorded_at(run)) / 1000
        whole = time.monotonic() - self._started_at
        return since > max(_STUCK_SECONDS, _STUCK_INVOCATIONS * whole)

    def _has_waited_in_vain(self) -> bool:
        """True if the workflow has waited for something outside for over half of the invocation."""
        return self._scheduler.waited() > (time.monotonic() - self._started_at) / 2

    def _is_at_rest(self) -> bool:
        """Return ``True`` if no task can move, no completion is due and everything is acknowledged."""
        waits: list[Any] = [watched.blocked_on for watched in self._run.tasks.live]
        blocked = all(isinstance(each, asyncio.Future) and not each.done() for each in waits)
        kept = not any(timer.is_ticking or timer.is_loose for timer in self._run.timers)
        settled = blocked and kept and not self._run.completions.due
        return settled and self._run.checkpointer.is_idle and not self._run.outside.may_wake()


def _last_recorded_at(run: InvocationRun) -> float:
    """Return the time of the newest record, in milliseconds."""
    newest = run.completions.now
    for record in run.journal.known():
        details = record.step_details
        retried_at = details.next_attempt_timestamp if details is not None else None
        newest = max(
            newest, record.start_timestamp or 0, record.end_timestamp or 0, retried_at or 0
        )
    return newest

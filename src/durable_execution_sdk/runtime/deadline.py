"""The deadline of an invocation: it leaves before the function's time is up, quiescent or not."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from durable_execution_sdk.errors import InvocationError
from durable_execution_sdk.runtime.current import sdk_context
from durable_execution_sdk.runtime.run import InvocationRun
from durable_execution_sdk.runtime.scheduler import Scheduler
from durable_execution_sdk.runtime.verdicts import Abort, Suspend

__all__ = ["Deadline"]


class Deadline:
    """The timer of one invocation by which it leaves before the function's time is up."""

    def __init__(self, run: InvocationRun, scheduler: Scheduler) -> None:
        self._run = run
        self._scheduler = scheduler
        self._started_at = time.monotonic()
        self._timer: asyncio.TimerHandle | None = None

    def leave_after(self, seconds: float) -> None:
        """Leave after so many seconds, which is before the end of the function's time by the run's margin."""
        self._timer = self._run.loop.call_later(
            max(seconds, 0), self._on_deadline, context=sdk_context()
        )

    def stop(self) -> None:
        """Cancel the timer: the invocation is about to be unwound."""
        if self._timer is not None:
            self._timer.cancel()

    def _on_deadline(self) -> None:
        """Record the timers as WAITs, because the invocation's time is nearly up; then leave."""
        timers = [] if self._run.bodies.is_any_running() else list(self._run.timers)
        for timer in timers:
            timer.hand_over()
        if timers:
            self._timer = self._run.loop.call_later(
                self._run.margin / 2, self._leave, context=sdk_context()
            )
        else:
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
        from durable_execution_sdk.runtime.deadlocks.stuck import error_of  # noqa: PLC0415 - rarely needed

        run = self._run
        missing = self._scheduler.threads.missing() if run.journal.thread_ends else None
        run.stop(Abort(error_of(run, missing), fatal=True))

    def _is_stuck(self) -> bool:
        """True if the workflow's own code has kept invocation after invocation from recording anything."""
        run = self._run
        # While the gate is closed, bodies wait and none runs.
        if run.checkpointer.is_writing or (run.gate is None and run.bodies.is_any_running()):
            return False
        from durable_execution_sdk.runtime.deadlocks.stuck import is_stuck  # noqa: PLC0415 - rarely needed

        return is_stuck(run, time.monotonic() - self._started_at)

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

"""Workflow code that keeps one invocation after the other from recording anything.

A call in a thread that never ends, or a loop without end, in workflow code takes each invocation to its
deadline, and Lambda invokes again. The same happens after the code has changed, if a thread waits for an
operation that the gate holds back. One such invocation proves nothing: the call may have been slow this time.
So the measure is the log. If nothing was recorded for an hour, and for three whole invocations, then the
execution fails.

Nothing counts these invocations: no update may leave while the gate is closed, and the next process knows nothing
of this one. The age of the log also contains times in which the service did not invoke, so after a pause
fewer invocations may be enough; but one whole invocation is always needed.
"""

from __future__ import annotations

from durable_execution_sdk.errors import DeadlockError, DeterminismError, ExecutionError
from durable_execution_sdk.runtime.run import InvocationRun

__all__ = ["STUCK_INVOCATIONS", "STUCK_SECONDS", "error_of", "is_stuck"]

STUCK_SECONDS = 3600.0
STUCK_INVOCATIONS = 3


def is_stuck(run: InvocationRun, seconds: float) -> bool:
    """Return ``True`` if an invocation that took so many seconds is one of several that recorded nothing."""
    since = (run.plane.now() - _last_recorded_at(run)) / 1000
    return since > max(STUCK_SECONDS, STUCK_INVOCATIONS * seconds)


def error_of(run: InvocationRun, missing: DeterminismError | None) -> ExecutionError:
    """Return the error: what replay misses of the log if it misses anything, else that the code never ends."""
    divergence = missing or (run.gate.divergence() if run.gate is not None else None)
    if divergence is not None:
        return DeterminismError(
            f"{divergence}. Workflow code, or a thread that it waits for, ran until the function's time was up, in"
            " each invocation of the last hour"
        )
    return DeadlockError(
        "workflow code, or a thread that it waits for, ran until the function's time was up, in each invocation of"
        " the last hour, and recorded nothing. It runs again from the start in each. Put it into a step, and"
        " give the function more time than one attempt takes"
    )


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

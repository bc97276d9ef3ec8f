"""The activity of an execution: running, killed, suspended or waiting for an answer."""

from __future__ import annotations

from enum import StrEnum

from durable_execution_sdk.engine.views.progress import Awaited
from durable_execution_sdk.protocol.control_plane import ExecutionStatus
from durable_execution_sdk.rendering.callback_names import path_of
from durable_execution_sdk.rendering.family import Family, Waiter
from durable_execution_sdk.rendering.wording import comes_again, deadline, reason_of

__all__ = ["Activity", "activity_of", "summary"]


class Activity(StrEnum):
    """Kinds of activity.

    ``KILLED``: its process ended during an invocation, and no other one goes on with it. ``DUE``: the next
    invocation can begin, and no process begins it. ``HELD``: edited code does not fit its log.
    """

    RUNNING = "running"
    KILLED = "killed"
    DUE = "due"
    HELD = "held"
    PAUSED = "paused"
    ASKING = "asking"
    SUSPENDED = "suspended"
    ENDED = "ended"


def activity_of(executions: Family, *, has_process: bool) -> Activity:
    """Return the activity of an execution; ``has_process``: a process runs it now."""
    execution = executions.execution
    if execution.ended_at is not None:
        return Activity.ENDED
    if executions.is_held:
        return Activity.HELD
    if not executions.is_idle:
        if has_process:
            return Activity.RUNNING
        return Activity.KILLED if executions.is_invoked else Activity.DUE
    if execution.status == ExecutionStatus.PAUSED:
        return Activity.PAUSED
    is_asking = any(_is_asking(waiter) for waiter in executions.waiters())
    return Activity.ASKING if is_asking else Activity.SUSPENDED


def summary(executions: Family, activity: Activity, now: int) -> str:
    """Write an activity in one line, with the operation that ends the waiting, and when.

    A callback comes first, because it waits for a person or another system, then a held execution, then the
    earliest.
    """
    if activity is Activity.ENDED:
        return ""
    if activity not in (Activity.ASKING, Activity.SUSPENDED):
        return activity
    waiters = sorted(executions.waiters(), key=_urgency)
    if executions.retry_at is not None:
        return f"{activity}: {comes_again(executions.retry_at, now)}"
    if not waiters:
        return activity
    first, *others = waiters
    more = f", and {len(others)} more" if others else ""
    path = " / ".join(path_of(first))
    if _is_asking(first):
        return f"{activity}: {path} {deadline(first.waiting, now)}".rstrip() + more
    return f"{activity}: {path} waits {reason_of(first, now)}{more}"


def _is_asking(waiter: Waiter) -> bool:
    return waiter.waiting.awaited is Awaited.ANSWER


def _urgency(waiter: Waiter) -> tuple[bool, bool, float]:
    until = waiter.waiting.until
    return not _is_asking(waiter), not waiter.held, float("inf") if until is None else until

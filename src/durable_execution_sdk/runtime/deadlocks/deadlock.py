"""The error of a deadlocked workflow, which lists each task, what it waits for and its source line."""

from __future__ import annotations

from collections.abc import Iterable

from durable_execution_sdk.errors import DeadlockError
from durable_execution_sdk.runtime.deadlocks.waits import describe, swallows_cancellations
from durable_execution_sdk.runtime.tasks import WorkflowTasks
from durable_execution_sdk.runtime.tasks.spinning import Held

__all__ = ["deadlock"]

# A map may have thousands of branches, most of which wait for the same thing.
_SHOWN = 20


def deadlock(tasks: WorkflowTasks, idle: Iterable[str], waited: float, moves: int) -> DeadlockError:
    """Make the error.

    ``idle`` are the labels of operations that are pending and not awaited. ``waited`` is the number of
    seconds for which the workflow has waited for something outside, ``moves`` the number of moves that its
    tasks have made since the last delivery.
    """
    own = {watched.task for watched in tasks.live}
    lines = sorted(describe(watched, own) for watched in tasks.live)
    spins = any(isinstance(watched.blocked_on, Held) for watched in tasks.live)
    parts = ["the workflow is deadlocked: "]
    if spins:
        parts.append(f"its tasks have moved {moves:,} times, and no operation can complete")
    else:
        parts.append("every task waits and nothing can wake one")
    parts.append(f". {'; '.join(lines[:_SHOWN])}")
    if len(lines) > _SHOWN:
        parts.append(f"; and {len(lines) - _SHOWN:,} more tasks")
    parts.append(".")
    pending = ", ".join(sorted(idle))
    if pending:
        parts.append(f" Pending, but not awaited: {pending}.")
    if waited:
        parts.append(
            f" Nothing woke a task in {round(waited, 1):g} s. If the workflow waits for a thread, put its work"
            " into a step: await ctx.step(...)"
        )
    elif any(map(swallows_cancellations, tasks.live)):
        parts.append(
            " A task that is cancelled must end: raise the CancelledError again where you catch it, and do not await, in"
            " a group that is cancelled, the task that waits for that group"
        )
    elif spins:
        parts.append(
            " Await the operation that the loop polls, instead of polling; put long work into a step"
        )
    else:
        parts.append(
            " Await the operation that should wake the task, or set the event before waiting"
        )
    return DeadlockError("".join(parts))

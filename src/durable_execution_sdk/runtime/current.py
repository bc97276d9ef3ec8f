"""The kind of code that runs now: workflow code, the body of a step, or neither.

``CURRENT`` holds a ``WorkflowTask``, a ``StepContext`` or ``None`` (the SDK's own code, or no workflow). The
step context is the data of the attempt that runs, for the body of a step.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Callable
from contextvars import Context, ContextVar

from msgspec import Struct
from msgspec.structs import force_setattr

from durable_execution_sdk.errors import ContextMisuseError

__all__ = [
    "CURRENT",
    "HANDED_OVER_BY",
    "StepContext",
    "cut_off",
    "get_current",
    "running_task",
    "sdk_context",
    "set_current",
    "task_on",
]

# Returns the task that runs on a loop. In Python 3.11 the public function is written in Python; called for
# each operation, it would cost a tenth of a replayed step. This is the dictionary that it reads.
if sys.version_info >= (3, 12):
    task_on: Callable[[asyncio.AbstractEventLoop], asyncio.Task[object] | None] = (
        asyncio.current_task
    )
else:
    task_on = vars(asyncio.tasks)["_current_tasks"].get

CURRENT: ContextVar[object] = ContextVar("durable_execution_current", default=None)
# Its methods, which code that runs for each operation calls. The method of a name that was imported is bound anew
# in each call, which costs as much as a small function.
get_current = CURRENT.get
set_current = CURRENT.set
# In a callback that another thread has handed to the loop: the value of ``CURRENT`` in that thread.
HANDED_OVER_BY: ContextVar[object] = ContextVar("durable_execution_handed_over_by", default=None)


def running_task() -> object:
    """Return the task that runs; ``None`` if there is none."""
    try:
        return asyncio.current_task()
    except RuntimeError:  # no loop runs
        return None


def sdk_context() -> Context:
    """Return a new context for callbacks and tasks of the SDK, which belong to no workflow task.

    A context cannot be entered by two threads at once, and each thread may run an invocation.
    """
    return Context()


class StepContext(Struct, frozen=True, gc=False, kw_only=True, eq=False):
    """The running attempt of a step. A step's body gets it from ``StepContext.current()``.

    ``attempt`` counts from 1. ``is_cancelled`` becomes true when the step is given up or the invocation
    ends; a plain function cannot be stopped, so one that runs long should check it and return. ``ends_at``
    is the monotonic time at which the invocation ends, ``None`` if it has no limit. Most steps need none of
    this: any function can be a step.
    """

    operation_id: str
    operation_name: str | None
    parent_id: str | None
    attempt: int
    durable_execution_arn: str
    request_id: str
    logger: logging.Logger
    ends_at: float | None
    is_cancelled: bool = False

    @staticmethod
    def current() -> StepContext:
        """Return the context of the attempt that runs.

        Works in the body of a step and in everything that it calls, also in the thread of a plain function.
        Raises ``ContextMisuseError`` elsewhere.
        """
        current = CURRENT.get()
        if isinstance(current, StepContext):
            return current
        raise ContextMisuseError(
            "StepContext.current() was called outside a step: only a step's body, and what it calls,"
            " has an attempt"
        )

    @property
    def remaining_seconds(self) -> float | None:
        """The seconds that the invocation has left; ``None`` if its time is not limited."""
        return None if self.ends_at is None else max(0.0, self.ends_at - time.monotonic())


def cut_off(context: StepContext) -> None:
    """Set ``is_cancelled``: nothing waits for the attempt any more."""
    force_setattr(context, "is_cancelled", True)  # noqa: FBT003 - its signature

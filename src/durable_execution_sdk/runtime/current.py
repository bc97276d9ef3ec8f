"""The kind of code that runs now: workflow code, the body of a step, or neither.

``CURRENT`` holds a ``WorkflowTask``, a ``StepContext`` or ``None`` (the SDK's own code, or no workflow). The
step context is the data of the attempt that runs, for the body of a step. A ``ThreadCall`` is what a thread runs for workflow
code.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
from collections.abc import Callable
from contextvars import Context, ContextVar
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import force_setattr

from durable_execution_sdk.errors import ContextMisuseError

__all__ = [
    "CURRENT",
    "HANDED_OVER_BY",
    "StepContext",
    "ThreadCall",
    "cut_off",
    "get_current",
    "running_call",
    "running_task",
    "sdk_context",
    "set_current",
    "set_retry_payload",
    "task_on",
]

_T = TypeVar("_T")

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
    is the monotonic time at which the invocation ends, ``None`` if it has no limit. ``retry_payload`` is the
    text that the RETRY of the attempt before recorded: in a check of ``wait_for_condition`` the state that the
    check before returned, as its serdes wrote it. It is ``None`` in a first attempt, and in a step, whose RETRY
    records an error. Most steps need none of this: any function can be a step.
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
    retry_payload: str | None = None

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

    def retry_payload_as(self, kind: type[_T]) -> _T | None:
        """Return ``retry_payload``, read from JSON as a value of this type; ``None`` if there is none.

        Raises ``SerDesError`` if it does not fit the type. A payload that another serdes wrote is for that to read.
        """
        if self.retry_payload is None:
            return None
        from durable_execution_sdk import serdes  # noqa: PLC0415 - few bodies ask for it

        context = serdes.ValueContext(
            operation_id=self.operation_id,
            operation_name=self.operation_name,
            durable_execution_arn=self.durable_execution_arn,
            subject=f"the retry payload of {self.operation_name!r} ({self.operation_id})",
            remedy="or read retry_payload with the serdes that wrote it",
        )
        text = self.retry_payload
        if text.startswith(serdes.ENVELOPE):
            text = serdes.without_envelopes(text)
        value: _T = serdes.serdes_for_type(kind).deserialize(text, context)
        return value


def set_retry_payload(context: StepContext, payload: str) -> None:
    """Set ``retry_payload``, the text of the RETRY that led to the attempt."""
    force_setattr(context, "retry_payload", payload)


def cut_off(context: StepContext) -> None:
    """Set ``is_cancelled``: nothing waits for the attempt any more."""
    force_setattr(context, "is_cancelled", True)  # noqa: FBT003 - its signature


# What a thread waits, in seconds, for the loop's thread to say which call it runs: that does so at once.
_LONGEST_WAIT = 1.0

_running = threading.local()


class ThreadCall:
    """A function that workflow code calls in a thread. Replay makes the call again.

    The log holds the end of a call that an earlier invocation has seen through, so the lines that it logs then were
    written before. Of a call without a recorded end that is not certain, and it counts as new.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        # The code that made the call: only ``asyncio.to_thread`` hands the context variables on.
        self.caller = get_current()
        self._is_known = threading.Event()
        self._is_replayed = False

    @staticmethod
    def suits(executor: object) -> bool:
        """Return ``True`` if the executor runs functions in threads: others may have to pickle them."""
        if executor is None:
            return True
        pools = sys.modules.get("concurrent.futures.thread")  # loaded if there is such an executor
        return pools is not None and isinstance(executor, pools.ThreadPoolExecutor)

    def __call__(self, *args: object) -> Any:
        """Run the function in this thread."""
        _running.call = self
        try:
            return self._function(*args)
        finally:
            _running.call = None

    def tell(self, *, is_replayed: bool) -> None:
        """Say if the log holds the end of the call; the executor may have begun it already."""
        self._is_replayed = is_replayed
        self._is_known.set()

    @property
    def is_replayed(self) -> bool:
        """True if an earlier invocation has seen the call through."""
        return self._is_known.wait(_LONGEST_WAIT) and self._is_replayed


def running_call() -> ThreadCall | None:
    """Return the call of workflow code that this thread runs."""
    call: ThreadCall | None = getattr(_running, "call", None)
    return call

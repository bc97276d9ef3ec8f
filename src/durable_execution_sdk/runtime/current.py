"""The kind of code that runs now: workflow code, the body of a step, or neither.

``CURRENT`` holds a ``WorkflowTask``, a ``StepContext`` or ``None`` (the SDK's own code, or no workflow).
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextvars import Context, ContextVar
from typing import Any

# Returns the task that runs on a loop. In Python 3.11 the public function is written in Python; called for
# each operation, it would cost a tenth of a replayed step. This is the dictionary that it reads.
if sys.version_info >= (3, 12):
    task_on: Callable[[asyncio.AbstractEventLoop], asyncio.Task[Any] | None] = asyncio.current_task
else:
    task_on = vars(asyncio.tasks)["_current_tasks"].get

CURRENT: ContextVar[object] = ContextVar("durable_execution_current", default=None)


def sdk_context() -> Context:
    """Return a new context for callbacks and tasks of the SDK, which belong to no workflow task.

    A context cannot be entered by two threads at once, and each thread may run an invocation.
    """
    return Context()

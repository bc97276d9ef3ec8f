"""Who is running: workflow code, a step body, or neither (the SDK itself, or no workflow at all)."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextvars import Context, ContextVar
from typing import Any

# The task that runs on a loop. In Python 3.11 the public function is written in Python, and asked of each
# operation it would cost a tenth of a replayed step; this is what it looks into.
if sys.version_info >= (3, 12):
    task_on: Callable[[asyncio.AbstractEventLoop], asyncio.Task[Any] | None] = asyncio.current_task
else:
    task_on = vars(asyncio.tasks)["_current_tasks"].get

CURRENT: ContextVar[object] = ContextVar("durable_execution_current", default=None)


def sdk_context() -> Context:
    """A context for what the SDK runs for itself: that belongs to no workflow task.

    A new one each time: two threads, each with an invocation of its own, cannot be in the same.
    """
    return Context()

"""Who is running: workflow code, a step body, or neither (the SDK itself, or no workflow at all)."""

from __future__ import annotations

from contextvars import Context, ContextVar

CURRENT: ContextVar[object] = ContextVar("durable_execution_current", default=None)


def sdk_context() -> Context:
    """A context for what the SDK runs for itself: that belongs to no workflow task.

    A new one each time: two threads, each with an invocation of its own, cannot be in the same.
    """
    return Context()

"""Who is running: workflow code, a step body, or neither (the SDK itself, or no workflow at all)."""

from __future__ import annotations

from contextvars import Context, ContextVar

CURRENT: ContextVar[object] = ContextVar("durable_execution_current", default=None)

# What the SDK runs for itself belongs to no workflow task, wherever it was started from.
SDK_CONTEXT = Context()

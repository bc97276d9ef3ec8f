"""Payloads in a history: shown or left out, with a flag (``Truncated``) as the service sets it."""

from __future__ import annotations

from durable_execution_sdk.model.failure import ErrorObject
from durable_execution_sdk.model.history import EventError, EventInput, EventReason, EventResult


def input_of(payload: str | None, *, shown: bool) -> EventInput:
    """Wrap an input for the history."""
    is_left_out = not shown and payload is not None
    return EventInput(payload=None if is_left_out else payload, truncated=is_left_out)


def result_of(payload: str | None, *, shown: bool) -> EventResult:
    """Wrap a result for the history."""
    is_left_out = not shown and payload is not None
    return EventResult(payload=None if is_left_out else payload, truncated=is_left_out)


def error_of(payload: ErrorObject | None, *, shown: bool) -> EventError:
    """Wrap an error for the history."""
    is_left_out = not shown and payload is not None
    return EventError(payload=None if is_left_out else payload, truncated=is_left_out)


def reason_of(payload: str | None, *, shown: bool) -> EventReason | None:
    """Wrap a reason for the history; ``None`` if there is none."""
    if payload is None:
        return None
    return EventReason(payload=payload if shown else None, truncated=not shown)

"""Payloads in a history: shown, or left out; either way a mark says which, as the service's does."""

from __future__ import annotations

from durable_execution_sdk.model.failure import ErrorObject
from durable_execution_sdk.model.history import EventError, EventInput, EventReason, EventResult


def input_of(payload: str | None, *, shown: bool) -> EventInput:
    """An input."""
    is_left_out = not shown and payload is not None
    return EventInput(payload=None if is_left_out else payload, truncated=is_left_out)


def result_of(payload: str | None, *, shown: bool) -> EventResult:
    """A result."""
    is_left_out = not shown and payload is not None
    return EventResult(payload=None if is_left_out else payload, truncated=is_left_out)


def error_of(payload: ErrorObject | None, *, shown: bool) -> EventError:
    """An error."""
    is_left_out = not shown and payload is not None
    return EventError(payload=None if is_left_out else payload, truncated=is_left_out)


def reason_of(payload: str | None, *, shown: bool) -> EventReason | None:
    """A reason, if one was given."""
    if payload is None:
        return None
    return EventReason(payload=payload if shown else None, truncated=not shown)

"""Payloads in a history: present or left out, with a flag (``Truncated``) as the service sets it."""

from __future__ import annotations

from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.history import EventError, EventInput, EventReason, EventResult


def input_of(payload: str | None, *, include_data: bool) -> EventInput:
    """Wrap an input for the history."""
    is_left_out = not include_data and payload is not None
    return EventInput(payload=None if is_left_out else payload, truncated=is_left_out)


def result_of(payload: str | None, *, include_data: bool) -> EventResult:
    """Wrap a result for the history."""
    is_left_out = not include_data and payload is not None
    return EventResult(payload=None if is_left_out else payload, truncated=is_left_out)


def error_of(payload: ErrorObject | None, *, include_data: bool) -> EventError:
    """Wrap an error for the history."""
    is_left_out = not include_data and payload is not None
    return EventError(payload=None if is_left_out else payload, truncated=is_left_out)


def reason_of(payload: str | None, *, include_data: bool) -> EventReason | None:
    """Wrap a reason for the history; ``None`` if there is none."""
    if payload is None:
        return None
    return EventReason(payload=payload if include_data else None, truncated=not include_data)

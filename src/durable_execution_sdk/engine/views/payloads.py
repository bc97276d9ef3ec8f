"""Payloads in a history: shown, or left out with a mark that says so."""

from __future__ import annotations

from durable_execution_sdk.model.failure import ErrorObject
from durable_execution_sdk.model.history import EventError, EventInput, EventReason, EventResult


def input_of(payload: str | None, *, shown: bool) -> EventInput:
    """An input."""
    return EventInput(payload=payload) if shown or payload is None else EventInput(truncated=True)


def result_of(payload: str | None, *, shown: bool) -> EventResult:
    """A result."""
    return EventResult(payload=payload) if shown or payload is None else EventResult(truncated=True)


def error_of(payload: ErrorObject | None, *, shown: bool) -> EventError:
    """An error."""
    return EventError(payload=payload) if shown or payload is None else EventError(truncated=True)


def reason_of(payload: str | None, *, shown: bool) -> EventReason | None:
    """A reason, if one was given."""
    if payload is None:
        return None
    return EventReason(payload=payload) if shown else EventReason(truncated=True)

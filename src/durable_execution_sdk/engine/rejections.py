"""Errors with which the service refuses a command: the API's error code and HTTP status of each."""

from __future__ import annotations

from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.protocol.error_codes import (
    ALREADY_STARTED,
    CALLBACK_CLOSED,
    CONFLICT,
    INVALID_PARAMETER,
    NOT_FOUND,
    STATUS,
    TOO_LARGE,
)


class Rejected(ServiceError):  # noqa: N818 - a regular response of the service
    """Raised for a command that the rules do not allow; no event was recorded."""


def invalid(message: str) -> Rejected:
    """Return the error for a malformed request."""
    return Rejected(message, code=INVALID_PARAMETER, status=STATUS[INVALID_PARAMETER])


def stale_token() -> Rejected:
    """Return the error for a token that was used or whose invocation is over. Clients match its text."""
    return invalid("Invalid checkpoint token")


def conflict(message: str) -> Rejected:
    """Return the error for a request that the execution's present status forbids."""
    return Rejected(message, code=CONFLICT, status=STATUS[CONFLICT])


def not_found(message: str) -> Rejected:
    """Return the error for a resource that does not exist."""
    return Rejected(message, code=NOT_FOUND, status=STATUS[NOT_FOUND])


def callback_closed(message: str) -> Rejected:
    """Return the error for completing a callback that has ended."""
    return Rejected(message, code=CALLBACK_CLOSED, status=STATUS[CALLBACK_CLOSED])


def already_started(message: str) -> Rejected:
    """Return the error for a name that belongs to an execution with another input."""
    return Rejected(message, code=ALREADY_STARTED, status=STATUS[ALREADY_STARTED])


def too_large(message: str) -> Rejected:
    """Return the error for an input above the limit of an invocation."""
    return Rejected(message, code=TOO_LARGE, status=STATUS[TOO_LARGE])

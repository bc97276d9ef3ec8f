"""Exceptions that only the client raises."""

from __future__ import annotations

from durable_execution_sdk.errors import DurableError, ServiceError

__all__ = ["AlreadyStartedError", "ResultTimeoutError"]


class AlreadyStartedError(ServiceError):
    """An execution of this name exists already, and was started with another input."""


class ResultTimeoutError(DurableError, TimeoutError):
    """The execution has not ended in the time that ``result(timeout=...)`` allows; it goes on."""

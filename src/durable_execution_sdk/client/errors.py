"""Exceptions that only the client raises."""

from __future__ import annotations

from durable_execution_sdk.errors import DurableError, ServiceError
from durable_execution_sdk.protocol.continuation import Continuation

__all__ = [
    "AlreadyStartedError",
    "ContinuedAsNewError",
    "InboxFullError",
    "NoInboxError",
    "ResultTimeoutError",
]


class AlreadyStartedError(ServiceError):
    """An execution of this name exists already, and was started with another input."""


class ContinuedAsNewError(DurableError):
    """The execution has no result, because it went on as another one; ``continuation`` names that."""

    def __init__(self, continuation: Continuation) -> None:
        super().__init__(
            f"{continuation.of} has no result: it went on as {continuation.name}, which has it. result() without"
            " follow=False waits for that one"
        )
        self.continuation = continuation


class ResultTimeoutError(DurableError, TimeoutError):
    """The execution has not ended in the time that ``result(timeout=...)`` allows; it goes on."""


class InboxFullError(ServiceError):
    """The inbox of the execution had no room for the message; it was not accepted."""


class NoInboxError(ServiceError):
    """The execution has no such inbox, or takes no more messages; the message was not accepted."""

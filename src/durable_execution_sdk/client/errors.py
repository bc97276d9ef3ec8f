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
    """An execution of this name exists already, and was started with another input.

    Cause: the name is in use, and names are kept until the retention of the execution ends.

    Cure: take another name, or the same input if you mean the same execution: that returns its handle.
    """


class ContinuedAsNewError(DurableError):
    """The execution has no result, because it went on as another one; ``continuation`` names that.

    Cure: call ``result()`` with its default ``follow=True``, or ask for the execution that ``continuation`` names.
    """

    def __init__(self, continuation: Continuation) -> None:
        super().__init__(
            f"{continuation.of} has no result: it went on as {continuation.name}, which has it. result() without"
            " follow=False waits for that one"
        )
        self.continuation = continuation


class ResultTimeoutError(DurableError, TimeoutError):
    """The execution has not ended in the time that ``result(timeout=...)`` allows; it goes on.

    Cure: call ``result`` again later; to end the execution call ``stop``.
    """


class InboxFullError(ServiceError):
    """The inbox of the execution had no room for the message; it was not accepted.

    Cause: the code takes messages more slowly than they come.

    Cure: send again later, or give the inbox more room (``ctx.inbox(..., window=...)``).
    """


class NoInboxError(ServiceError):
    """The execution has no such inbox, or takes no more messages; the message was not accepted.

    Cause: the code has not opened the inbox yet, calls it differently, has closed it, or has ended.

    Cure: compare the name with ``ctx.inbox(name)``; open inboxes at the beginning of the workflow.
    """

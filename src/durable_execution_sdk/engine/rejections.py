"""How the service says no: one function for each answer, with the API's name and HTTP status."""

from __future__ import annotations

from durable_execution_sdk.errors import ServiceError


class Rejected(ServiceError):  # noqa: N818 - an answer, not an accident
    """A command that the rules do not allow; nothing was recorded."""


def invalid(message: str) -> Rejected:
    """A request that is wrong in itself."""
    return Rejected(message, code="InvalidParameterValueException", status=400)


def stale_token() -> Rejected:
    """A token that was used, or belongs to an invocation that is over. Clients match this text."""
    return invalid("Invalid checkpoint token")


def conflict(message: str) -> Rejected:
    """A request that does not fit what is going on."""
    return Rejected(message, code="ResourceConflictException", status=409)


def not_found(message: str) -> Rejected:
    """A request for something that is not there."""
    return Rejected(message, code="ResourceNotFoundException", status=404)


def callback_closed(message: str) -> Rejected:
    """An answer to a callback that is over."""
    return Rejected(message, code="CallbackTimeoutException", status=400)


def already_started(message: str) -> Rejected:
    """A name that is taken by an execution with another input."""
    return Rejected(message, code="DurableExecutionAlreadyStartedException", status=409)


def too_large(message: str) -> Rejected:
    """An input that is larger than an invocation takes."""
    return Rejected(message, code="RequestTooLargeException", status=413)

"""Calls of retry and polling strategies, with checks of the values that they return."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TypeVar

from durable_execution_sdk import retry
from durable_execution_sdk.errors import ConfigError, ContextMisuseError, ExecutionError
from durable_execution_sdk.runtime.error_objects import shown

__all__ = ["decide", "delay_of_retry", "failed_attempt"]

_D = TypeVar("_D")

# Errors after which another attempt would end in the same way.
_NEVER_RETRIED = (ExecutionError, ContextMisuseError, ConfigError)


def decide(
    strategy: Callable[..., object],
    subject: object,
    attempt: int,
    wanted: type[_D],
    description: str,
) -> _D:
    """Ask a strategy about the error of an attempt or the state of a poll, and check its return value.

    ``description`` names the operation and the attempt, for the error. Raises ``ConfigError`` if the strategy
    returns anything but a ``wanted``.
    """
    decision = strategy(subject, attempt)
    if isinstance(decision, wanted):
        return decision
    if inspect.iscoroutine(decision):
        decision.close()
    raise ConfigError(
        f"{description}, and its strategy returned {shown(decision)}; it must return a {wanted.__name__}"
        f" ({_MAKERS[wanted.__name__]})"
    )


def delay_of_retry(
    strategy: retry.RetryStrategy, error: BaseException, attempt: int, label: str
) -> int | None:
    """The delay before the next attempt, in seconds; ``None`` if there is to be none."""
    # By the type: an instance may override ``__class__``.
    if issubclass(type(error), _NEVER_RETRIED):
        return None
    decision = decide(
        strategy, error, attempt, retry.RetryDecision, failed_attempt(attempt, label, error)
    )
    return decision.delay_seconds if decision.retry else None


def failed_attempt(attempt: int, label: str, error: BaseException) -> str:
    """Name a failed attempt, for errors about its strategy."""
    return f"attempt {attempt} of {label} failed ({shown(error)})"


_MAKERS = {
    "RetryDecision": "custom_retry makes a strategy of a function that returns a delay or None",
    "WaitDecision": "poll_until(...) and poll_while(...) make strategies that do",
}

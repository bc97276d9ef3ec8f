"""Filters for the errors that are retried."""

from __future__ import annotations

import re
from typing import cast

from durable_execution_sdk.errors import ConfigError, OperationError
from durable_execution_sdk.first_use import Options

__all__ = ["Retryable", "RetryableErrorFilter", "check_retryable", "is_retryable"]


class RetryableErrorFilter(Options, frozen=True, kw_only=True):
    """Matches errors by class, type name or message; an error needs to match one of them.

    Args:
        error_types: exception classes; subclasses match too.
        type_names: names of exception classes, as in the log (``"CardDeclined"``) or with their module
            (``"shop.CardDeclined"``); for errors whose class you cannot import.
        messages: regular expressions (text or compiled), searched for in ``str(error)``.
    """

    error_types: tuple[type[Exception], ...] = ()
    type_names: tuple[str, ...] = ()
    messages: tuple[str | re.Pattern[str], ...] = ()

    def __post_init__(self) -> None:
        """Raise ``ConfigError`` for an empty filter, or values of the wrong type."""
        _check_classes("error_types", self.error_types)
        _check_names("type_names", self.type_names)
        _check_tuple("messages", self.messages)
        if not (self.error_types or self.type_names or self.messages):
            raise ConfigError(
                "RetryableErrorFilter names no error, so nothing would be retried; "
                "give error_types, type_names or messages, or use NoRetry()"
            )
        for pattern in self.messages:
            try:
                re.compile(pattern)
            except (re.error, TypeError) as error:
                raise ConfigError(
                    f"messages holds {pattern!r}, which is not a regular expression: {error}"
                ) from error

    def matches(self, error: Exception) -> bool:
        """Return True when the error matches a class, a name or a pattern."""
        if isinstance(error, self.error_types):
            return True
        if any(_is_named(error, name) for name in self.type_names):
            return True
        text = str(error)
        return any(re.search(pattern, text) for pattern in self.messages)


def _is_named(error: Exception, name: str) -> bool:
    if issubclass(type(error), OperationError):
        return cast("OperationError", error).is_a(name)
    return any(
        name in (kind.__name__, f"{kind.__module__}.{kind.__qualname__}")
        for kind in type(error).__mro__
    )


Retryable = RetryableErrorFilter | tuple[type[Exception], ...] | None
"""Type of the option ``retryable``; ``None`` means every error."""


def is_retryable(retryable: Retryable, error: Exception) -> bool:
    """Return True when a strategy's ``retryable`` option covers this error."""
    match retryable:
        case None:
            return True
        case RetryableErrorFilter():
            return retryable.matches(error)
        case _:
            return isinstance(error, retryable)


def check_retryable(retryable: Retryable) -> None:
    """Raise ``ConfigError`` for a ``retryable`` option that is empty or of the wrong type."""
    if retryable is None or isinstance(retryable, RetryableErrorFilter):
        return
    _check_classes("retryable", retryable)
    if not retryable:
        raise ConfigError("retryable is empty, so nothing would be retried; use NoRetry() for that")


def _check_classes(option: str, classes: object) -> None:
    for kind in _check_tuple(option, classes):
        if not (isinstance(kind, type) and issubclass(kind, Exception)):
            raise ConfigError(f"{option} holds exception classes, not {kind!r}")


def _check_names(option: str, names: object) -> None:
    for name in _check_tuple(option, names):
        if not isinstance(name, str):
            raise ConfigError(f"{option} holds names of classes, not {name!r}")


def _shown(value: object) -> str:
    return value.__name__ if isinstance(value, type) else repr(value)


def _check_tuple(option: str, values: object) -> tuple[object, ...]:
    if not isinstance(values, tuple):
        raise ConfigError(f"{option} is a tuple, as in ({_shown(values)},), not {values!r}")
    return cast("tuple[object, ...]", values)

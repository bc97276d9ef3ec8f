"""Checks of options that several operations have."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import FunctionType
from typing import TypeVar

from durable_execution_sdk.duration import Duration, DurationLike
from durable_execution_sdk.errors import ConfigError, ContextMisuseError, ExecutionError
from durable_execution_sdk.retry import RetryDecision, RetryStrategy

__all__ = [
    "check_config",
    "check_required_strategy",
    "check_result_type",
    "check_serdes",
    "check_strategy",
    "check_timeouts",
    "decide",
    "delay_of_retry",
    "failed_attempt",
    "shown",
    "timeout_seconds",
]

_D = TypeVar("_D")

# Errors after which another attempt would end in the same way.
_NEVER_RETRIED = (ExecutionError, ContextMisuseError, ConfigError)

# The longest timeout of a callback, in seconds (API shape CallbackOptions).
LONGEST_TIMEOUT_SECONDS = 99_999_999


def check_config(operation: str, config: object, kind: type) -> None:
    """Raise ``ConfigError`` for a ``config`` of another class, such as a strategy by itself."""
    if config is not None and not isinstance(config, kind):
        raise ConfigError(f"{operation} takes config={kind.__name__}(...), not {config!r}")


def check_serdes(option: str, serdes: object) -> None:
    """Raise ``ConfigError`` for an object without ``serialize`` and ``deserialize``, and for a class."""
    if isinstance(serdes, type) and _is_method(serdes, "serialize"):
        raise ConfigError(f"{option} must be a serdes, and {_class_of(serdes)}")
    if serdes is not None and not (hasattr(serdes, "serialize") and hasattr(serdes, "deserialize")):
        raise ConfigError(f"{option} must have serialize() and deserialize(), {serdes!r} has not")


def check_strategy(option: str, strategy: object) -> None:
    """Raise ``ConfigError`` for an object that is not ``None`` and no retry strategy."""
    if strategy is not None:
        check_required_strategy(option, strategy, "ExponentialBackoff()")


def check_required_strategy(option: str, strategy: object, example: str) -> None:
    """Raise ``ConfigError`` for an object that is no strategy, and for the class of one."""
    if isinstance(strategy, type):
        raise ConfigError(
            f"{option} must be a strategy, such as {example}, and {_class_of(strategy)}"
        )
    if not callable(strategy):
        raise ConfigError(f"{option} must be a strategy, such as {example}, not {strategy!r}")


def _is_method(owner: type, name: str) -> bool:
    """Return ``True`` if the class has a method with this name, which needs an instance."""
    return type(inspect.getattr_static(owner, name, None)) is FunctionType


def _class_of(cls: type) -> str:
    return f"{cls.__qualname__} is a class; did you mean {cls.__qualname__}()?"


def check_result_type(config: str, result_type: object, serdes: object) -> None:
    """Raise ``ConfigError`` if both a ``result_type`` and a ``serdes`` are given."""
    if result_type is not None and serdes is not None:
        raise ConfigError(f"{config} takes a result_type or a serdes, not both")


def check_timeouts(
    config: str, timeout: DurationLike | None, heartbeat: DurationLike | None
) -> None:
    """Raise ``ConfigError`` for timeouts that the service would refuse."""
    total = timeout_seconds(f"{config}.timeout", timeout)
    beat = timeout_seconds(f"{config}.heartbeat_timeout", heartbeat)
    if total and beat and beat >= total:
        raise ConfigError(
            f"{config}: heartbeat_timeout ({beat} s) must be shorter than timeout ({total} s), or it"
            " could never be what ends the callback"
        )


def timeout_seconds(option: str, timeout: DurationLike | None) -> int | None:
    """Convert a callback's timeout to whole seconds; ``None`` for no timeout.

    Raises ``ConfigError`` for a timeout that is too long.
    """
    if timeout is None:
        return None
    checked = Duration.of(timeout, option).checked(option, 0, LONGEST_TIMEOUT_SECONDS)
    return checked.to_seconds() or None


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
    strategy: RetryStrategy, error: BaseException, attempt: int, label: str
) -> int | None:
    """The delay before the next attempt, in seconds; ``None`` if there is to be none."""
    # By the type: an instance may override ``__class__``.
    if issubclass(type(error), _NEVER_RETRIED):
        return None
    decision = decide(
        strategy, error, attempt, RetryDecision, failed_attempt(attempt, label, error)
    )
    return decision.delay_seconds if decision.retry else None


def failed_attempt(attempt: int, label: str, error: BaseException) -> str:
    """Name a failed attempt, for errors about its strategy."""
    return f"attempt {attempt} of {label} failed ({shown(error)})"


_MAKERS = {
    "RetryDecision": "custom_retry makes a strategy of a function that returns a delay or None",
    "WaitDecision": "wait_until(...) and wait_while(...) make strategies that do",
}


def shown(value: object) -> str:
    """Return the ``repr`` of a value; the name of its class if ``repr`` raises."""
    try:
        return str(repr(value))
    except Exception:  # a class of the user's
        return f"a {type(value).__name__}"

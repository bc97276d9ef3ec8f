"""Checks that the options of several operations share."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import FunctionType
from typing import TypeVar

from durable_execution_sdk.duration import Duration, DurationLike
from durable_execution_sdk.errors import ConfigError

__all__ = [
    "check_config",
    "check_required_strategy",
    "check_result_type",
    "check_serdes",
    "check_strategy",
    "check_timeouts",
    "decide",
    "shown",
    "timeout_seconds",
]

_D = TypeVar("_D")

# Of a callback (API shape CallbackOptions).
LONGEST_TIMEOUT_SECONDS = 99_999_999


def check_config(operation: str, config: object, kind: type) -> None:
    """Refuse what are no options of an operation, such as a strategy by itself."""
    if config is not None and not isinstance(config, kind):
        raise ConfigError(f"{operation} takes config={kind.__name__}(...), not {config!r}")


def check_serdes(option: str, serdes: object) -> None:
    """Refuse what cannot serialize and deserialize."""
    if isinstance(serdes, type) and _is_method(serdes, "serialize"):
        raise ConfigError(f"{option} must be a serdes, and {_class_of(serdes)}")
    if serdes is not None and not (hasattr(serdes, "serialize") and hasattr(serdes, "deserialize")):
        raise ConfigError(f"{option} must have serialize() and deserialize(), {serdes!r} has not")


def check_strategy(option: str, strategy: object) -> None:
    """Refuse what cannot be asked about a failed attempt."""
    if strategy is not None:
        check_required_strategy(option, strategy, "ExponentialBackoff()")


def check_required_strategy(option: str, strategy: object, example: str) -> None:
    """Refuse what is no strategy, as the class of one is none."""
    if isinstance(strategy, type):
        raise ConfigError(
            f"{option} must be a strategy, such as {example}, and {_class_of(strategy)}"
        )
    if not callable(strategy):
        raise ConfigError(f"{option} must be a strategy, such as {example}, not {strategy!r}")


def _is_method(found: type, name: str) -> bool:
    """Tell whether only an instance of the class has this function."""
    return type(inspect.getattr_static(found, name, None)) is FunctionType


def _class_of(found: type) -> str:
    return f"{found.__qualname__} is a class; did you mean {found.__qualname__}()?"


def check_result_type(config: str, result_type: object, serdes: object) -> None:
    """Refuse two answers to the question of how a result is read."""
    if result_type is not None and serdes is not None:
        raise ConfigError(f"{config} takes a result_type or a serdes, not both")


def check_timeouts(
    config: str, timeout: DurationLike | None, heartbeat: DurationLike | None
) -> None:
    """Refuse timeouts that the service would refuse."""
    total = timeout_seconds(f"{config}.timeout", timeout)
    beat = timeout_seconds(f"{config}.heartbeat_timeout", heartbeat)
    if total and beat and beat >= total:
        raise ConfigError(
            f"{config}: heartbeat_timeout ({beat} s) must be shorter than timeout ({total} s), or it"
            " could never be what ends the callback"
        )


def timeout_seconds(option: str, timeout: DurationLike | None) -> int | None:
    """The whole seconds of a callback's timeout, or ``None`` for none; refuses one too long."""
    if timeout is None:
        return None
    checked = Duration.of(timeout, option).checked(option, 0, LONGEST_TIMEOUT_SECONDS)
    return checked.to_seconds() or None


def decide(
    strategy: Callable[..., object], subject: object, attempt: int, wanted: type[_D], told: str
) -> _D:
    """Ask a strategy about the error of an attempt, or the state of a poll; check that it decides.

    ``told`` is the operation and what was decided about, for the error.
    """
    decision = strategy(subject, attempt)
    if isinstance(decision, wanted):
        return decision
    if inspect.iscoroutine(decision):
        decision.close()
    raise ConfigError(
        f"{told}, and its strategy returned {shown(decision)}; it must return a {wanted.__name__}"
        f" ({_MAKERS[wanted.__name__]})"
    )


_MAKERS = {
    "RetryDecision": "custom_retry makes a strategy of a function that returns a delay or None",
    "WaitDecision": "wait_until(...) and wait_while(...) make strategies that do",
}


def shown(value: object) -> str:
    """The ``repr`` of a value, whatever its class does."""
    try:
        return str(repr(value))
    except Exception:  # a class of the user's
        return f"a {type(value).__name__}"

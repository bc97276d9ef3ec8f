"""Growth and jitter of delays, shared by all strategies.

Delays are whole seconds, at least 1, as the service requires. Jitter is drawn for each execution and
attempt, so that many executions that fail together do not retry together.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from contextvars import ContextVar
from enum import StrEnum

from durable_execution_sdk.duration import Duration, DurationLike
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.first_use import OptionEnum

__all__ = [
    "JITTER_SOURCE",
    "JitterStrategy",
    "chance",
    "check_attempts",
    "check_delay",
    "check_delays",
    "check_jitter",
    "check_rate",
    "exponential_delay",
]


class JitterStrategy(StrEnum, metaclass=OptionEnum):
    """Random spread of a delay: none, over all of it (FULL), or over its upper half (HALF)."""

    NONE = "NONE"
    FULL = "FULL"
    HALF = "HALF"

    def spread(self, seconds: float, random: Callable[[], float]) -> int:
        """Return a whole number of seconds, 1 to ``seconds`` rounded up; ``random`` draws from [0, 1)."""
        match self:
            case JitterStrategy.NONE:
                delay = seconds
            case JitterStrategy.FULL:
                delay = seconds * random()
            case JitterStrategy.HALF:
                delay = seconds * (1 + random()) / 2
        return max(1, math.ceil(delay))


JITTER_SOURCE: ContextVar[Callable[[], float] | None] = ContextVar(
    "durable_execution_dice", default=None
)
"""Source of random numbers for ``chance``; the testing package sets a seeded one."""


def chance() -> float:
    """Return a random number in [0, 1).

    From the operating system, because processes restored from one snapshot of Lambda SnapStart share the
    state of a seeded generator.
    """
    source = JITTER_SOURCE.get()
    if source is not None:
        return source()
    return int.from_bytes(os.urandom(7)) / (1 << 56)


def exponential_delay(initial: Duration, rate: float, limit: Duration, attempt: int) -> float:
    """Return the delay after attempt ``attempt`` (from 1) in seconds, at most ``limit``."""
    try:
        return min(initial.seconds * rate ** (attempt - 1), float(limit.seconds))
    except OverflowError:
        return float(limit.seconds)


def check_attempts(count: int) -> None:
    """Raise ``ConfigError`` unless ``max_attempts`` is a whole number, 1 or more."""
    if type(count) is not int or count < 1:
        raise ConfigError(
            f"max_attempts is a whole number, 1 or more, not {count!r}; it counts all attempts, "
            "so 1 means no retry"
        )


def check_delay(option: str, delay: DurationLike) -> Duration:
    """Return the delay as a ``Duration``; raise ``ConfigError`` unless it is 1 second to 366 days."""
    return Duration.of(delay, option).checked(option)


def check_delays(initial: DurationLike, limit: DurationLike) -> None:
    """Raise ``ConfigError`` for delays out of range, or a ``max_delay`` below ``initial_delay``."""
    first, longest = check_delay("initial_delay", initial), check_delay("max_delay", limit)
    if longest < first:
        raise ConfigError(
            f"max_delay ({longest}) is shorter than initial_delay ({first}); give at least {first}"
        )


def check_rate(rate: object) -> None:
    """Raise ``ConfigError`` unless ``backoff_rate`` is a finite number, 1 or more."""
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 1 <= rate < math.inf:
        raise ConfigError(f"backoff_rate is a number, 1 or more, not {rate!r}")


def check_jitter(jitter: object) -> None:
    """Raise ``ConfigError`` unless ``jitter`` is a ``JitterStrategy``."""
    if not isinstance(jitter, JitterStrategy):
        raise ConfigError(f"jitter is JitterStrategy.NONE, FULL or HALF, not {jitter!r}")

"""How a delay grows, and how it is spread; the arithmetic that all strategies share.

Delays are whole seconds, at least 1, since that is what the service takes. Chance is drawn anew for
each execution and attempt: a thousand executions that fail together must not come back together.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from contextvars import ContextVar
from enum import StrEnum

from durable_execution_sdk.duration import Duration, DurationLike
from durable_execution_sdk.errors import ConfigError

__all__ = [
    "DICE",
    "JitterStrategy",
    "chance",
    "check_attempts",
    "check_delay",
    "check_delays",
    "check_jitter",
    "check_rate",
    "exponential_delay",
]


class JitterStrategy(StrEnum):
    """How a delay is spread at random: not at all, over all of it, or over its upper half."""

    NONE = "NONE"
    FULL = "FULL"
    HALF = "HALF"

    def spread(self, seconds: float, random: Callable[[], float]) -> int:
        """A whole number of seconds, 1 to ``seconds``; ``random`` draws from [0, 1)."""
        match self:
            case JitterStrategy.NONE:
                spread = seconds
            case JitterStrategy.FULL:
                spread = seconds * random()
            case JitterStrategy.HALF:
                spread = seconds * (1 + random()) / 2
        return max(1, math.ceil(spread))


DICE: ContextVar[Callable[[], float] | None] = ContextVar("durable_execution_dice", default=None)
"""Whoever runs tests brings dice that fall the same way each time."""


def chance() -> float:
    """A number in [0, 1) from the operating system: a snapshot that is thawed twice differs."""
    dice = DICE.get()
    if dice is not None:
        return dice()
    return int.from_bytes(os.urandom(7)) / (1 << 56)


def exponential_delay(initial: Duration, rate: float, limit: Duration, attempt: int) -> float:
    """The delay after attempt ``attempt``, in seconds: ``initial`` the first time, then growing."""
    try:
        return min(initial.seconds * rate ** (attempt - 1), float(limit.seconds))
    except OverflowError:
        return float(limit.seconds)


def check_attempts(count: int) -> None:
    """Refuse a ``max_attempts`` that allows no attempt at all."""
    if type(count) is not int or count < 1:
        raise ConfigError(
            f"max_attempts is a whole number, 1 or more, not {count!r}; it counts all attempts, "
            "so 1 means no retry"
        )


def check_delay(option: str, delay: DurationLike) -> Duration:
    """The delay as a ``Duration``, if it is one that the service takes."""
    return Duration.of(delay, option).checked(option)


def check_delays(initial: DurationLike, limit: DurationLike) -> None:
    """Refuse an ``initial_delay`` or ``max_delay`` that is out of range, or the wrong way round."""
    first, longest = check_delay("initial_delay", initial), check_delay("max_delay", limit)
    if longest < first:
        raise ConfigError(
            f"max_delay ({longest}) is shorter than initial_delay ({first}); give at least {first}"
        )


def check_rate(rate: object) -> None:
    """Refuse a ``backoff_rate`` by which delays would shrink."""
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 1 <= rate < math.inf:
        raise ConfigError(f"backoff_rate is a number, 1 or more, not {rate!r}")


def check_jitter(jitter: object) -> None:
    """Refuse anything but a ``JitterStrategy``."""
    if not isinstance(jitter, JitterStrategy):
        raise ConfigError(f"jitter is JitterStrategy.NONE, FULL or HALF, not {jitter!r}")

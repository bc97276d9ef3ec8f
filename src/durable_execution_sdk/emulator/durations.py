"""Check and convert the durations that tests pass."""

from __future__ import annotations

from datetime import timedelta
from typing import cast

from durable_execution_sdk.duration import Duration, DurationLike
from durable_execution_sdk.errors import ConfigError

__all__ = ["lapse", "length", "seconds_allowed"]


def lapse(*, days: float, hours: float, minutes: float, seconds: float) -> timedelta:
    """Return the duration that ``advance`` was called with; ``ConfigError`` if it is negative or wrong."""
    try:
        by = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    except (TypeError, ValueError, OverflowError):
        raise ConfigError(
            "advance takes numbers of days, hours, minutes and seconds, not"
            f" {days!r}, {hours!r}, {minutes!r} and {seconds!r}"
        ) from None
    if by < timedelta(0):
        raise ConfigError(f"time goes forward only: advance by 0 or more, not {by!r}")
    return by


def length(option: str, value: DurationLike | None, default: timedelta) -> timedelta:
    """Return an option's duration, or its default; ``ConfigError`` if it is not above 0."""
    if value is None:
        return default
    duration = timedelta(seconds=value.seconds) if isinstance(value, Duration) else value
    if not isinstance(cast("object", duration), timedelta) or duration <= timedelta(0):
        raise ConfigError(f"{option} is a timedelta or Duration longer than nothing, not {value!r}")
    return duration


def seconds_allowed(seconds: float, option: str = "timeout") -> float:
    """Check a time limit in seconds, which may be ``math.inf``; ``ConfigError`` if it is not above 0."""
    if not isinstance(cast("object", seconds), int | float) or not seconds > 0:
        raise ConfigError(f"{option} is a number of seconds greater than 0, not {seconds!r}")
    return seconds

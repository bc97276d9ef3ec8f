"""Lengths of time, as tests give them: a wrong one is refused where it comes in."""

from __future__ import annotations

from datetime import timedelta
from typing import cast

from durable_execution_sdk.duration import Duration, DurationLike
from durable_execution_sdk.errors import ConfigError

__all__ = ["lapse", "length", "seconds_allowed"]


def lapse(*, days: float, hours: float, minutes: float, seconds: float) -> timedelta:
    """How much time ``advance`` lets pass."""
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


def length(option: str, given: DurationLike | None, default: timedelta) -> timedelta:
    """The length of time that an option gives, or else its default."""
    if given is None:
        return default
    found = timedelta(seconds=given.seconds) if isinstance(given, Duration) else given
    if not isinstance(cast("object", found), timedelta) or found <= timedelta(0):
        raise ConfigError(f"{option} is a timedelta or Duration longer than nothing, not {given!r}")
    return found


def seconds_allowed(seconds: float, option: str = "timeout") -> float:
    """How many real seconds something may take; ``math.inf`` is allowed."""
    if not isinstance(cast("object", seconds), int | float) or not seconds > 0:
        raise ConfigError(f"{option} is a number of seconds greater than 0, not {seconds!r}")
    return seconds

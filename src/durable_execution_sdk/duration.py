"""Durations in whole seconds, the resolution of the service's timers.

Every parameter that takes a ``Duration`` also takes a ``datetime.timedelta``. Fractions of a second are
rounded up, so that no wait is shorter than requested. A day has 24 hours, a month 30 days, a year 365.
"""

from __future__ import annotations

import math
from datetime import timedelta

from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.first_use import Options
from durable_execution_sdk.protocol.limits import LONGEST_TIMER_SECONDS

__all__ = ["Duration", "DurationLike", "check_time_limit"]

_MINUTE = 60
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR


class Duration(Options, frozen=True, order=True):
    """A length of time in whole seconds: ``Duration.from_minutes(5)``, ``Duration(seconds=90)``.

    Each parameter that takes one also takes a ``datetime.timedelta``.
    """

    seconds: int

    def __post_init__(self) -> None:
        """Raise ``ConfigError`` unless ``seconds`` is a whole, non-negative number."""
        if type(self.seconds) is not int or self.seconds < 0:
            raise ConfigError(
                f"a duration is a whole number of seconds, 0 or more, not {self.seconds!r}; "
                "Duration.from_seconds(...) rounds fractions up"
            )

    @classmethod
    def from_seconds(cls, seconds: float) -> Duration:
        """Return this many seconds; a fraction is rounded up to the next whole second."""
        return cls._counted(seconds, 1, "seconds")

    @classmethod
    def from_minutes(cls, minutes: float) -> Duration:
        """Return this many minutes."""
        return cls._counted(minutes, _MINUTE, "minutes")

    @classmethod
    def from_hours(cls, hours: float) -> Duration:
        """Return this many hours."""
        return cls._counted(hours, _HOUR, "hours")

    @classmethod
    def from_days(cls, days: float) -> Duration:
        """Return this many days of 24 hours."""
        return cls._counted(days, _DAY, "days")

    @classmethod
    def from_weeks(cls, weeks: float) -> Duration:
        """Return this many weeks of 7 days."""
        return cls._counted(weeks, 7 * _DAY, "weeks")

    @classmethod
    def from_months(cls, months: float) -> Duration:
        """Return this many months of 30 days."""
        return cls._counted(months, 30 * _DAY, "months")

    @classmethod
    def from_years(cls, years: float) -> Duration:
        """Return this many years of 365 days."""
        return cls._counted(years, 365 * _DAY, "years")

    @classmethod
    def of(cls, value: DurationLike, what: str = "a duration") -> Duration:
        """Convert a ``timedelta`` to a ``Duration``; raise ``ConfigError`` for any other type.

        ``what`` names the option in the error.
        """
        return _as_duration(value, what)

    def to_seconds(self) -> int:
        """Return the length in seconds."""
        return self.seconds

    def checked(
        self, what: str, minimum: int = 1, maximum: int = LONGEST_TIMER_SECONDS
    ) -> Duration:
        """Return this duration; raise ``ConfigError`` unless it is ``minimum`` to ``maximum`` seconds.

        ``what`` names the operation or option in the error, as in ``"wait 'cool_down'"``.
        """
        if minimum <= self.seconds <= maximum:
            return self
        raise ConfigError(
            f"{what}: {self} ({self.seconds:,} s) is out of range; give a duration from "
            f"{Duration(minimum)} ({minimum:,} s) to {Duration(maximum)} ({maximum:,} s)"
        )

    @classmethod
    def _counted(cls, count: object, unit: int, name: str) -> Duration:
        if isinstance(count, bool) or not isinstance(count, (int, float)):
            raise ConfigError(f"Duration.from_{name} takes a number, not {count!r}")
        total = count * unit
        if not 0 <= total < math.inf:
            raise ConfigError(f"Duration.from_{name} takes a finite number, 0 or more, not {count}")
        if isinstance(total, float):
            # 0.55 minutes are 33.00000000000001 s in binary: that is 33 s, not 34 s.
            total = math.ceil(round(total, 6)) or (1 if total else 0)
        return cls(total)

    def __add__(self, other: DurationLike) -> Duration:
        """Return the sum of both lengths."""
        match other:
            case Duration() | timedelta():
                return Duration(self.seconds + Duration.of(other).seconds)
            case _:
                return NotImplemented

    __radd__ = __add__

    def __str__(self) -> str:
        """Return a readable form: ``1d 2h 30m``."""
        minutes, seconds = divmod(self.seconds, 60)
        hours, minutes = divmod(minutes, 60)
        days, hours = divmod(hours, 24)
        parts = ((days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s"))
        return " ".join(f"{count}{unit}" for count, unit in parts if count) or "0s"


DurationLike = Duration | timedelta
"""The type of every parameter that is a length of time."""


def check_time_limit(option: str, timeout: DurationLike) -> None:
    """Raise ``ConfigError`` for the time limit of an operation that its timer cannot keep."""
    Duration.of(timeout, option).checked(option)


def _as_duration(value: object, what: str) -> Duration:
    if isinstance(value, Duration):
        return value
    if isinstance(value, timedelta):
        if value < timedelta(0):
            raise ConfigError(f"{what} is negative: {value!r}; give a length of 0 or more")
        return Duration(value.days * _DAY + value.seconds + (1 if value.microseconds else 0))
    raise ConfigError(
        f"{what} is a Duration or a datetime.timedelta, not {value!r}; "
        "for a number of seconds write Duration.from_seconds(...)"
    )

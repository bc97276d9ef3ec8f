"""Checks of the time limits of steps: lengths of time in this process, which need not be whole seconds."""

from __future__ import annotations

from datetime import timedelta

from durable_execution_sdk.duration import Duration, DurationLike
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.protocol.limits import LONGEST_INVOCATION_SECONDS

__all__ = ["check_limits", "seconds_of"]


def check_limits(timeout: DurationLike | None, needs: DurationLike | None) -> None:
    """Raise ``ConfigError`` for limits that are no durations, are zero, or that no invocation has time for."""
    seconds_of("StepConfig.timeout", timeout)
    needed = seconds_of("StepConfig.needs", needs)
    if needed is not None and needed > LONGEST_INVOCATION_SECONDS:
        raise ConfigError(
            f"StepConfig.needs is {needed:,g} s, and no invocation of a function takes longer than"
            f" {LONGEST_INVOCATION_SECONDS:,} s: divide the step"
        )


def seconds_of(option: str, length: DurationLike | None) -> float | None:
    """Convert a limit to seconds, with the fraction that a ``timedelta`` may have; ``None`` for no limit."""
    if length is None:
        return None
    whole = Duration.of(length, option).to_seconds()
    seconds = length.total_seconds() if isinstance(length, timedelta) else float(whole)
    if not seconds:
        raise ConfigError(
            f"{option} is a length of time above zero, or None for no limit, not {length!r}"
        )
    return seconds

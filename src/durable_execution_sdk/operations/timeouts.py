"""Optional timeouts in the service's terms: whole seconds, 0 for none."""

from __future__ import annotations

from durable_execution_sdk.duration import Duration, DurationLike

__all__ = ["seconds_of"]


def seconds_of(option: str, timeout: DurationLike | None, longest: int) -> int | None:
    """The seconds of a timeout, or ``None`` for none; refuses one that is too long."""
    if timeout is None:
        return None
    return Duration.of(timeout, option).checked(option, 0, longest).to_seconds() or None

"""Format times and durations. All arguments are milliseconds; times are since the epoch."""

from __future__ import annotations

from datetime import UTC, datetime

_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def at(milliseconds: float, now: float | None = None) -> str:
    """Format a time in the local zone; with its date unless that is the date of ``now``."""
    moment = datetime.fromtimestamp(milliseconds / 1000).astimezone()
    today = None if now is None else datetime.fromtimestamp(now / 1000).astimezone().date()
    return moment.strftime("%H:%M:%S" if moment.date() == today else "%Y-%m-%d %H:%M:%S")


def span(milliseconds: float) -> str:
    """Format a duration by its two largest units that are not zero."""
    if milliseconds < 1_000:
        return f"{max(0, round(milliseconds))} ms"
    if milliseconds < 60_000:
        return f"{milliseconds / 1000:.1f} s".replace(".0 ", " ")
    left = round(milliseconds / 1000)
    parts: list[str] = []
    for unit, seconds in _UNITS:
        count, left = divmod(left, seconds)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def iso(milliseconds: float | None) -> str | None:
    """Format a time as ISO 8601 in UTC."""
    if milliseconds is None:
        return None
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

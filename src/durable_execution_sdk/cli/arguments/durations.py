"""Durations on the command line, such as ``3h`` or ``1d12h30m``."""

from __future__ import annotations

import re

from durable_execution_sdk.cli.refusals import Refusal

_MILLISECONDS = {"ms": 1, "s": 1_000, "m": 60_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
_MOST_DAYS = 36_525
_LONGEST_TEXT = 80
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d)\s*")


def milliseconds(text: str, what: str) -> int:
    """Return a duration in milliseconds; raise ``Refusal`` unless it is longer than nothing."""
    if len(text) > _LONGEST_TEXT:
        raise Refusal(f"{what} is a duration such as 90s, 3h or 1d12h, not {text[:20]!r}...")
    position, total = 0, 0.0
    while part := _PART.match(text, position):
        total += float(part[1]) * _MILLISECONDS[part[2]]
        position = part.end()
    if not text or position < len(text) or round(total) < 1:
        raise Refusal(f"{what} is a duration such as 90s, 3h or 1d12h, not {text!r}")
    if total > _MOST_DAYS * _MILLISECONDS["d"]:
        raise Refusal(f"{what} is at most {_MOST_DAYS}d, a hundred years, not {text}")
    return round(total)

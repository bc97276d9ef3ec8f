"""Moments and durations on the command line: a date, with or without a time, or a duration before now."""

from __future__ import annotations

import re
from datetime import datetime

from durable_execution_sdk.cli.refusals import Refusal

_AGO = re.compile(r"(\d{1,9}) ?(s|min|h|d|w)")
_SECONDS = {"s": 1, "min": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def read_moment(text: str, option: str, now: int) -> int:
    """Return a moment in milliseconds since the epoch; raise ``Refusal`` if the text is none.

    ``2h`` is two hours before ``now``; a date and time without a zone is local.
    """
    span = _span(text)
    if span is not None:
        return max(0, now - span)
    try:
        return round(datetime.fromisoformat(text).timestamp() * 1000)
    except (ValueError, OverflowError, OSError) as error:
        raise Refusal(
            f"{option} {text!r} is no moment: give the time since then, as in 90s, 30min, 2h, 3d or 1w, or"
            " a date with or without a time, as in 2026-01-31T12:00"
        ) from error


def _span(text: str) -> int | None:
    match = _AGO.fullmatch(text)
    return None if match is None else int(match[1]) * _SECONDS[match[2]] * 1000

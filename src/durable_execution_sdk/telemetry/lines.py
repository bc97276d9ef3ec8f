"""Lines of JSON on standard output, which Lambda passes on to the log group of the function."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from durable_execution_sdk.errors import ConfigError

__all__ = ["checked_writer", "json_line", "timestamp", "write_line"]

_encode = msgspec.json.Encoder(enc_hook=str).encode


def json_line(value: object) -> str:
    """Return the value as JSON on one line.

    The line separators of Unicode are escaped, because some readers of logs split lines at them.
    """
    text = _encode(value).decode()
    if text.isascii():
        return text
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029").replace("\x85", "\\u0085")


def timestamp(at: datetime) -> str:
    """Return a time in the form ``2026-01-31T09:30:00.000Z``, of one width, so that text sorts by time."""
    utc = at.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


def write_line(line: str) -> None:
    """Write a line to standard output in one call, so that lines of threads do not mix."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def checked_writer(plugin: str, write: object) -> Callable[[str], object]:
    """Return the function that is to write lines; raise ``ConfigError`` for what is none."""
    if not callable(write):
        raise ConfigError(f"{plugin}: write is a function that takes a line, not {write!r}")
    return write

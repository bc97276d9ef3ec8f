"""``JsonFormatter``, which writes each log record as a line of JSON."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

import msgspec

from durable_execution_sdk.runtime.logging import RECORD_FIELDS, STANDARD_FIELDS

__all__ = ["JsonFormatter"]

_encode = msgspec.json.Encoder(enc_hook=str).encode


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON, with the members of Lambda's JSON log format.

    Each field that the ``ReplayFilter`` and ``extra=`` put on a record becomes a member of its own; one with the name
    of another member, such as ``level``, gets a ``_`` behind it. A value that JSON cannot have, such as a list that
    contains itself, is written as text: no value costs the line.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Format the record as JSON text."""
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {
            "timestamp": f"{seconds}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["errorType"] = record.exc_info[0].__name__
            line["errorMessage"] = _text(record.exc_info[1])
            line["stackTrace"] = self.formatException(record.exc_info).splitlines()
        if record.stack_info:
            line["stackInfo"] = self.formatStack(record.stack_info).splitlines()
        for name, value in vars(record).items():
            if name not in STANDARD_FIELDS and value is not None:
                member = _wire_name(name)
                line[f"{member}_" if member in line else member] = value
        try:
            return _encode(line).decode()
        except Exception:  # a field's own, of a RecursionError, or because a text is not Unicode
            return _encode(_readable(line)).decode()


def _readable(line: Mapping[str, Any]) -> dict[str, msgspec.Raw]:
    """Return the members of a line as JSON, those that it cannot have as text."""
    members: dict[str, msgspec.Raw] = {}
    for name, value in line.items():
        try:
            encoded = _encode(value)
        except Exception:
            encoded = _encode(_unicode(_text(value)))
        members[_unicode(name)] = msgspec.Raw(encoded)
    return members


def _text(value: object) -> str:
    """Return a text for any value, also one whose ``__str__`` raises."""
    for write in (str, repr, _name_only):
        try:
            return write(value)
        except Exception:  # noqa: S112 - the last one does not raise
            continue
    return ""


def _name_only(value: object) -> str:
    return f"<unprintable {type(value).__name__} object>"


def _unicode(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _wire_name(name: str) -> str:
    if name not in RECORD_FIELDS:
        return name
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)

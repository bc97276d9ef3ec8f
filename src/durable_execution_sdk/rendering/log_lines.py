"""Lines that functions logged, as people read them: level, operation, message and fields of a JSON record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

import msgspec

__all__ = ["log_text"]

_DEFAULT_LOGGER = "durable_execution"

# Members that the line has in other words, and those that are the same in all lines of an execution.
_SHOWN_ELSEWHERE = frozenset(
    {
        "timestamp",
        "time",
        "level",
        "message",
        "msg",
        "requestId",
        "aws_request_id",
        "durableExecutionArn",
        "executionArn",
        "operationId",
        "operationName",
        "parentId",
        "errorType",
        "errorMessage",
        "stackTrace",
    }
)


def log_text(text: str, operations: Mapping[str, str] | None = None) -> str:
    """Return a line in words if it is a JSON record, in Lambda's format or the SDK's; else the line as it is.

    ``operations`` are the paths of the execution's operations by their ids.
    """
    record = _record(text)
    if record is None:
        return text
    operation = _operation(record, operations or {})
    head = f"{record['level']} {operation}: " if operation else f"{record['level']} "
    message = record.get("message", record.get("msg", ""))
    shown = message if isinstance(message, str) else _compact(message)
    first = " ".join((f"{head}{shown}".rstrip(), *_fields(record)))
    return "\n".join((first, *_error(record)))


def _record(text: str) -> dict[str, Any] | None:
    if not text.startswith("{"):
        return None
    try:
        value: object = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    record = cast("dict[str, Any]", value)
    is_log = isinstance(record.get("level"), str) and ("message" in record or "msg" in record)
    return record if is_log else None


def _operation(record: Mapping[str, Any], operations: Mapping[str, str]) -> str:
    return operations.get(str(record.get("operationId"))) or str(record.get("operationName") or "")


def _fields(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield the members that are not shown elsewhere and say something."""
    for name, value in record.items():
        usual = (
            name in _SHOWN_ELSEWHERE
            or (name == "logger" and value == _DEFAULT_LOGGER)
            or (name == "attempt" and value in (None, 0, 1))
            or (name == "isReplay" and not value)
        )
        if not usual:
            yield f"{name}={_value(value)}"


def _value(value: object) -> str:
    if isinstance(value, str) and value and not any(each in value for each in " \t\n\"'="):
        return value
    return _compact(value)


def _error(record: Mapping[str, Any]) -> Iterator[str]:
    kind, message = record.get("errorType"), record.get("errorMessage")
    trace: object = record.get("stackTrace")
    if isinstance(trace, list) and trace:
        # Python's trace ends with the type and the message; Node's begins with them.
        yield from (f"  {line}" for line in cast("list[object]", trace))
        if any(str(message or kind) in str(line) for line in cast("list[object]", trace)):
            return
    words = [str(each) for each in (kind, message) if each]
    if words:
        yield f"  {': '.join(words)}"


def _compact(value: object) -> str:
    return msgspec.json.encode(value).decode()

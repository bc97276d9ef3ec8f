"""Payloads as people read them."""

from __future__ import annotations

import json

import msgspec

from durable_execution_sdk.protocol.operations import Operation
from durable_execution_sdk.rendering.escaping import visible

__all__ = ["json_or_text", "payload_line", "payload_lines", "result_of"]

_LONGEST_LINE = 120


def json_or_text(payload: str | None) -> object:
    """The value of a payload that is JSON, else its text: a custom serdes may write anything."""
    if payload is None:
        return None
    try:
        return msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return payload


def result_of(operation: Operation) -> str | None:
    """Return the result of an operation, if it has one."""
    details = (
        operation.step_details
        or operation.context_details
        or operation.callback_details
        or operation.chained_invoke_details
    )
    return None if details is None else details.result


def payload_line(payload: str) -> str:
    """Write a payload in one line, of at most 120 characters of it."""
    line = visible(" ".join(payload.split()))
    if len(line) <= _LONGEST_LINE:
        return line
    return f"{line[:_LONGEST_LINE]}... ({len(payload.encode('utf-8', 'surrogatepass')):,} bytes)"


def payload_lines(payload: str) -> list[str]:
    """Write a whole payload: JSON with an indentation, any other text as it is."""
    value = json_or_text(payload)
    text = value if isinstance(value, str) and value == payload else _indented(value)
    return text.split("\n")


def _indented(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)

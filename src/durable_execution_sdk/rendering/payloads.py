"""Payloads as people read them, and the status that workflow code has set: progress as a bar, a text as it is."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from typing import cast

import msgspec

from durable_execution_sdk.engine.views.progress import CustomStatus
from durable_execution_sdk.protocol.operations import Operation
from durable_execution_sdk.protocol.updates import split_totals
from durable_execution_sdk.rendering.escaping import visible
from durable_execution_sdk.rendering.times import iso

__all__ = [
    "custom_status_document",
    "custom_status_text",
    "json_or_text",
    "payload_line",
    "payload_lines",
    "result_of",
]

_LONGEST_LINE = 120
# The cells of a bar of progress.
_CELLS = 10


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
    result = None if details is None else details.result
    if operation.context_details is None or result is None:
        return result
    return split_totals(result)[0]  # the totals are for the SDK


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


def custom_status_text(status: CustomStatus, *, plain: bool = False, has_bar: bool = True) -> str:
    """Write a status in one line: ``resize: 3 of 10 (30 %) ███░░░░░░░`` for one that ``ctx.progress`` has set."""
    if status.payload is None:
        return "(not read)"
    value = json_or_text(status.payload)
    progress = _progress_text(value, plain=plain, has_bar=has_bar)
    if progress is not None:
        return progress
    return payload_line(value if isinstance(value, str) else status.payload)


def custom_status_document(status: CustomStatus | None) -> dict[str, object]:
    """Build the members of a document for a status; both are null if there is none."""
    return {
        "custom_status": None if status is None else json_or_text(status.payload),
        "custom_status_timestamp": None if status is None else iso(status.at),
    }


def _progress_text(value: object, *, plain: bool, has_bar: bool) -> str | None:
    """Write the progress that ``ctx.progress`` has set; return ``None`` for another value."""
    if not isinstance(value, Mapping):
        return None
    members = cast("Mapping[str, object]", value)
    done, total, label = (members.get(name) for name in ("done", "total", "label"))
    is_other = members.keys() - {"done", "total", "label"} or "total" not in members
    if is_other or not _is_amount(done) or not (total is None or _is_amount(total)):
        return None
    if not (label is None or isinstance(label, str)):
        return None
    name = "" if label is None else f"{visible(label)}: "
    if total is None:
        return f"{name}{_number(done)} done"
    share = min(1.0, cast("float", done) / cast("float", total)) if total else 1.0
    filled = math.floor(share * _CELLS)
    full, empty = ("#", ".") if plain else ("█", "░")
    bar = f" {full * filled}{empty * (_CELLS - filled)}" if has_bar else ""
    return f"{name}{_number(done)} of {_number(total)} ({math.floor(share * 100)} %){bar}"


def _is_amount(value: object) -> bool:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    return 0 <= value <= sys.float_info.max  # an integer may be larger, and has no share


def _number(value: object) -> str:
    return f"{value:,}"

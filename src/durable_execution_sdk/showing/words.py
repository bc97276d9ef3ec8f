"""What operations and events are called, and what they wait for, in a reader's words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from durable_execution_sdk.engine.views.progress import Awaited, OperationProgress, Waiting
from durable_execution_sdk.model.control import ExecutionStatus
from durable_execution_sdk.model.failure import ErrorObject
from durable_execution_sdk.model.history import HistoryEvent
from durable_execution_sdk.model.operation import Operation
from durable_execution_sdk.showing.family import Family, Waiter, kind
from durable_execution_sdk.showing.times import at, span
from durable_execution_sdk.showing.visible import visible

_LONGEST_ERROR = 120
_GONE = "Runtime.ExitError"
_CUT_OFF = re.compile(r"RequestId: \S+ Error: (.*)")


def brief(error: ErrorObject) -> str:
    """An error in one line."""
    message = _plain(error.error_type, " ".join((error.error_message or "").split()))
    text = visible(f"{error.error_type}: {message}" if error.error_type else message)
    return text if len(text) <= _LONGEST_ERROR else f"{text[:_LONGEST_ERROR]}..."


def _plain(error_type: str | None, message: str) -> str:
    """Lambda's message about an invocation that was cut off, in words; every other as it is."""
    found = _CUT_OFF.fullmatch(message)
    if found is None:
        return message
    if error_type != _GONE:
        return found[1]
    how = found[1].partition(": ")[2] or "killed, crashed or restarted"
    return f"the process ended during the invocation ({how}); what was recorded is kept"


def error_of(operation: Operation) -> ErrorObject | None:
    """The error that an operation ended with, or that its last attempt did."""
    for name in operation.__struct_fields__:
        found = getattr(getattr(operation, name), "error", None)
        if isinstance(found, ErrorObject):
            return found
    return None


def awaited(waiting: Waiting, attempt: int | None, now: int) -> str:
    """What an operation waits for, and until when."""
    match waiting.awaited:
        case Awaited.TIME:
            return _until("until", waiting.until, now)
        case Awaited.RETRY:
            return f"attempt {attempt} {_until('at', waiting.until, now)}"
        case Awaited.ANSWER:
            return f"for an answer {_until('until', waiting.until, now)}".rstrip()
        case Awaited.FUNCTION:
            return visible(f"for {waiting.function_name}")


def waits(found: Family, now: int) -> list[str]:
    """Everything that an execution waits for, one line each; none while its handler runs."""
    if not found.is_idle or found.execution.ended_at is not None:
        return []
    lines = [_waits(waiter, now) for waiter in found.waiters()]
    if found.retry_at is not None:
        lines.append(comes_again(found.retry_at, now))
    if found.execution.status == ExecutionStatus.PAUSED:
        lines.append("the execution is paused")
    return lines


def comes_again(retry_at: int, now: int) -> str:
    """When an invocation that failed is made again."""
    return f"the last invocation failed; the next one comes {_until('at', retry_at, now)}"


def callback_id_of(operation: OperationProgress) -> str | None:
    """The id to answer to, if an operation waits for an answer."""
    details = operation.operation.callback_details
    if operation.waiting is None or details is None:
        return None
    return details.callback_id


def told(event: HistoryEvent) -> str:
    """An event of a history, without its time."""
    name = event.name or event.sub_type or ""
    return visible(f"{event.event_type:<24} {name}  {'  '.join(_particulars(event))}".rstrip())


def _particulars(event: HistoryEvent) -> Iterator[str]:
    """What the event's own details say, whatever kind they are."""
    for field in event.__struct_fields__:
        details: Any = getattr(event, field)
        if isinstance(details, msgspec.Struct):
            yield from _said(details, event.event_timestamp)


def _said(details: Any, now: float) -> Iterator[str]:
    retry = getattr(details, "retry_details", None)
    again = None if retry is None else retry.next_attempt_delay_seconds
    if retry is not None and (retry.current_attempt > 1 or again):
        yield f"attempt {retry.current_attempt}"
    error = getattr(details, "error", None)
    if error is not None and error.payload is not None:
        yield brief(error.payload)
    if again:
        yield f"again in {span(again * 1000)}"
    until = getattr(details, "scheduled_end_timestamp", None)
    if until is not None:
        yield f"until {at(until, now)}"
    function = getattr(details, "function_name", None)
    if function is not None:
        yield f"of {function}"


def _waits(waiter: Waiter, now: int) -> str:
    what = awaited(waiter.waiting, waiter.progress.attempt, now)
    return f"{' / '.join(waiter.path)} ({kind(waiter.progress.operation)}) waits {what}"


def _until(word: str, until: int | None, now: int) -> str:
    if until is None:
        return ""
    left = f" (in {span(until - now)})" if until > now else ""
    return f"{word} {at(until, now)}{left}"

"""Describe operations, events and waiting in one line each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

from durable_execution_sdk.engine.views.progress import Awaited, OperationProgress, Waiting
from durable_execution_sdk.protocol.control_plane import ExecutionStatus
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.history import HistoryEvent, StepSucceededDetails
from durable_execution_sdk.protocol.operations import Operation, OperationType, is_status
from durable_execution_sdk.rendering.escaping import visible
from durable_execution_sdk.rendering.family import Family, Waiter, kind
from durable_execution_sdk.rendering.payloads import payload_line
from durable_execution_sdk.rendering.times import at, span

_LONGEST_ERROR = 120
_GONE = "Runtime.ExitError"
_CUT_OFF = re.compile(r"RequestId: \S+ Error: (.*)")


def brief(error: ErrorObject) -> str:
    """Write an error in one line of at most 120 characters."""
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
    """Return the error of an operation, or of its last attempt."""
    for name in operation.__struct_fields__:
        error = getattr(getattr(operation, name), "error", None)
        if isinstance(error, ErrorObject):
            return error
    return None


def awaited(waiting: Waiting, attempt: int | None, now: int) -> str:
    """Describe the event that an operation waits for, and its time."""
    match waiting.awaited:
        case Awaited.TIME:
            return deadline(waiting, now)
        case Awaited.RETRY:
            return f"attempt {attempt} {_until('at', waiting.until, now)}"
        case Awaited.ANSWER:
            return f"for an answer {deadline(waiting, now)}".rstrip()
        case Awaited.MESSAGE:
            return "for a message"
        case Awaited.FUNCTION:
            return visible(f"for {waiting.function_name}")


def reason_of(waiter: Waiter, now: int) -> str:
    """Describe the event that an operation waits for, or the held execution."""
    if waiter.held is not None:
        return f"for {visible(waiter.held)}, which is held"
    return awaited(waiter.waiting, waiter.progress.attempt, now)


def deadline(waiting: Waiting, now: int) -> str:
    """Write the time at which a wait ends by itself; nothing if it does not."""
    return _until("until", waiting.until, now)


def waits(executions: Family, now: int) -> list[str]:
    """List everything that an execution waits for, one line each; nothing while an invocation runs."""
    if not executions.is_idle or executions.execution.ended_at is not None:
        return []
    lines = [_waits(waiter, now) for waiter in executions.waiters()]
    if executions.retry_at is not None:
        lines.append(comes_again(executions.retry_at, now))
    if executions.execution.status == ExecutionStatus.PAUSED:
        lines.append("the execution is paused")
    return lines


def comes_again(retry_at: int, now: int) -> str:
    """Describe the next retry of a failed invocation."""
    return f"the last invocation failed; the next one comes {_until('at', retry_at, now)}"


def callback_id_of(operation: OperationProgress) -> str | None:
    """Return the callback's id, if the operation is a callback that waits."""
    details = operation.operation.callback_details
    if operation.waiting is None or details is None:
        return None
    return details.callback_id


class EventTexts:
    """Write the events of one execution, in their order, in one line each.

    Operations are preceded by the names of their contexts, which tell the items of a map apart.
    ``operations`` are those that earlier events started. With ``payloads``, inputs and results follow, cut
    to a line.
    """

    def __init__(self, operations: Iterable[Operation] = (), *, payloads: bool = False) -> None:
        self._has_payloads = payloads
        self._paths: dict[str | None, str] = {}
        for operation in operations:
            if operation.type != OperationType.EXECUTION:
                self._add(operation.id, operation.parent_id, operation.name or kind(operation))

    def text(self, event: HistoryEvent) -> str:
        """Write an event, without its time."""
        if is_status(event.id, event.name) and event.step_succeeded_details is not None:
            return visible(
                f"{'StatusSet':<24} {self._status(event.step_succeeded_details)}".rstrip()
            )
        name = event.name or event.sub_type or ""
        if event.id is not None and not event.event_type.startswith("Execution"):
            name = self._add(event.id, event.parent_id, name)
        facts = [*_details(event)]
        if self._has_payloads:
            facts += [f"{word} {payload_line(payload)}" for word, payload in payloads_of(event)]
        return visible(f"{event.event_type:<24} {name}  {'  '.join(facts)}".rstrip())

    def _status(self, details: StepSucceededDetails) -> str:
        payload = None if details.result is None else details.result.payload
        return payload_line(payload) if self._has_payloads and payload is not None else ""

    def _add(self, operation_id: str, parent_id: str | None, name: str) -> str:
        above = self._paths.get(parent_id)
        path = self._paths[operation_id] = name if above is None else f"{above} / {name}"
        return path


def payloads_of(event: HistoryEvent) -> Iterator[tuple[str, str]]:
    """Yield the payloads of an event, each with its kind: input or result."""
    for details in _details_of(event):
        for kind_of_payload in ("input", "result"):
            holder = getattr(details, kind_of_payload, None)
            payload = None if holder is None else holder.payload
            if payload is not None:
                yield kind_of_payload, payload


def _details(event: HistoryEvent) -> Iterator[str]:
    """Yield the facts worth showing from the event's details."""
    for details in _details_of(event):
        yield from _facts(details, event.event_timestamp)


def _details_of(event: HistoryEvent) -> Iterator[msgspec.Struct]:
    for field in event.__struct_fields__:
        details: object = getattr(event, field)
        if isinstance(details, msgspec.Struct):
            yield details


def _facts(details: object, now: float) -> Iterator[str]:
    retry = getattr(details, "retry_details", None)
    delay = None if retry is None else retry.next_attempt_delay_seconds
    if retry is not None and (retry.current_attempt > 1 or delay):
        yield f"attempt {retry.current_attempt}"
    error = getattr(details, "error", None)
    if error is not None and error.payload is not None:
        yield brief(error.payload)
    if delay:
        yield f"again in {span(delay * 1000)}"
    until = getattr(details, "scheduled_end_timestamp", None)
    if until is not None:
        yield f"until {at(until, now)}"
    function = getattr(details, "function_name", None)
    if function is not None:
        yield f"of {function}"


def _waits(waiter: Waiter, now: int) -> str:
    subject = f"{' / '.join(waiter.path)} ({kind(waiter.progress.operation)})"
    return f"{subject} waits {reason_of(waiter, now)}"


def _until(word: str, until: int | None, now: int) -> str:
    if until is None:
        return ""
    left = f" (in {span(until - now)})" if until > now else ""
    return f"{word} {at(until, now)}{left}"

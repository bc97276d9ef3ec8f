"""The attempts of an operation: short ones for bars of all operations, and whole ones of a single operation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from durable_execution_sdk.dev.feed.documents.timeline import Attempt, Timeline
from durable_execution_sdk.engine.events import OperationFields, decode_event
from durable_execution_sdk.engine.views.history import history
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.rendering.times import iso

__all__ = ["attempt_document", "attempts_of", "error_document", "short_attempts"]

_Document = dict[str, object]


def short_attempts(attempts: Iterable[Attempt], origin: float | None) -> list[list[int | None]]:
    """Build ``[start, end, next, failed]`` of each attempt; the times are milliseconds after ``origin``.

    An execution may have 200,000 attempts: as documents they are ten times as large.
    """

    def since(at: float | None) -> int | None:
        return None if at is None else round(at - (origin or 0))

    return [
        [
            since(each.started_at),
            since(each.ended_at),
            since(each.next_at),
            int(each.error is not None),
        ]
        for each in attempts
    ]


def attempts_of(encoded_events: Sequence[bytes], operation_id: str) -> list[Attempt]:
    """Return the attempts of one operation from the stored events of its execution."""
    wanted = msgspec.json.encode(operation_id)
    timeline = Timeline()
    for position, encoded in enumerate(encoded_events, 1):
        # Most events are of other operations; those are not worth decoding.
        if wanted in encoded:
            event = decode_event(encoded)
            if isinstance(event, OperationFields) and event.operation.id == operation_id:
                for entry in history([event]):
                    timeline.add(entry, position)
    return timeline.attempts.get(operation_id, [])


def attempt_document(attempt: Attempt) -> _Document:
    """Build the document of an attempt."""
    return {
        "number": attempt.number,
        "start_timestamp": iso(attempt.started_at),
        "end_timestamp": iso(attempt.ended_at),
        "next_attempt_timestamp": iso(attempt.next_at),
        "error": error_document(attempt.error),
    }


def error_document(error: ErrorObject | None) -> _Document | None:
    """Build the document of an error without its data and its stack trace, which are payloads."""
    if error is None:
        return None
    return {"error_type": error.error_type, "error_message": error.error_message}

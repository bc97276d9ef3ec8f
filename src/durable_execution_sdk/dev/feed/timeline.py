"""The attempts and invocations of an execution, folded from the events of its history.

Each event has a position that grows; it tells which operations have changed since a position.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.history import EventType, HistoryEvent, RetryDetails

__all__ = ["Attempt", "Invocation", "Timeline"]

_STEP_ENDS = frozenset({EventType.STEP_SUCCEEDED, EventType.STEP_FAILED})


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt of a step or poll; ``next_at`` is the time of the next one. Times are in milliseconds."""

    number: int
    started_at: float | None = None
    ended_at: float | None = None
    error: ErrorObject | None = None
    next_at: float | None = None


class Invocation(msgspec.Struct, frozen=True, kw_only=True):
    """An invocation that has ended. Times are in milliseconds; ``position`` is that of its event."""

    position: int
    request_id: str
    started_at: float
    ended_at: float
    error: ErrorObject | None = None


class Timeline:
    """The attempts of each operation, by its id, and the invocations in their order."""

    def __init__(self) -> None:
        self.attempts: dict[str, list[Attempt]] = {}
        self.invocations: list[Invocation] = []
        self._changed_at: dict[str, int] = {}

    def add(self, event: HistoryEvent, position: int) -> None:
        """Take the next event of the history."""
        details = event.invocation_completed_details
        if details is not None:
            self.invocations.append(
                Invocation(
                    position=position,
                    request_id=details.request_id,
                    started_at=details.start_timestamp,
                    ended_at=details.end_timestamp,
                    error=None if details.error is None else details.error.payload,
                )
            )
        elif event.id is not None:
            self.touch(event.id, position)
            if event.event_type == EventType.STEP_STARTED:
                self._begin(event.id, event.event_timestamp)
            elif event.event_type in _STEP_ENDS:
                self._end(event.id, event)

    def touch(self, operation_id: str, position: int) -> None:
        """Note a change of an operation that the history does not show, such as a heartbeat."""
        self._changed_at[operation_id] = position

    def changed_since(self, position: int) -> Iterable[str]:
        """Return the ids of the operations with an event after a position."""
        return [key for key, changed_at in self._changed_at.items() if changed_at > position]

    def _begin(self, operation_id: str, at: float) -> None:
        attempts = self.attempts.setdefault(operation_id, [])
        attempts.append(Attempt(number=len(attempts) + 1, started_at=at))

    def _end(self, operation_id: str, event: HistoryEvent) -> None:
        details = event.step_failed_details or event.step_succeeded_details
        retry = RetryDetails() if details is None else details.retry_details
        delay = retry.next_attempt_delay_seconds
        failed = event.step_failed_details
        attempts = self.attempts.setdefault(operation_id, [])
        # The start of an attempt that AWS's own SDK does not record is not known.
        started_at = None
        if attempts and attempts[-1].ended_at is None:
            started_at = attempts.pop().started_at
        attempts.append(
            Attempt(
                number=retry.current_attempt or len(attempts) + 1,
                started_at=started_at,
                ended_at=event.event_timestamp,
                error=None if failed is None else failed.error.payload,
                next_at=None if delay is None else event.event_timestamp + delay * 1000,
            )
        )

"""The attempts and invocations of an execution, folded from the events of its history.

Each event has a position that grows; it tells which operations have changed since a position.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.history import (
    ChainedInvokeStartedDetails,
    EventType,
    HistoryEvent,
    RetryDetails,
)
from durable_execution_sdk.protocol.operations import is_status

__all__ = ["Attempt", "Invocation", "Timeline"]

_OF_EXECUTION = frozenset(each for each in EventType if each.startswith("Execution"))

MOST_RAN = 20
"""Operations of an invocation that are named; all are counted."""

_STEP_ENDS = frozenset({EventType.STEP_SUCCEEDED, EventType.STEP_FAILED})


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt of a step or poll; ``next_at`` is the time of the next one. Times are in milliseconds."""

    number: int
    started_at: float | None = None
    ended_at: float | None = None
    error: ErrorObject | None = None
    next_at: float | None = None


class Work(msgspec.Struct, kw_only=True):
    """The work of an invocation.

    ``known`` is the number of operations that its log had when it began, which it replayed. ``begun`` counts those that
    it began, ``attempts`` the attempts that ended in it; ``ran`` has the ids of the first operations of either.
    """

    known: int
    begun: int = 0
    attempts: int = 0
    ran: dict[str, None] = msgspec.field(default_factory=dict[str, None])


class Invocation(msgspec.Struct, frozen=True, kw_only=True):
    """An invocation that has ended. Times are in milliseconds; ``position`` is that of its event.

    ``work`` is what it did.
    """

    position: int
    request_id: str
    started_at: float
    ended_at: float
    error: ErrorObject | None = None
    work: Work


class Timeline:
    """The attempts of each operation and the functions of invokes, by id, and the invocations in their order."""

    def __init__(self) -> None:
        self.attempts: dict[str, list[Attempt]] = {}
        self.invocations: list[Invocation] = []
        self.invoked: dict[str, ChainedInvokeStartedDetails] = {}
        self._changed_at: dict[str, int] = {}
        self.work = Work(known=0)
        """What the invocation that runs has done, or the next one will."""

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
                    work=self.work,
                )
            )
            self.begin_invocation()
        elif (
            event.id is not None
            and event.event_type not in _OF_EXECUTION
            and not is_status(event.id, event.name)
        ):
            self._count(event.id, event.event_type)
            self.touch(event.id, position)
            if event.chained_invoke_started_details is not None:
                self.invoked[event.id] = event.chained_invoke_started_details
            if event.event_type == EventType.STEP_STARTED:
                self._begin(event.id, event.event_timestamp)
            elif event.event_type in _STEP_ENDS:
                self._end(event.id, event)

    def begin_invocation(self) -> None:
        """Take the begin of an invocation, which the history does not show: what was before is not its work."""
        self.work = Work(known=len(self._changed_at))

    def _count(self, operation_id: str, kind: str) -> None:
        """Count an event for the invocation in which it happened, if an invocation makes such events."""
        is_new = operation_id not in self._changed_at
        is_attempt = kind in _STEP_ENDS
        if is_new:
            self.work.begun += 1
        if is_attempt:
            self.work.attempts += 1
        if (is_new or is_attempt) and len(self.work.ran) < MOST_RAN:
            self.work.ran[operation_id] = None

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

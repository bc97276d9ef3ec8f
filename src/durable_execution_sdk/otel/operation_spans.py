"""Parts of both views: names and attributes of spans, and the ends of parents."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from durable_execution_sdk.otel.trace import Attributes, began_at
from durable_execution_sdk.plugins import AttemptInfo, InvocationInfo, OperationInfo
from durable_execution_sdk.protocol.operations import OperationType

__all__ = [
    "Ends",
    "SpanTimes",
    "identity_of",
    "name_of",
    "state_of",
]


class Ends(NamedTuple):
    """The ends of the spans ``Invocation`` and ``Workflow``, if the execution ends now."""

    invocation: datetime
    workflow: datetime


class SpanTimes:
    """Starts and ends of spans, in the order in which things happen, and with children inside their parents.

    The log's times and those of attempts may be of different clocks.
    """

    def __init__(self, info: InvocationInfo) -> None:
        self.began_at = began_at(info)
        self._updated = info.updated_operations
        # No span starts before the end of what was reported before it.
        self._floor = self.began_at
        self.last_attempt = self.began_at
        self._latest: dict[str | None, datetime] = {}
        self._attempts: dict[str, datetime] = {}

    def start(self, at: datetime) -> datetime:
        """Return the start of a span that starts now."""
        return max(at, self._floor)

    def end(self, operation_id: str | None, parent: str | None, *ends: datetime | None) -> datetime:
        """Return the end of an operation's span: the latest of these and of those inside."""
        latest = self._latest.pop(operation_id, None)
        end = max(each for each in (*ends, latest) if each is not None)
        self._note(parent, end)
        return end

    def recorded_end(self, info: OperationInfo) -> datetime:
        """Return an end by the log; what has ended before this invocation has ended before its start."""
        end = info.end_timestamp or info.start_timestamp or self.began_at
        return min(end, self.began_at) if info.id in self._updated else end

    def attempt_started(self, info: AttemptInfo) -> datetime:
        """Return the start of an attempt's span."""
        start = self._attempts[info.id] = self.start(info.start_timestamp)
        return start

    def attempt_ended(self, info: AttemptInfo) -> datetime:
        """Return the end of an attempt's span."""
        end = max(self._attempts.pop(info.id), info.end_timestamp or info.start_timestamp)
        self._note(info.id, end)
        self.last_attempt = max(end, self.last_attempt)
        return end

    def of_virtual(self, info: AttemptInfo) -> tuple[datetime, datetime]:
        """Return the start and the end of the span of a context without an operation."""
        start = max(info.start_timestamp, self.began_at)
        return start, self.end(info.id, info.parent_id, start, info.end_timestamp)

    def _note(self, operation_id: str | None, end: datetime) -> None:
        self._floor = max(end, self._floor)
        self._latest[operation_id] = max(end, self._latest.get(operation_id, end))


def name_of(info: OperationInfo | AttemptInfo) -> str:
    """Return the name of the span of an operation."""
    return info.name or str(info.type)


def state_of(info: OperationInfo) -> Attributes:
    """Return the status, and the number of a step's last attempt."""
    attributes: dict[str, str | int] = {"durable.operation.status": str(info.status)}
    if info.type == OperationType.STEP and info.attempt:
        attributes["durable.attempt.number"] = info.attempt
    return attributes


def identity_of(info: OperationInfo | AttemptInfo) -> dict[str, str | bool | int | float]:
    """Return the attributes by which a span names its operation."""
    members = {
        "durable.operation.id": info.id,
        "durable.operation.type": info.type,
        "durable.operation.subtype": info.sub_type,
        "durable.operation.name": info.name,
    }
    return {name: str(value) for name, value in members.items() if value is not None}

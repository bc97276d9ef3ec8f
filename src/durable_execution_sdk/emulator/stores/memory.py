"""A store in memory, with the same rules as the SQLite store; it ends with the process."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import msgspec

from durable_execution_sdk.emulator.stores.leases import Leases, MemoryLeases
from durable_execution_sdk.emulator.stores.store import (
    ConflictError,
    Counts,
    ExecutionRecord,
    NameTakenError,
    Search,
    Standing,
)


class MemoryStore:
    """Keeps executions in memory; several emulators in one process may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._leases = MemoryLeases()
        self._records: dict[str, ExecutionRecord] = {}
        self._events: dict[str, list[bytes]] = {}
        self._names: dict[str, str] = {}
        self._open: dict[str, None] = {}
        self._changes: dict[str, int] = {}
        self._numbers = 0
        self._writes = 0

    @property
    def leases(self) -> Leases:
        """The leases of these executions."""
        return self._leases

    def create(self, record: ExecutionRecord, events: Sequence[bytes]) -> None:
        """Add an execution with its first events, or raise ``NameTakenError``."""
        with self._lock:
            if record.name in self._names or record.arn in self._records:
                raise NameTakenError(record.name)
            self._numbers += 1
            self._count(record.arn)
            self._names[record.name] = record.arn
            self._events[record.arn] = list(events)
            self._records[record.arn] = msgspec.structs.replace(
                record, number=self._numbers, head=len(events)
            )
            if record.is_open:
                self._open[record.arn] = None

    def append(self, arn: str, after: int, events: Sequence[bytes], standing: Standing) -> None:
        """Append events, all or none; raise ``ConflictError`` unless exactly ``after`` are stored."""
        with self._lock:
            record = self._records.get(arn)
            if record is None or record.head != after:
                raise ConflictError(arn)
            self._count(arn)
            self._events[arn].extend(events)
            self._records[arn] = msgspec.structs.replace(
                record,
                head=after + len(events),
                status=standing.status,
                is_open=standing.is_open,
                ended_at=standing.ended_at,
                counts=standing.counts,
                status_event=standing.status_event or record.status_event,
            )
            if not standing.is_open:
                self._open.pop(arn, None)

    def count(self, arn: str, head: int, counts: Counts) -> None:
        """Keep the counts of an execution, unless it has another number of events than ``head``."""
        with self._lock:
            record = self._records.get(arn)
            if record is not None and record.head == head:
                self._records[arn] = msgspec.structs.replace(record, counts=counts)

    def events(self, arn: str, after: int = 0) -> list[bytes]:
        """Return the events after the first ``after``."""
        with self._lock:
            return self._events.get(arn, [])[after:]

    def event(self, arn: str, number: int) -> bytes | None:
        """Return an event of an execution by its number, from 1; ``None`` if it is not there."""
        with self._lock:
            return next(iter(self._events.get(arn, [])[number - 1 : number]), None)

    def find(self, arn: str) -> ExecutionRecord | None:
        """Find an execution by its ARN."""
        return self._records.get(arn)

    def find_name(self, name: str) -> ExecutionRecord | None:
        """Find an execution by its name."""
        with self._lock:
            arn = self._names.get(name)
            return None if arn is None else self._records[arn]

    def search(self, search: Search) -> list[ExecutionRecord]:
        """List the executions that match."""
        with self._lock:
            matches = [record for record in self._records.values() if _matches(record, search)]
        matches.sort(key=_position, reverse=not search.oldest_first)
        return matches[: search.limit]

    def open_heads(self) -> dict[str, int]:
        """Return ARN and number of events of each open execution."""
        with self._lock:
            return {arn: self._records[arn].head for arn in self._open}

    def delete(self, arn: str) -> None:
        """Delete an execution and its events; its name is free again."""
        with self._lock:
            record = self._records.pop(arn, None)
            if record is not None:
                self._count(arn)
                self._open.pop(arn, None)
                del self._events[arn], self._names[record.name]

    def was_deleted(self, reference: str) -> bool:
        """Return ``False``: deletions are not kept."""
        return False

    def pulse(self) -> int:
        """Return a number that changes with each write."""
        return self._writes

    def changes(self, since: int) -> dict[str, int] | None:
        """Return ARN and number of events of the executions written since the pulse ``since``."""
        with self._lock:
            changed: dict[str, int] = {}
            for arn in reversed(self._changes):
                if self._changes[arn] <= since:
                    break
                record = self._records.get(arn)
                changed[arn] = 0 if record is None else record.head
            return changed

    def others(self) -> tuple[list[str], list[str]]:
        """Return nothing: there are no other connections."""
        return [], []

    def group_writes(self) -> None:
        """Do nothing: a write is stored when it returns."""

    def uncommitted(self) -> bool:
        """Return ``False``: no write waits."""
        return False

    def commit(self) -> None:
        """Do nothing: no write waits."""

    def close(self) -> None:
        """Do nothing: there are no resources."""

    def _count(self, arn: str) -> None:
        self._writes += 1
        self._changes.pop(arn, None)
        self._changes[arn] = self._writes


def _position(record: ExecutionRecord) -> tuple[int, int]:
    return record.started_at, record.number


def _matches(record: ExecutionRecord, search: Search) -> bool:
    started_at = record.started_at
    return (
        search.function in (None, record.function)
        and search.version in (None, record.version)
        and search.name in (None, record.name)
        and (search.text is None or _has_text(record, search.text.lower()))
        and (search.run_id is None or f"/{record.name}/{search.run_id}" in record.arn)
        and (not search.statuses or record.status in search.statuses)
        and (search.started_after is None or started_at > search.started_after)
        and (search.started_before is None or started_at < search.started_before)
        and (
            search.after is None
            or _is_beyond(_position(record), search.after, oldest_first=search.oldest_first)
        )
    )


def _has_text(record: ExecutionRecord, text: str) -> bool:
    return text in record.name.lower() or text in record.function.lower()


def _is_beyond(position: tuple[int, int], after: tuple[int, int], *, oldest_first: bool) -> bool:
    return position > after if oldest_first else position < after

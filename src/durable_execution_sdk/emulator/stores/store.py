"""Interface of a store: append-only logs of events, and an index of executions.

An append names the number of events that it follows, so of two concurrent writers one gets
``ConflictError``; appended events are never lost or reordered. A store does not interpret events and
does not read a clock.

A write is stored, safe from a power loss, before it returns. After ``group_writes`` it is so once
``commit`` has returned, and until then reads show it to the callers of this object, but to no other
process. So the writes of many threads can share one commit.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

import msgspec

from durable_execution_sdk.emulator.stores.leases import Leases
from durable_execution_sdk.protocol.limits import DEFAULT_PAGE_ITEMS


class ConflictError(Exception):
    """Another writer appended first; read its events and decide again."""


class NameTakenError(Exception):
    """An execution with this name exists."""


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers of an execution's operations, and of the attempts of its steps and polls that have begun."""

    operations: int
    attempts: int


class ExecutionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An execution in the index. ``head`` is the number of its events, ``number`` its rank by creation.

    ``counts`` is ``None`` if a release that kept none has written its last event. ``status_event`` is the number, from
    1, of the event with the status that its code set last.
    """

    arn: str
    name: str
    function: str
    version: str
    status: str
    is_open: bool = True
    started_at: int
    ended_at: int | None = None
    head: int = 0
    number: int = 0
    counts: Counts | None = None
    status_event: int | None = None


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of the index that an append changes; without a ``status_event`` that of the index stays."""

    status: str
    is_open: bool
    ended_at: int | None = None
    counts: Counts | None = None
    status_event: int | None = None


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """A query for executions, newest first unless ``oldest_first``.

    ``text`` is a part of the execution's or the function's name, in any case; ``run_id`` is the beginning
    of the id at the end of the ARN. ``after`` is the start time and number of the last execution of the previous page.
    """

    function: str | None = None
    version: str | None = None
    name: str | None = None
    text: str | None = None
    run_id: str | None = None
    statuses: Collection[str] = ()
    started_after: int | None = None
    started_before: int | None = None
    oldest_first: bool = False
    after: tuple[int, int] | None = None
    limit: int = DEFAULT_PAGE_ITEMS


class Store(Protocol):
    """Keeps executions. All methods are thread-safe."""

    @property
    def leases(self) -> Leases:
        """The leases of these executions."""
        ...

    def create(self, record: ExecutionRecord, events: Sequence[bytes]) -> None:
        """Add an execution with its first events, or raise ``NameTakenError``."""
        ...

    def append(self, arn: str, after: int, events: Sequence[bytes], standing: Standing) -> None:
        """Append events, all or none; raise ``ConflictError`` unless exactly ``after`` are stored."""
        ...

    def count(self, arn: str, head: int, counts: Counts) -> None:
        """Keep the counts of an execution, unless it has another number of events than ``head``."""
        ...

    def events(self, arn: str, after: int = 0) -> list[bytes]:
        """Return the events after the first ``after``."""
        ...

    def event(self, arn: str, number: int) -> bytes | None:
        """Return an event of an execution by its number, from 1; ``None`` if it is not there."""
        ...

    def find(self, arn: str) -> ExecutionRecord | None:
        """Find an execution by its ARN."""
        ...

    def find_name(self, name: str) -> ExecutionRecord | None:
        """Find an execution by its name."""
        ...

    def search(self, search: Search) -> list[ExecutionRecord]:
        """List the executions that match."""
        ...

    def open_heads(self) -> dict[str, int]:
        """Return ARN and number of events of each open execution."""
        ...

    def delete(self, arn: str) -> None:
        """Delete an execution and its events; its name is free again."""
        ...

    def was_deleted(self, reference: str) -> bool:
        """Return ``True`` if an execution with this name or ARN was there and was deleted, as far as is known."""
        ...

    def pulse(self) -> int:
        """Return a number that changes when another writer has written."""
        ...

    def changes(self, since: int) -> dict[str, int] | None:
        """Return ARN and number of events of the executions written since the pulse ``since``.

        The number is 0 for a deleted execution. ``None`` means that the store cannot tell; read
        ``open_heads`` then.
        """
        ...

    def others(self) -> tuple[list[str], list[str]]:
        """Return the ARNs that other connections have created, and those that they have deleted, since last time."""
        ...

    def group_writes(self) -> None:
        """Let the writes from now on wait for ``commit``."""
        ...

    def uncommitted(self) -> bool:
        """Return ``True`` while writes wait for ``commit``; raise ``StoreError`` if such writes were lost."""
        ...

    def commit(self) -> None:
        """Store the writes that wait, all or none; raise ``StoreError`` if they are lost."""
        ...

    def close(self) -> None:
        """Release files and locks. Writes that wait for ``commit`` are lost."""
        ...

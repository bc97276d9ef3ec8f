"""What a store does: events that are appended and never changed, and an index to find them.

An append says after which event it comes, so of two writers one is told to look again; nothing that
was appended is ever lost or reordered. A store knows neither the events' meaning nor the time.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

import msgspec

from durable_execution_sdk.emulator.leases import Leases


class ConflictError(Exception):
    """Somebody else appended first; read what they wrote and decide again."""


class NameTakenError(Exception):
    """An execution with this name is there already."""


class ExecutionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One execution in the index. ``head`` is the number of its events."""

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


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What an append changes in the index."""

    status: str
    is_open: bool
    ended_at: int | None = None


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """Which executions to list, newest first unless ``oldest_first``.

    ``after`` is the start time and number of the last execution of the page before.
    """

    function: str | None = None
    version: str | None = None
    name: str | None = None
    statuses: Collection[str] = ()
    started_after: int | None = None
    started_before: int | None = None
    oldest_first: bool = False
    after: tuple[int, int] | None = None
    limit: int = 100


class Store(Protocol):
    """Where executions are kept. Every method may be called from any thread."""

    @property
    def leases(self) -> Leases:
        """Who works on which of these executions."""
        ...

    def create(self, record: ExecutionRecord, events: Sequence[bytes]) -> None:
        """Add an execution with its first events, or raise ``NameTakenError``."""
        ...

    def append(self, arn: str, after: int, events: Sequence[bytes], standing: Standing) -> None:
        """Add events when exactly ``after`` are there, or raise ``ConflictError``: all or none."""
        ...

    def events(self, arn: str, after: int = 0) -> list[bytes]:
        """Read the events from the one after ``after`` on."""
        ...

    def find(self, arn: str) -> ExecutionRecord | None:
        """Find an execution by its ARN."""
        ...

    def find_name(self, name: str) -> ExecutionRecord | None:
        """Find an execution by its name."""
        ...

    def search(self, search: Search) -> list[ExecutionRecord]:
        """List executions."""
        ...

    def open_heads(self) -> dict[str, int]:
        """The ARN of every execution that has not ended, and how many events it has."""
        ...

    def delete(self, arn: str) -> None:
        """Forget an execution and its events; its name is free again."""
        ...

    def pulse(self) -> int:
        """A number that changes when somebody else has written."""
        ...

    def changes(self, since: int) -> dict[str, int] | None:
        """The executions written to after the pulse was ``since``, and how many events each has.

        A deleted one has none. ``None`` if the store cannot tell: then ask for all that are open.
        """
        ...

    def close(self) -> None:
        """Let go of files and locks."""
        ...

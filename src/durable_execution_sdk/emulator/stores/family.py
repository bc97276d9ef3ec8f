"""A store of which only one execution, and what it invokes, is looked after.

Whoever runs one execution must leave the others alone: its time may have been skipped, and another
process may be running them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from durable_execution_sdk.emulator.stores.sqlite import DEFAULT_PATH, SqliteStore
from durable_execution_sdk.emulator.stores.store import ExecutionRecord


class FamilyStore(SqliteStore):
    """A SQLite store in which nothing is open but what somebody asked for by its ARN.

    The emulator asks for the execution that it drives, and for those that this one invokes.
    """

    def __init__(self, path: Path | str = DEFAULT_PATH) -> None:
        super().__init__(path)
        self._family: set[str] = set()

    def create(self, record: ExecutionRecord, events: Sequence[bytes]) -> None:
        """Add an execution with its first events, or raise ``NameTakenError``."""
        super().create(record, events)
        self._family.add(record.arn)

    def events(self, arn: str, after: int = 0) -> list[bytes]:
        """Read the events from the one after ``after`` on."""
        self._family.add(arn)
        return super().events(arn, after)

    def open_heads(self) -> dict[str, int]:
        """The ARN of every execution of the family that has not ended, and its number of events."""
        return {arn: head for arn, head in super().open_heads().items() if arn in self._family}

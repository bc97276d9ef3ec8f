"""A store restricted to one execution and those that it invokes.

A command that runs one execution must not touch the others in the file: it may skip time, and another
process may be running them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from durable_execution_sdk.emulator.stores.sqlite import DEFAULT_PATH, SqliteStore
from durable_execution_sdk.emulator.stores.store import ExecutionRecord


class SingleExecutionStore(SqliteStore):
    """A SQLite store that lists as open only executions created by, or read through, this object.

    These are the execution that the emulator drives and those that it invokes.
    """

    def __init__(self, path: Path | str = DEFAULT_PATH) -> None:
        super().__init__(path)
        self._family: set[str] = set()

    def create(self, record: ExecutionRecord, events: Sequence[bytes]) -> None:
        """Add an execution with its first events, or raise ``NameTakenError``."""
        super().create(record, events)
        self._family.add(record.arn)

    def events(self, arn: str, after: int = 0) -> list[bytes]:
        """Return the events after the first ``after``."""
        self._family.add(arn)
        return super().events(arn, after)

    def open_heads(self) -> dict[str, int]:
        """Return ARN and number of events of each open execution of the family."""
        return {arn: head for arn, head in super().open_heads().items() if arn in self._family}

    def others(self) -> tuple[list[str], list[str]]:
        """Return no new executions, and the deleted ones of the family."""
        _, deleted = super().others()
        return [], [arn for arn in deleted if arn in self._family]

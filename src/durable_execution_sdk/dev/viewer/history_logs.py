"""Executions in memory, whose logs are rebuilt from their histories as these are read."""

from __future__ import annotations

from collections.abc import Iterable

from durable_execution_sdk.emulator.clock import RealClock
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.functions.registry import Functions
from durable_execution_sdk.emulator.repository import counts_of, status_event_of
from durable_execution_sdk.emulator.stores.memory import MemoryStore
from durable_execution_sdk.emulator.stores.store import ExecutionRecord, Standing
from durable_execution_sdk.engine.events import Event, encode_event
from durable_execution_sdk.engine.from_history import HistoryLog
from durable_execution_sdk.engine.state import ExecutionState
from durable_execution_sdk.protocol.history import HistoryEvent
from durable_execution_sdk.protocol.ids import ExecutionArn

__all__ = ["HistoryLogs"]


class HistoryLogs:
    """Executions by their histories, behind an emulator that only reads. Entries are taken by one thread."""

    def __init__(self) -> None:
        self._store = MemoryStore()
        self._heads: dict[str, int] = {}
        self.emulator = Emulator(self._store, RealClock(), Functions(), reads_only=True)

    def take(self, log: HistoryLog, entries: Iterable[HistoryEvent]) -> None:
        """Add the next entries of an execution.

        Raises ``NameTakenError`` for a new execution if another one has its name.
        """
        events = [event for entry in entries for event in log.take(entry)]
        state = log.state
        if events and state is not None:
            self._write(log.arn, state, events)
            self.emulator.coordinator.refresh()

    def _write(self, arn: str, state: ExecutionState, events: list[Event]) -> None:
        encoded = list(map(encode_event, events))
        head = self._heads.get(arn)
        if head is None:
            parts = ExecutionArn.parse(arn)
            record = ExecutionRecord(
                arn=arn,
                name=parts.execution_name,
                function=parts.function_name,
                version=parts.version,
                status=state.status,
                is_open=not state.is_closed,
                started_at=state.started_at,
                ended_at=state.ended_at,
                counts=counts_of(state),
                status_event=status_event_of(events),
            )
            self._store.create(record, encoded)
            self._heads[arn] = len(encoded)
            return
        standing = Standing(
            status=state.status,
            is_open=not state.is_closed,
            ended_at=state.ended_at,
            counts=counts_of(state),
            status_event=status_event_of(events, head),
        )
        self._store.append(arn, head, encoded, standing)
        self._heads[arn] = head + len(encoded)

"""Read an execution's timeline from the store, and the events, lines and places that come after it."""

from __future__ import annotations

from durable_execution_sdk.dev.feed.documents.timeline import Timeline
from durable_execution_sdk.dev.feed.position import Position
from durable_execution_sdk.dev.logs.log_store import LogStore
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.engine.events import (
    CallbackHeartbeatReceived,
    InvocationCompleted,
    InvocationStarted,
    StepReady,
    decode_event,
)
from durable_execution_sdk.engine.views.history import history

__all__ = ["TimelineReader"]


class TimelineReader:
    """The timeline of one execution. ``position`` is how far its events and places were read."""

    def __init__(self, emulator: Emulator, arn: str, logs: LogStore | None) -> None:
        self._emulator = emulator
        self._arn = arn
        self._logs = logs
        self._head = 0
        self._place = 0
        self.timeline = Timeline()

    @property
    def position(self) -> Position:
        """The number of the last event and of the last place that were read."""
        return Position(self._head, 0, self._place)

    def last_line(self) -> int:
        """Return the number of the last line that was written for the execution."""
        return 0 if self._logs is None else self._logs.last_line(self._arn)

    def catch_up(self) -> None:
        """Read the events that were stored since, and the places."""
        # Leaving the lock stores what was written under it: what is read here is never taken back.
        with self._emulator.coordinator.holding():
            encoded_events = self._emulator.store.events(self._arn, self._head)
        begins = False
        for encoded in encoded_events:
            self._head += 1
            event = decode_event(encoded)
            # In a log that was rebuilt from a history an invocation begins just before its end, after what it did.
            if begins and not isinstance(event, InvocationCompleted):
                self.timeline.begin_invocation()
            begins = isinstance(event, InvocationStarted)
            if isinstance(event, CallbackHeartbeatReceived | StepReady):
                self.timeline.touch(event.operation.id, self._head)
            for entry in history([event], include_execution_data=True):
                self.timeline.add(entry, self._head)
        if begins:
            self.timeline.begin_invocation()
        if self._logs is not None:
            for note in self._logs.notes(self._arn, after=self._place):
                self._place = note.number

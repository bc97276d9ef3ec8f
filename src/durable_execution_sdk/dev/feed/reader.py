"""Read an execution's timeline from the store, and the events that come after it."""

from __future__ import annotations

from durable_execution_sdk.dev.feed.timeline import Timeline
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.engine.events import CallbackHeartbeatReceived, StepReady, decode_event
from durable_execution_sdk.engine.views.history import history

__all__ = ["TimelineReader"]


class TimelineReader:
    """The timeline of one execution; ``head`` is the number of its events that were read."""

    def __init__(self, emulator: Emulator, arn: str) -> None:
        self._emulator = emulator
        self._arn = arn
        self.timeline = Timeline()
        self.head = 0

    def catch_up(self) -> None:
        """Read the events that were stored since."""
        # Leaving the lock stores what was written under it: what is read here is never taken back.
        with self._emulator.coordinator.holding():
            encoded_events = self._emulator.store.events(self._arn, self.head)
        for encoded in encoded_events:
            self.head += 1
            event = decode_event(encoded)
            if isinstance(event, CallbackHeartbeatReceived | StepReady):
                self.timeline.touch(event.operation.id, self.head)
            for entry in history([event], include_execution_data=True):
                self.timeline.add(entry, self.head)

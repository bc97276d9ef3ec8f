"""Deliver stored events to observers, in the order of the log and outside all locks; wake waiting threads."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

from durable_execution_sdk.engine.events import Event

_logger = logging.getLogger(__name__)

Observer = Callable[[str, Sequence[Event]], None]
"""Called with an execution's ARN and its new events."""


class EventBus:
    """Queue of stored events and its observers; one thread delivers at a time.

    Events are added while they are written, and published once they are stored.
    """

    def __init__(self) -> None:
        self._observers: list[Observer] = []
        self._written: list[tuple[str, Sequence[Event]]] = []
        self._outbox: deque[tuple[str, Sequence[Event]]] = deque()
        self._delivering = threading.Lock()
        self._sleepers: set[threading.Event] = set()

    def subscribe(self, observer: Observer) -> Callable[[], None]:
        """Add an observer; the returned function removes it."""
        self._observers.append(observer)

        def unsubscribe() -> None:
            if observer in self._observers:
                self._observers.remove(observer)

        return unsubscribe

    @contextmanager
    def sleeper(self) -> Generator[threading.Event]:
        """Provide an event that is set whenever there may be new work."""
        woken = threading.Event()
        self._sleepers.add(woken)
        try:
            yield woken
        finally:
            self._sleepers.discard(woken)

    def wake(self) -> None:
        """Set the events of all sleepers."""
        for sleeper in tuple(self._sleepers):
            # The new work is stored already, so a sleeper that clears its event afterwards sees it.
            if not sleeper.is_set():
                sleeper.set()

    def add(self, arn: str, events: Sequence[Event]) -> None:
        """Keep events that were written, until they are published."""
        if self._observers:
            self._written.append((arn, events))

    def publish(self) -> None:
        """Queue the events that were added: they are stored."""
        if self._written:
            self._outbox.extend(self._written)
            self._written.clear()

    def deliver(self) -> None:
        """Call the observers with the queued events; if another thread is delivering, it does so."""
        while self._outbox and self._delivering.acquire(blocking=False):
            try:
                while self._outbox:
                    arn, events = self._outbox.popleft()
                    for observer in tuple(self._observers):
                        _notify(observer, arn, events)
            finally:
                self._delivering.release()


def _notify(observer: Observer, arn: str, events: Sequence[Event]) -> None:
    try:
        observer(arn, events)
    except Exception:
        # An observer's failure must not change the execution.
        _logger.exception("an observer of %s raised, and missed %d events", arn, len(events))

"""Events for whoever watches: told in the order of the log, outside every lock."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence

from durable_execution_sdk.engine.events import Event

_logger = logging.getLogger(__name__)

Observer = Callable[[str, Sequence[Event]], None]
"""Is told an execution's ARN and its new events."""


class Broadcast:
    """Passes stored events on to observers, one batch at a time."""

    def __init__(self) -> None:
        self._observers: list[Observer] = []
        self._outbox: deque[tuple[str, Sequence[Event]]] = deque()
        self._delivering = threading.Lock()

    def subscribe(self, observer: Observer) -> Callable[[], None]:
        """Add an observer; call what comes back to remove it."""
        self._observers.append(observer)

        def unsubscribe() -> None:
            if observer in self._observers:
                self._observers.remove(observer)

        return unsubscribe

    def add(self, arn: str, events: Sequence[Event]) -> None:
        """Queue events that were stored."""
        if self._observers:
            self._outbox.append((arn, events))

    def deliver(self) -> None:
        """Tell the observers what is queued, unless somebody is at it: then they will."""
        while self._outbox and self._delivering.acquire(blocking=False):
            try:
                while self._outbox:
                    arn, events = self._outbox.popleft()
                    for observer in tuple(self._observers):
                        _tell(observer, arn, events)
            finally:
                self._delivering.release()


def _tell(observer: Observer, arn: str, events: Sequence[Event]) -> None:
    try:
        observer(arn, events)
    except Exception:
        # Whoever watches must not change what happens.
        _logger.exception("an observer of %s raised, and missed %d events", arn, len(events))

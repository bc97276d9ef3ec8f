"""The selector of the event loop, which shows the moment at which the loop is idle.

asyncio has no public interface for that moment, so the loop is our own: a
selector is asked to wait only when no callback is ready to run. So the selector is the place where a
workflow is seen to be quiescent, exactly and at no cost. Counting turns of the loop would not do: chains
of callbacks, such as a gather in a gather, take any number of turns in which no task moves.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from durable_execution_sdk.runtime.current import CURRENT
from durable_execution_sdk.runtime.event_loop.observer import LoopObserver

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

__all__ = ["IdleSelector"]

# To ask the system for events costs as much as a small callback, so it is asked each eighth turn.
_TURNS_WITHOUT_A_POLL = 8

# A loop that is never idle, such as with a body that spins on ``sleep(0)``, must not starve the workflow.
# After so many polls between which no workflow task has moved, completions are delivered all the same.
_RESTLESS_POLLS = 12
# After so many of these in a row the workflow counts as quiescent, although callbacks go on.
_RESTLESS_TIMES = 50


class IdleSelector(selectors.DefaultSelector):
    """A selector that notifies the observer when the loop is idle."""

    def __init__(self) -> None:
        super().__init__()
        self._unpolled = 0
        # The callbacks of sockets on which a call waits for its answer, by descriptor.
        self.answer_readers: dict[int, Callable[[], object]] = {}
        self.ready: Collection[asyncio.Handle] = ()
        self.tell(None)

    def tell(self, observer: LoopObserver | None) -> None:
        """Set the observer, and forget the state that belonged to the one before."""
        self.observer = observer
        self._progress = -1
        self._busy = 0
        self._restless = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return the events of sockets; wait for one, if the loop is idle and the observer has nothing to do."""
        if timeout is None or timeout > 0:
            observer = self.observer
            self._busy = self._restless = 0
            if observer is None or not observer.on_idle(at_rest=True):
                self._unpolled = 0
                events = super().select(timeout)
                return events if observer is None else self._take_answer(events, observer)
        # The loop has callbacks to run: the system is asked for events now and then only.
        self._unpolled += 1
        if self._unpolled < _TURNS_WITHOUT_A_POLL:
            return []
        self._unpolled = 0
        self._busy += 1
        observer = self.observer
        if observer is not None and self._busy >= _RESTLESS_POLLS:
            self._busy = 0
            if observer.progress == self._progress:
                self._restless += 1
                if not observer.on_idle(at_rest=False) and self._restless >= _RESTLESS_TIMES:
                    self._restless = 0
                    observer.on_restless()
            else:
                self._restless = 0
            self._progress = observer.progress
        return super().select(0)

    def _take_answer(
        self, events: list[tuple[selectors.SelectorKey, int]], observer: LoopObserver
    ) -> list[tuple[selectors.SelectorKey, int]]:
        """Take in an answer, if that is all that has happened, and return the events that are left.

        The loop is as idle as before. So the completion that the answer brings is delivered without a turn of
        the loop for the callback, and one in which nothing runs.
        """
        if len(events) == 1:
            key, event = events[0]
            read = self.answer_readers.get(key.fd)
            if read is not None and event == selectors.EVENT_READ:
                read()
                if not self.ready:
                    observer.on_idle(at_rest=False)
                return []
        return events

    def register(
        self, fileobj: FileDescriptorLike, events: int, data: object = None
    ) -> selectors.SelectorKey:
        """Watch a socket, and note it if workflow code asks."""
        if self.observer is not None and self.observer.is_workflow(CURRENT.get()):
            self.observer.outside.socket_watched(fileobj)
        return super().register(fileobj, events, data)

    def unregister(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        """Watch a socket no longer."""
        if self.observer is not None:
            self.observer.outside.socket_left(fileobj)
        key = super().unregister(fileobj)
        self.answer_readers.pop(key.fd, None)
        return key

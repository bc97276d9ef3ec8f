"""The selector of the event loop, which shows the moment at which the loop is idle.

asyncio has no public interface for that moment, so the loop is our own: a
selector is asked to wait only when no callback is ready to run. So the selector is the place where a
workflow is seen to be quiescent, exactly and at no cost. Counting turns of the loop would not do: chains
of callbacks, such as a gather in a gather, take any number of turns in which no task moves.
"""

from __future__ import annotations

import _thread
import asyncio
import os
import selectors
from collections.abc import Callable, Collection
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING

from durable_execution_sdk.runtime.current import CURRENT
from durable_execution_sdk.runtime.event_loop.observer import LoopObserver

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

__all__ = ["OTHER_TURNS", "SECONDS_BETWEEN_LOOKS", "BlockingWatch", "IdleSelector", "watch"]

SECONDS_BETWEEN_LOOKS = 0.25
_SAMPLER = "durable_execution_sdk.runtime.event_loop.blocking"

# To ask the system for events costs as much as a small callback, so it is asked each eighth turn.
_TURNS_WITHOUT_A_POLL = 8  # a power of two
OTHER_TURNS = _TURNS_WITHOUT_A_POLL - 1

# A loop that is never idle, such as with a body that spins on ``sleep(0)``, must not starve the workflow.
# After so many polls between which no workflow task has moved, completions are delivered all the same.
_RESTLESS_POLLS = 12
# After so many of these in a row the workflow counts as quiescent, although callbacks go on.
_RESTLESS_TIMES = 50


class BlockingWatch:
    """The loops that run invocations, and the thread that looks whether one of them is blocked: see ``blocking``.

    The thread is made with the first invocation, and looks a few times in a second while one runs. Then it rests
    until the next one begins. Nothing is done for it in a turn of a loop.
    """

    def __init__(self) -> None:
        self.selectors: dict[IdleSelector, None] = {}
        self._lock = _thread.allocate_lock()
        self._wakeup = _thread.allocate_lock()
        self._wakeup.acquire()
        self._has_thread = self._rests = False

    def begin(self, selector: IdleSelector) -> None:
        """Look at a loop from now on."""
        with self._lock:
            self.selectors[selector] = None
            if self._rests:
                self._rests = False
                self._wakeup.release()
            elif not self._has_thread:
                with suppress(RuntimeError):  # the system has no more threads
                    _thread.start_new_thread(_look, (self,))
                    self._has_thread = True

    def end(self, selector: IdleSelector) -> None:
        """Look at a loop no more."""
        self.selectors.pop(selector, None)

    def rest(self) -> None:
        """Let a moment pass and, if no invocation runs then, all the time until one does."""
        self._wakeup.acquire(timeout=SECONDS_BETWEEN_LOOKS)
        with self._lock:
            if self.selectors:
                return
            self._rests = True
        self._wakeup.acquire()


def _look(watch: BlockingWatch) -> None:
    watch.rest()
    # Most processes have ended or are at rest by then, and so do not load it.
    look = import_module(_SAMPLER).Sampler().look
    while True:
        look(list(watch.selectors))
        watch.rest()


watch = BlockingWatch()


def _forget_thread() -> None:
    """Begin anew in a forked child, which has no thread but its own."""
    watch.__init__()  # type: ignore[misc]  # others hold a reference to it


os.register_at_fork(after_in_child=_forget_thread)


def _stop(_observer: LoopObserver) -> None:
    """Run nothing: this stands in until the loop sets its function."""


class IdleSelector(selectors.DefaultSelector):
    """A selector that notifies the observer when the loop is idle."""

    def __init__(self) -> None:
        super().__init__()
        # The turns of the loop, rounded up to the next poll when it was idle: it changes with each turn.
        self.turns = 0
        # The callbacks of sockets on which a call waits for its answer, by descriptor.
        self.answer_readers: dict[int, Callable[[], object]] = {}
        self.ready: Collection[asyncio.Handle] = ()
        # Runs callbacks and delivers completions until there is something else to do: see ``WorkflowLoop``.
        self.go_on: Callable[[LoopObserver], None] = _stop
        self.tell(None)

    def tell(self, observer: LoopObserver | None) -> None:
        """Set the observer, and forget the state that belonged to the one before."""
        self.observer = observer
        self._progress = -1
        self._busy = 0
        self._restless = 0
        if observer is None:
            watch.end(self)
        elif observer.warns_of_blocking:
            watch.begin(self)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return the events of sockets; wait for one, if the loop is idle and the observer has nothing to do."""
        if timeout is None or timeout > 0:
            observer = self.observer
            self._busy = self._restless = 0
            if observer is None or not observer.on_idle(at_rest=True):
                self.turns = (self.turns | OTHER_TURNS) + 1
                events = super().select(timeout)
                return events if observer is None else self._take_answer(events, observer)
            self.go_on(observer)
        # The loop has callbacks to run: the system is asked for events now and then only.
        self.turns += 1
        if self.turns & OTHER_TURNS:
            return []
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
        the loop for the callback, and one in which nothing runs; and what it wakes runs here too.
        """
        if len(events) == 1:
            key, event = events[0]
            read = self.answer_readers.get(key.fd)
            if read is not None and event == selectors.EVENT_READ:
                read()
                if not self.ready:
                    observer.on_idle(at_rest=False)
                self.go_on(observer)
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

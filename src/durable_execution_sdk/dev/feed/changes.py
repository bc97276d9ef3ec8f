"""Numbered changes of executions: the newest change of each, so that readers can catch up from a number.

The feed carries the rows of changed executions, not their events. So only the number of the last change of
each execution is kept, however often it changes, and a reader that comes late gets each row once. The
numbers begin with the time at which the server started, in microseconds: they grow over restarts, and a
reader that saw an earlier server is told to read everything anew.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence

from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.engine.events import (
    CallbackFailed,
    CallbackHeartbeatReceived,
    CallbackStarted,
    CallbackSucceeded,
    CallbackTimedOut,
    Event,
    ExecutionDeleted,
    StepSucceeded,
)
from durable_execution_sdk.engine.state import ExecutionState
from durable_execution_sdk.protocol.operations import OperationSubType, OperationType

__all__ = ["CALLBACKS_OF", "FUNCTIONS", "SERVER", "Changes"]

FUNCTIONS = "functions"
"""Stands for the functions of the server, with their workers, among the ARNs that changed."""

SERVER = "server"
"""Stands for the document about the server among the ARNs that changed."""

CALLBACKS_OF = "callbacks of "
"""Begins the key of the callbacks that wait in an execution, or in one that it invoked."""

_CALLBACK_EVENTS = (
    CallbackStarted,
    CallbackSucceeded,
    CallbackFailed,
    CallbackTimedOut,
    CallbackHeartbeatReceived,
)

_MOST_KEPT = 20_000


class Changes:
    """The last change of each execution. Thread-safe."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._lock = threading.Lock()
        self._numbers: OrderedDict[str, int] = OrderedDict()
        self._number = self._floor = emulator.clock.now() * 1000
        self._listeners: set[Callable[[], None]] = set()
        self._is_closed = False
        self._unsubscribe = emulator.subscribe(self._observe)

    @property
    def number(self) -> int:
        """The number of the last change."""
        return self._number

    def is_closed(self) -> bool:
        """True once the server is being stopped."""
        return self._is_closed

    def note(self, key: str) -> None:
        """Number a change of an execution, by its ARN, or of the functions."""
        with self._lock:
            self._number += 1
            self._numbers[key] = self._number
            self._numbers.move_to_end(key)
            if len(self._numbers) > _MOST_KEPT:
                self._floor = self._numbers.popitem(last=False)[1]
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener()

    def note_execution(self, arn: str) -> None:
        """Number a change of an execution that is no event, and of those that wait for it."""
        for key in self._lineage(arn):
            self.note(key)

    def since(self, number: int) -> list[tuple[int, str]] | None:
        """Return what changed after a number, in order.

        ``None`` if that is not known: the number is another server's, or more has changed than is kept.
        """
        with self._lock:
            if not self._floor <= number <= self._number:
                return None
            changed: list[tuple[int, str]] = []
            for key in reversed(self._numbers):
                if self._numbers[key] <= number:
                    break
                changed.append((self._numbers[key], key))
        return changed[::-1]

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call ``listener``, in any thread, after each change and at the end; return what ends that."""
        with self._lock:
            self._listeners.add(listener)

        def end() -> None:
            with self._lock:
                self._listeners.discard(listener)

        return end

    def wake(self) -> None:
        """Let the streams look for what has no number here, such as lines of logs."""
        with self._lock:
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener()

    def close(self) -> None:
        """End all feeds."""
        self._unsubscribe()
        self._is_closed = True
        self.wake()

    def _observe(self, arn: str, events: Sequence[Event]) -> None:
        lineage = self._lineage(arn)
        for key in lineage:
            self.note(key)
        if self._concerns_callbacks(arn, events):
            self.note(CALLBACKS_OF + lineage[-1])

    def _concerns_callbacks(self, arn: str, events: Sequence[Event]) -> bool:
        if any(isinstance(event, _CALLBACK_EVENTS) for event in events):
            return True
        coordinator = self._emulator.coordinator
        with coordinator.holding():
            if isinstance(events[-1], ExecutionDeleted) or self._emulator.store.find(arn) is None:
                return False
            state = coordinator.recorded(arn)
            if any(_ends_submitter(event, state) for event in events):
                return True
            # Its end ends the waiting, without an event of the callback.
            return state.is_closed and _has_open_callback(state)

    def _lineage(self, arn: str) -> list[str]:
        """Return an execution and those that invoked it: their rows say what it waits for."""
        arns: list[str] = []
        coordinator = self._emulator.coordinator
        with coordinator.holding():
            key: str | None = arn
            while key is not None and key not in arns:
                arns.append(key)
                if self._emulator.store.find(key) is None:
                    break
                parent = coordinator.recorded(key).parent
                key = None if parent is None else parent.arn
        return arns


def _ends_submitter(event: Event, state: ExecutionState) -> bool:
    """Tell whether the result of a ``wait_for_callback``'s submitter was recorded, which says what it is about."""
    if not isinstance(event, StepSucceeded) or event.operation.parent_id is None:
        return False
    context = state.operations.get(event.operation.parent_id)
    return context is not None and context.sub_type == OperationSubType.WAIT_FOR_CALLBACK


def _has_open_callback(state: ExecutionState) -> bool:
    return any(
        operation.type == OperationType.CALLBACK and operation.end_timestamp is None
        for operation in state.operations.values()
    )

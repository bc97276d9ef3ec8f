"""The operations that have not settled: the news that they get, and the questions to the service about them.

The answer to any checkpoint contains what has changed, and each change is passed on to its operation. While
running code keeps the invocation open, a question is a checkpoint without updates. An operation with a
known due time is asked about when that time has come, never before; if the service is late, again after
0.25 s, 0.5 s and so on. All others (callbacks, invokes) are asked about every ten seconds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

from durable_execution_sdk.errors import DeterminismError
from durable_execution_sdk.protocol.operations import (
    TERMINAL_STATUSES,
    Operation,
    OperationType,
)
from durable_execution_sdk.runtime.current import sdk_context
from durable_execution_sdk.runtime.log import Journal

if TYPE_CHECKING:
    from durable_execution_sdk.runtime.extension_points import Reporter

__all__ = ["Polling", "Unsettled"]

# Interval for callbacks and invokes, whose end is not known in advance.
_POLL_SECONDS = 10.0
# The service's clock, or its timers, may be behind: the first interval of asking again, doubled each time.
_AGAIN_SECONDS = 0.25
# Keeps a clock that stands still, as in tests, from causing a tight loop.
_SOONEST_SECONDS = 0.005


if TYPE_CHECKING:

    class Registered(Protocol):
        """An operation that has not settled, as the workflow sees it."""

        is_pending: bool
        due_at: float | None

        @property
        def label(self) -> str:
            """Its name in messages."""
            ...

        @property
        def is_awaited(self) -> bool:
            """True if code would notice that it completes."""
            ...

        def observe(self, record: Operation) -> None:
            """Take in a change of its record in the log."""
            ...

    class DroppedOperation(Protocol):
        """An operation whose handle ended while it was pending."""

        def observe(self, record: Operation) -> None:
            """Take in its end, which no code sees."""
            ...


class Unsettled:
    """The operations and timers that have not settled, by operation id; they get the news of the log."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.registered: dict[str, Registered] = {}
        # The operations that the log holds as given up, by id, until the code gives them up again.
        self.given_up: dict[str, Registered] = {}
        # The operations that code dropped while they were pending, by id, until the log holds their ends.
        self.dropped: dict[str, DroppedOperation] = {}
        # Set if plugins observe the invocation.
        self.reporter: Reporter | None = None

    def learn(self, operations: Sequence[Operation]) -> set[str]:
        """Merge operations from the service into the log, notify the handles, and return the ids."""
        told: set[str] = set()
        reporter = self.reporter
        for operation in operations:
            told.add(operation.id)
            if reporter is not None:
                reporter.learned(operation)
            if self._journal.merge(operation):
                registered = self.registered.get(operation.id)
                if registered is not None:
                    registered.observe(operation)
            elif operation.id in self.dropped and operation.status in TERMINAL_STATUSES:
                self.dropped.pop(operation.id).observe(operation)
        return told

    def due_times(self) -> list[float | None]:
        """Return the due time of each pending operation; ``None`` if it is not known."""
        return [op.due_at for op in self.registered.values() if op.is_pending]

    def is_waiting(self, *, for_any: bool) -> bool:
        """Return ``True`` if an operation is pending that code awaits; with ``for_any``, if any is pending."""
        return any(op.is_pending and (for_any or op.is_awaited) for op in self.registered.values())

    def may_wait_for_service(self) -> bool:
        """Return ``True`` if there is an operation that the service may finish; contexts are finished by the SDK.

        The callbacks of an inbox count only while a task waits for a message.
        """
        return any(
            getattr(op, "kind", None) != OperationType.CONTEXT and not getattr(op, "is_idle", False)
            for op in self.registered.values()
        )

    def idle_labels(self) -> list[str]:
        """Return the names, in messages, of the pending operations."""
        return [op.label for op in self.registered.values() if op.is_pending]

    def awaited_but_given_up(self) -> DeterminismError | None:
        """Return the error for tasks that await operations which the log holds as given up, if there are any."""
        awaited = ", ".join(sorted(op.label for op in self.given_up.values() if op.is_awaited))
        if not awaited:
            return None
        from durable_execution_sdk.runtime.log.divergence import (  # noqa: PLC0415 - only for errors
            Change,
            divergence,
            seen_last,
        )

        return divergence(
            "where the code came to rest",
            f"the log holds that the workflow gave up {awaited}; now the code awaits it, and nothing"
            " cancels the task that awaits it",
            Change.CONTENT,
            before=seen_last(self._journal),
            unrecorded="Or the cancellation came from something that is not recorded: a thread, a socket, the clock of"
            " the process",
        )


class Polling:
    """Schedules the questions about an invocation's pending operations."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        now: Callable[[], float],
        pending: Callable[[], Iterable[float | None]],
        ask: Callable[[], None],
    ) -> None:
        """Take the callbacks that it needs.

        ``now`` returns the service's time, ``pending`` the due time of each pending operation (``None`` if it
        is not known); both in milliseconds. ``ask`` sends an empty checkpoint.
        """
        self._loop = loop
        self._now = now
        self._pending = pending
        self._ask = ask
        self._asked_at = time.monotonic()
        self._again = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def expect(self, due_at: float | None) -> None:
        """Note another pending operation, due at this time (milliseconds), or at a time that is not known."""
        left = _POLL_SECONDS if due_at is None else (due_at - self._now()) / 1000
        self._look_in(max(0.0, left))

    def stop(self) -> None:
        """Ask no more questions."""
        if self._timer is not None:
            self._timer.cancel()

    def _look_in(self, seconds: float) -> None:
        if self._timer is None or time.monotonic() + seconds < self._timer.when():
            self.stop()
            self._timer = self._loop.call_later(seconds, self._look, context=sdk_context())

    def _look(self) -> None:
        """Ask, if an operation is due or ten seconds have passed; then schedule the next look."""
        self._timer = None
        now = self._now()
        dues = list(self._pending())
        if not dues:
            return
        is_late = any(due is not None and due <= now for due in dues)
        if is_late or time.monotonic() - self._asked_at >= _POLL_SECONDS:
            self._asked_at = time.monotonic()
            self._ask()
        self._again = (self._again * 2 or _AGAIN_SECONDS) if is_late else 0.0
        delays = [(due - now) / 1000 for due in dues if due is not None and due > now]
        delays.append(max(0.0, self._asked_at + _POLL_SECONDS - time.monotonic()))
        if is_late:
            delays.append(self._again)
        self._look_in(max(_SOONEST_SECONDS, min(delays)))

"""Durable timers of asyncio in workflow code: ``sleep``, ``timeout``, ``wait_for``, ``call_later``.

A timer that starts anew on replay is unsound. A step that was timed out on the first run may have its
result in the log by the next one, and replay would then take the other path. So:

- A timer of a second or more is recorded as a WAIT, and the invocation may end before it fires. It is recorded only
  when it has stood for 0.2 s or nothing else can move, because most timeouts are set for something quick.
- A shorter timer fires in the process, and a STEP records that it has before any code sees it. A WAIT would round it
  up to a second and cost an invocation.
- Both are completions, delivered in the order of the log, and take ids from a row of their own, so that they shift no
  operation.
- A timer that is cancelled before it is recorded records nothing.

``loop.time()`` is the log's time in workflow code: asyncio computes deadlines from it, and replay the same ones.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from contextvars import Context, copy_context
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from durable_execution_sdk.duration import Duration
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.protocol.limits import LONGEST_TIMER_SECONDS
from durable_execution_sdk.protocol.operations import (
    TERMINAL_STATUSES,
    Operation,
    OperationStatus,
    OperationSubType,
    OperationType,
    OperationTypeName,
)
from durable_execution_sdk.protocol.updates import (
    OperationAction,
    OperationActionName,
    OperationUpdate,
    WaitOptions,
)
from durable_execution_sdk.runtime.completions.completion import Completion, Dropped, Timer
from durable_execution_sdk.runtime.contexts import ContextState
from durable_execution_sdk.runtime.contexts.scope import IdScope
from durable_execution_sdk.runtime.current import sdk_context
from durable_execution_sdk.runtime.event_loop.observer import timed_by
from durable_execution_sdk.runtime.log.ids import TIMER_NAME
from durable_execution_sdk.runtime.tasks.identity import calling_row

__all__ = ["SHORTEST_WAIT", "TIMERS_OF", "DurableTimer", "start_timer"]

# The makers of the timers of timeouts that the SDK itself sets.
TIMERS_OF: WeakKeyDictionary[asyncio.Timeout, Callable[..., DurableTimer]] = WeakKeyDictionary()

# The shortest wait of the service is a second; clocks that are floats miss it by a hair.
SHORTEST_WAIT = 0.999_999

# Seconds after which a timer of a second or more is recorded as a WAIT.
_SLOW_SECONDS = 0.2

# Number of frames between the loop and a timer.
_DEPTH = 1


class DurableTimer(Completion[None], Timer):
    """The operation of a timer that workflow code has set, or that limits the time of an operation."""

    __slots__ = (
        "_delay",
        "_is_wait",
        "_record",
        "_set_at",
        "_tick",
        "context_state",
        "due_at",
        "is_loose",
        "is_pending",
        "is_ticking",
        "name",
        "operation_id",
        "run",
    )

    def __init__(
        self,
        context_state: ContextState,
        operation_id: str,
        place: int,
        delay: float,
        name: str = TIMER_NAME,
    ) -> None:
        self.context_state = context_state
        self.run = context_state.run
        self.operation_id = operation_id
        self.name = name
        super().__init__(self.run.completions, place)
        self.is_pending = self.is_ticking = self.is_loose = self._is_wait = False
        self.due_at: float | None = None
        self._delay = delay
        self._set_at = time.monotonic()
        self._tick: asyncio.TimerHandle | None = None
        self._record = record = self.run.claim(self)
        self.context_state.unsettled[self.sequence] = self
        if self.run.reporter is not None:
            self.run.reporter.claimed(self.operation_id)
        self.run.registered[self.operation_id] = self
        is_wait = record is not None and record.type == OperationType.WAIT
        if record is not None and record.status == OperationStatus.CANCELLED:
            self.run.journal.deferred.add(self.operation_id)
        if record is not None and (is_wait or record.status in TERMINAL_STATUSES):
            self._is_wait = is_wait
            self.observe(record)
        elif not self.context_state.is_rebuilt:
            self._start()

    @property
    def label(self) -> str:
        """The name of the timer in messages."""
        return f"an asyncio timer of {self._delay:g} s"

    def observe(self, record: Operation) -> None:
        """Take in a change of its record in the log."""
        self._record = record
        if record.status == OperationStatus.CANCELLED or self.is_done:
            return
        self.is_pending = (
            record.status not in TERMINAL_STATUSES and record.type == OperationType.WAIT
        )
        if record.status in TERMINAL_STATUSES:
            self.become_due(record.end_timestamp or self.run.completions.now)
        elif self.is_pending:
            details = record.wait_details
            self.due_at = details.scheduled_end_timestamp if details else None
            self.run.expect(self.due_at)

    def outcome(self) -> None:
        """Return nothing: a timer has no value."""

    def settle(self) -> None:
        """Fire: run the callback."""
        self.context_state.operations += 1
        super().settle()
        self._leave()

    def drop(self, msg: object | None = None) -> bool:
        """Cancel the timer, and its WAIT if one is recorded and the context goes on."""
        dropped = super().drop(msg)
        if dropped:
            if self.is_pending and self.run.verdict is None:
                self.run.unsettled.dropped[self.operation_id] = Dropped(self)
            context_state = self.context_state
            may_write = not (context_state.is_over or context_state.is_rebuilt)
            if self._is_wait and may_write and not self._is_over:
                context_state.leave_behind(self._update(OperationType.WAIT, OperationAction.CANCEL))
            self._leave()
        return dropped

    def hand_over(self) -> None:
        """Record it as a WAIT, unless it is recorded or has fired."""
        if not (self.is_loose or self.is_ticking) or self._record is not None:
            return
        self.is_loose = self.is_ticking = False
        if self._tick is not None:
            self._tick.cancel()
        self._is_wait = True
        left = self._delay - (time.monotonic() - self._set_at)
        seconds = max(1, math.ceil(round(left, 3)))
        options = WaitOptions(wait_seconds=seconds)
        start = self._update(OperationType.WAIT, OperationAction.START, wait_options=options)
        self.context_state.submit(start)

    @property
    def _is_over(self) -> bool:
        return self._record is not None and self._record.status in TERMINAL_STATUSES

    def _start(self) -> None:
        self.run.timers[self] = None
        loop, context = self.run.loop, sdk_context()
        if self._delay < SHORTEST_WAIT:
            self.is_ticking = True
            self._tick = loop.call_later(self._delay, self._expire, context=context)
        else:
            self.is_loose = True
            self._tick = loop.call_later(_SLOW_SECONDS, self.hand_over, context=context)

    def _expire(self) -> None:
        """Record that the timer has fired; the workflow sees it once that is acknowledged."""
        self.is_ticking = False
        if self._record is None:
            start = self._update(OperationType.STEP, OperationAction.START)
            self.context_state.leave_behind(start)
        self.context_state.submit(
            self._update(OperationType.STEP, OperationAction.SUCCEED, payload="null")
        )

    def _update(
        self,
        kind: OperationTypeName,
        action: OperationActionName,
        *,
        payload: str | None = None,
        wait_options: WaitOptions | None = None,
    ) -> OperationUpdate:
        sub_type = OperationSubType.WAIT if kind == OperationType.WAIT else OperationSubType.STEP
        return OperationUpdate(
            id=self.operation_id,
            type=kind,
            action=action,
            parent_id=self.context_state.parent_id,
            name=self.name,
            sub_type=sub_type,
            payload=payload,
            wait_options=wait_options,
        )

    def _leave(self) -> None:
        self.is_pending = self.is_ticking = self.is_loose = False
        if self._tick is not None:
            self._tick.cancel()
        self.run.timers.pop(self, None)
        self.context_state.release(self)


class WorkflowTimerHandle(asyncio.TimerHandle):
    """The handle of a timer that workflow code gets from ``call_later`` and ``call_at``."""

    def __init__(
        self,
        when: float,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        loop: asyncio.AbstractEventLoop,
        context: Context,
        timer: DurableTimer | None,
    ) -> None:
        super().__init__(when, callback, args, loop, context)
        self._ring = partial(callback, *args)
        self._timer = timer
        self._timed = timed_by(callback, args)

    def run(self) -> None:
        """Run the callback, unless the timer was cancelled."""
        if not self.cancelled():
            self._ring()

    def cancel(self) -> None:
        """Cancel the timer, as for any handle."""
        super().cancel()
        if self._timed is not None:
            self._timed.is_timed = False
            self._timed = None
        if self._timer is not None:
            self._timer.cancel()


def start_timer(
    scope: IdScope,
    when: float,
    delay: float,
    callback: Callable[..., object],
    args: tuple[object, ...],
    context: Context | None,
) -> asyncio.TimerHandle | None:
    """Start a durable timer. Return ``None`` in clean-up code, whose timers are plain ones.

    A delay of zero or less records nothing, and neither does one that is infinite, which never fires. Raises
    ``ConfigError`` for a delay that is longer than a wait can be.
    """
    if scope.context_state.is_over:
        return None
    inner = copy_context() if context is None else context
    loop = scope.context_state.run.loop
    if delay <= 0:
        # It is due, and runs in its turn among the ready callbacks. If the process's clock decided, it
        # could run before the next completion or after it.
        due = WorkflowTimerHandle(when, callback, args, loop, inner, None)
        loop.call_soon(due.run, context=inner)
        return due
    if delay == math.inf:
        return WorkflowTimerHandle(when, callback, args, loop, inner, None)
    if delay > LONGEST_TIMER_SECONDS:
        raise ConfigError(
            f"a timer of asyncio in workflow code is a durable wait, so {delay:g} s is too long: it"
            f" can be at most {Duration(LONGEST_TIMER_SECONDS)} ({LONGEST_TIMER_SECONDS:,} s)"
        )
    operation_id, place = scope.next_timer_id(calling_row(_DEPTH))
    owner = getattr(callback, "__self__", None)
    special = TIMERS_OF.get(owner) if isinstance(owner, asyncio.Timeout) else None
    timer = (special or DurableTimer)(scope.context_state, operation_id, place, delay)
    handle = WorkflowTimerHandle(when, callback, args, loop, inner, timer)

    def ring(_: asyncio.Future[None]) -> None:
        if not handle.cancelled() and not timer.is_cancelled:
            callback(*args)

    timer.handle.add_done_callback(ring, context=inner)
    return handle

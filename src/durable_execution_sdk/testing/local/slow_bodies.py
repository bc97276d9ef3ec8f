"""Let a virtual clock follow real time while only slow step bodies run.

A virtual clock jumps to the next timer when everything waits. A step that takes a real second prevents
that, and a timeout around the step would never fire. So this module checks ten times a real second. If
the workflow made no progress since the last check, the real time between the checks is added up. When
the sum reaches the virtual time that is left until the next timer, the clock jumps to that timer. Quick
bodies are progress, so neither their number nor a slow machine changes the result of a test.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from durable_execution_sdk.emulator.clock import Clock, VirtualClock
from durable_execution_sdk.runtime.bodies import Attempting, Bodies
from durable_execution_sdk.runtime.current import sdk_context
from durable_execution_sdk.runtime.deadline import margin_of
from durable_execution_sdk.runtime.run import InvocationRun

__all__ = ["CountedBodies", "Flow", "FlowingRun"]

_CHECK_SECONDS = 0.1
# Remaining times are whole milliseconds, and are asked for at different moments.
_ROUNDING_SECONDS = 0.05
# The most real time that one check adds, so that a stalled machine is not taken for a slow body.
_MOST_COUNTED = 2 * _CHECK_SECONDS


class Flow:
    """The checks of one invocation that advance the clock.

    ``pending`` returns the times of timers. ``moved`` returns a counter of the workflow's progress.
    ``arrived`` is called with the time of a timer that the clock has jumped to.
    """

    def __init__(
        self,
        clock: VirtualClock,
        loop: asyncio.AbstractEventLoop,
        *,
        pending: Callable[[], Iterable[float | None]],
        moved: Callable[[], int],
        arrived: Callable[[float], None],
    ) -> None:
        self._clock = clock
        self._loop = loop
        self._pending = pending
        self._moved = moved
        self._arrived = arrived
        self._timer: asyncio.TimerHandle | None = None
        self._counted = 0.0  # seconds of real time without progress, ahead of the clock
        self._checked_clock = clock.now()
        self._checked_moves: int = -1
        self._checked_real = 0.0

    def begin(self) -> None:
        """Start the checks, if they do not run."""
        if self._timer is None:
            self._checked_moves, self._checked_real = self._moved(), time.monotonic()
            self._check_in(_CHECK_SECONDS)

    def stop(self) -> None:
        """Stop the checks."""
        if self._timer is not None:
            self._timer.cancel()

    def _check_in(self, seconds: float) -> None:
        self._timer = self._loop.call_later(seconds, self._check, context=sdk_context())

    def _check(self) -> None:
        self._timer = None
        now = self._clock.now()
        due = min((due for due in self._pending() if due is not None and due > now), default=None)
        if due is None:
            return
        self._counted = max(0.0, self._counted - (now - self._checked_clock) / 1000)
        self._checked_clock = now
        moved, looked_at = self._moved(), time.monotonic()
        if moved == self._checked_moves:
            self._counted += min(looked_at - self._checked_real, _MOST_COUNTED)
        self._checked_moves, self._checked_real = moved, looked_at
        left = (due - now) / 1000 - self._counted
        if left <= 0:
            self._clock.jump_to(round(due))
            self._arrived(due)
        if self._timer is None:
            self._check_in(min(left, _CHECK_SECONDS) if left > 0 else _CHECK_SECONDS)


class CountedBodies(Bodies):
    """Bodies whose starts and ends count as progress."""

    moves = 0

    def start(
        self, operation: Attempting[Any], body: Coroutine[object, object, None]
    ) -> asyncio.Task[None]:
        """Count the start of a body."""
        self.moves += 1
        return super().start(operation, body)

    def ended(self, task: asyncio.Task[None] | None) -> None:
        """Count the end of a body."""
        self.moves += 1
        super().ended(task)


class FlowingRun(InvocationRun):
    """The state of an invocation whose slow step bodies take virtual time."""

    bodies: CountedBodies

    def __init__(self, clock: Clock, function_left: Callable[[], float | None], *args: Any) -> None:
        """``function_left`` returns the seconds that the function has left, however long the test may take."""
        super().__init__(*args)
        self._function_left = function_left
        self._flow: Flow | None = None
        if isinstance(clock, VirtualClock):
            self._flow = Flow(
                clock,
                self.loop,
                pending=self.due_times,
                moved=lambda: self.tasks.progress + self.bodies.moves,
                arrived=super().expect,
            )

    def seconds_of_function(self, seconds: float) -> float:
        """Return the seconds until the function's own time is nearly up."""
        left = self._function_left()
        own = 0.0 if left is None else left - margin_of(self.settings, left)
        return own if own > seconds + _ROUNDING_SECONDS else seconds

    def make_bodies(self, loop: asyncio.AbstractEventLoop) -> CountedBodies:
        """Make the object that counts the bodies of steps."""
        return CountedBodies(loop)

    def expect(self, due_at: float | None) -> None:
        """Note a timer, and start the checks unless the invocation is ending."""
        super().expect(due_at)
        if self._flow is not None and due_at is not None and not self.is_ending:
            self._flow.begin()

    def unwind(self) -> None:
        """Stop the checks, and unwind the workflow."""
        super().unwind()
        if self._flow is not None:
            self._flow.stop()

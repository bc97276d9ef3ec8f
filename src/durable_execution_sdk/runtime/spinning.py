"""Hold back tasks of workflow code that go on and on without waiting for anything.

Completions are delivered when the workflow is quiescent, so that replay delivers them at the same
points. Code that polls never gets there::

    order = ctx.step(place_order)
    while not order.done():
        await asyncio.sleep(0)

The number of turns that the loop takes until the step ends is never the same twice, so a completion
that came in the middle of them could not be replayed. The rule: moves of tasks are counted from one
delivery to the next. A task that makes too many is *held*: at its next move it blocks on a future of
ours instead, and counts as blocked. The workflow becomes quiescent, the next completion is
delivered, and then the held tasks go on, in the order in which they were held and after the tasks
that wait for that completion. The counts are functions of the code and of the deliveries, so replay
holds each task at the same point. A task that was held is held sooner after the next delivery, so
that polling through a map of a thousand items costs a thousand short rounds.

If no completion can come, the held tasks go on without one: a loop that only takes long ends. One
that does not is reported, after a million moves, as a deadlock on the line that spins.

A move is counted however it came about: ``sleep(0)``, futures that two tasks set for one another, a
cancellation that anyio's scopes deliver again at each turn of the loop.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any

from durable_execution_sdk.runtime.tasks import UNCHECKED_MOVES, WorkflowTask, WorkflowTasks

__all__ = ["Held", "Spinning"]

# How many moves a task may make, and all tasks together, between two deliveries before it is held.
_LONG_MOVES = 20_000
_MOVES_OF_ALL = 10 * _LONG_MOVES
# How many moves tasks that are held make while no completion can come, until that is a deadlock.
_ENDLESS_MOVES = 1_000_000


class Held(asyncio.Future[None]):
    """The future that a held task blocks on; ``error`` is the exception that its next move raises."""

    error: BaseException | None = None


class Spinning:
    """Counts the moves of an invocation's workflow tasks, and holds those that spin."""

    def __init__(
        self,
        tasks: WorkflowTasks,
        loop: asyncio.AbstractEventLoop,
        is_over: Callable[[], bool],
    ) -> None:
        self._tasks = tasks
        self._loop = loop
        self._is_over = is_over
        tasks.hold = self.hold
        tasks.resume = self._resume
        # The counting began when the tasks had made so many moves; at that of the last delivery.
        self._began_at = self.delivered_at = tasks.checked_from - UNCHECKED_MOVES
        # Tasks that were held at the delivery at which the counting began.
        self._known: set[WorkflowTask[Any]] = set()
        self._known_at = -1.0
        # Tasks that were cancelled while they were held, and have seen it.
        self._cancelled: set[WorkflowTask[Any]] = set()

    @property
    def moves(self) -> int:
        """Moves that the tasks have made since the last delivery; valid while some are held."""
        return int(self._tasks.progress - self.delivered_at)

    @property
    def is_endless(self) -> bool:
        """True once the held tasks have gone on so long that they count as deadlocked."""
        return self.moves >= _ENDLESS_MOVES

    def let_on(self) -> None:
        """Let the held tasks go on, though nothing was delivered."""
        self._count_from(self._tasks.progress)
        self._tasks.checked_from = self._tasks.progress + UNCHECKED_MOVES
        self._release()

    def _resume(self) -> None:
        """Let the held tasks go on: something was delivered."""
        self._known_at = self._tasks.checked_from - UNCHECKED_MOVES
        self._known = set(self._release())

    def _release(self) -> dict[WorkflowTask[Any], Held]:
        held, self._tasks.held = self._tasks.held, {}
        for future in held.values():
            if not future.done():
                if future.error is None:
                    future.set_result(None)
                else:
                    future.set_exception(future.error)
        return held

    def _count_from(self, progress: float) -> None:
        self._began_at = progress
        self._cancelled.clear()
        if self._known_at != progress:
            self._known.clear()

    def hold(
        self, watched: WorkflowTask[Any], error: BaseException | None = None
    ) -> asyncio.Future[None] | None:
        """Return the future on which a task is to block before its next move, if it spins.

        ``error`` is the exception that this move is to raise.
        """
        tasks = self._tasks
        if self._is_over():
            tasks.checked_from = math.inf
            tasks.held.clear()
            return None
        if tasks.checked_from - UNCHECKED_MOVES != self._began_at:
            self.delivered_at = tasks.checked_from - UNCHECKED_MOVES
            self._count_from(self.delivered_at)
        held = tasks.held.pop(watched, None)
        if held is None:
            if not self._spins(watched):
                return None
        elif held.error is None and watched not in self._cancelled:
            self._cancelled.add(watched)  # This move tells it.
            return None
        future = tasks.held[watched] = Held(loop=self._loop)
        future.error = error
        # As ``await`` does: it marks the future as awaited, which asyncio checks.
        awaited: asyncio.Future[None] = next(future.__await__())
        return awaited

    def _spins(self, watched: WorkflowTask[Any]) -> bool:
        if watched.counted_from != self._began_at:
            watched.counted_from = self._began_at
            watched.moves = 0
        watched.moves += 1
        if watched in self._known or watched.moves > _LONG_MOVES:
            return True
        return self._tasks.progress - self._began_at > _MOVES_OF_ALL

"""The holding of tasks that spin: tasks of workflow code that run on and on without waiting for anything.

Completions are delivered when the workflow is quiescent, so that replay delivers them at the same
points. Code that polls never gets there::

    order = ctx.step(place_order)
    while not order.done():
        await asyncio.sleep(0)

The number of turns that the loop takes until the step ends is never the same twice, so a completion
that came in the middle of them could not be replayed. The rule: moves of tasks are counted from one
delivery to the next. A task that makes over 20,000 is *held*: at its next move it blocks on a future of
the SDK instead, and counts as blocked. The workflow becomes quiescent, the next completion is
delivered, and then the held tasks go on, in the order in which they were held and after the tasks
that wait for that completion. The counts are functions of the code and of the deliveries, so replay
holds each task at the same point. A task that was held is held again at its next move after the next
delivery, so that polling through a map of a thousand items costs a thousand short rounds.

If no completion can come, the held tasks go on without one, because a long loop ends at some time. One
that makes a million moves is reported as a deadlock, with the line that spins.

A smaller number would hold correct code: a loop that yields so often beside a pending wait goes on only
after that wait.

All moves count: after ``sleep(0)``, after futures that two tasks set for one another, after a
cancellation that anyio's scopes deliver again after each move. A cancellation takes the time of ten other
moves, and counts as ten for the million and in clean-up code, where the limits stand for time. In clean-up
code no completion comes, so a task that makes 20,000 moves there is closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from durable_execution_sdk.runtime.tasks import (
    UNCHECKED_MOVES,
    WorkflowTask,
    WorkflowTasks,
)

__all__ = ["Held", "Spinning"]

# Moves between two deliveries after which a task is held: its own, and those of all tasks together.
_LONG_MOVES = 20_000
_MOVES_OF_ALL = 10 * _LONG_MOVES
# Moves without a delivery after which tasks that spin are a deadlock, or are closed if they clean up.
_ENDLESS_MOVES = 1_000_000
# The moves that one cancellation counts for where the limit stands for time.
_CANCELLATION = 10
# The value of ``WorkflowTask.counted_from`` for the moves in clean-up code.
_IN_CLEAN_UP = -2.0


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
        # The total of moves at which the counting began, and that at the last delivery.
        self._began_at = self.delivered_at = tasks.checked_from - UNCHECKED_MOVES
        # Tasks that were held at the delivery with which the counting began.
        self._known: set[WorkflowTask[object]] = set()
        self._known_at = -1.0
        # The cancellations among the moves since then; the first ones are not checked.
        self._cancellations = 0
        # The total of moves when the end came.
        self._over_at: float | None = None
        # Tasks that were cancelled while they were held, and have got the cancellation.
        self._cancelled: set[WorkflowTask[object]] = set()

    @property
    def moves(self) -> int:
        """Moves that the tasks have made since the last delivery; valid while some are held."""
        return int(self._tasks.progress - self.delivered_at)

    @property
    def is_endless(self) -> bool:
        """True once the held tasks have gone on so long that they count as deadlocked."""
        return self.moves + (_CANCELLATION - 1) * self._cancellations >= _ENDLESS_MOVES

    def let_on(self) -> None:
        """Let the held tasks go on without a delivery."""
        self._count_from(self._tasks.progress)
        self._tasks.checked_from = self._tasks.progress + UNCHECKED_MOVES
        self._release()
        self._tasks.begins_to_move()

    def _resume(self) -> None:
        """Let the held tasks go on after a delivery."""
        self._known_at = self._tasks.checked_from - UNCHECKED_MOVES
        self._known = set(self._release())

    def _release(self) -> dict[WorkflowTask[object], Held]:
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
        self, watched: WorkflowTask[object], error: BaseException | None = None
    ) -> asyncio.Future[None] | None:
        """Return the future on which a task is to block before its next move, if it spins.

        ``error`` is the exception that this move is to raise.
        """
        tasks = self._tasks
        is_cancellation = isinstance(error, asyncio.CancelledError)
        if self._is_over():
            self._clean_up(watched, _CANCELLATION if is_cancellation else 1)
            return None
        if tasks.checked_from - UNCHECKED_MOVES != self._began_at:
            self.delivered_at = tasks.checked_from - UNCHECKED_MOVES
            self._cancellations = 0
            self._count_from(self.delivered_at)
        held = tasks.held.pop(watched, None)
        if held is None:
            if not self._spins(watched):
                self._cancellations += is_cancellation
                return None
        elif held.error is None and watched not in self._cancelled:
            self._cancelled.add(watched)  # This move passes the cancellation on.
            self._cancellations += 1
            return None
        future = tasks.held[watched] = Held(loop=self._loop)
        future.error = error
        # As ``await`` does: it marks the future as awaited, which asyncio checks.
        awaited: asyncio.Future[None] = next(future.__await__())
        return awaited

    def _clean_up(self, watched: WorkflowTask[object], moves: int) -> None:
        """Count moves of a task that cleans up, and close it if it spins."""
        tasks = self._tasks
        tasks.held.clear()
        if self._over_at is None:
            self._over_at = tasks.progress
            tasks.checked_from = 0  # each move is counted from now on
        if watched.counted_from != _IN_CLEAN_UP:
            watched.counted_from = _IN_CLEAN_UP
            watched.moves = 0
        watched.moves += moves
        if watched.moves > _LONG_MOVES or tasks.progress - self._over_at > _ENDLESS_MOVES:
            watched.kill()

    def _spins(self, watched: WorkflowTask[object]) -> bool:
        if watched.counted_from != self._began_at:
            watched.counted_from = self._began_at
            watched.moves = 0
        watched.moves += 1
        if watched in self._known or watched.moves > _LONG_MOVES:
            return True
        return self._tasks.progress - self._began_at > _MOVES_OF_ALL

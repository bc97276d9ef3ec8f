"""Timers, threads and sockets of the process that may wake workflow code, besides its operations.

None of them is recorded. While a *known* one may wake a task that waits for no operation, the invocation
stays: a call of ``asyncio.to_thread``, an open socket. An *unknown* source, such as a thread that no
executor started, may complete a future or set an event at any time, or never. It is waited for as well,
but for ``foreign_wait`` seconds at most, 30 by default.

An unknown thread can only wake a task if it exists. So in a process that has no threads but those of the
SDK and of callers that wait for it, a task that nothing can wake is deadlocked at once. A future of
``concurrent.futures`` is completed by another thread by definition.

While an operation is pending, only futures are waited for, and not locks, events and queues: those are
mostly the workflow's own, and each suspension would take ``foreign_wait`` seconds longer. After that wait
the invocation suspends, so the wait comes at most once for each operation that completes.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Collection, Container, Generator, Iterable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from durable_execution_sdk.runtime.completions.handle import Wake
from durable_execution_sdk.runtime.current import sdk_context
from durable_execution_sdk.runtime.event_loop.observer import ThreadOrigin
from durable_execution_sdk.runtime.event_loop.threads import pools
from durable_execution_sdk.runtime.tasks import WorkflowTask, WorkflowTasks

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

__all__ = ["Outside", "standing_by"]

# Seconds after which a silent socket of workflow code counts as idle.
_SOCKET_PATIENCE_SECONDS = 10.0

# Prefixes of the names of threads that are no unknown source: the SDK's own, whose calls are known, and
# the pools of other event loops, such as a server's, which only get work from a thread of such a loop.
_OWN_THREADS = ("durable-", "asyncio_")
# Interval in seconds of looking again: threads end, and tasks that poll for one may go on.
_AGAIN_SECONDS = 0.1
# A timer is not set again if it would fire earlier by less than this.
_CLOSE_SECONDS = 0.02
# Time left that counts as none: the loop fires a timer that is so close at once, and the clock may not have moved.
_NO_SECONDS = 1e-6

# The values of ``waits.Reach``, which most workflows never need.
_TIMER, _LOOP, _FUTURE, _THREAD = 1, 2, 3, 4

# Threads that only wait for a workflow in another thread, with one entry for each such workflow.
_bystanders: list[threading.Thread] = []


@contextmanager
def standing_by() -> Generator[None]:
    """Mark this thread as one that only waits for a workflow that runs in another thread."""
    thread = threading.current_thread()
    _bystanders.append(thread)
    try:
        yield
    finally:
        _bystanders.remove(thread)


def _has_foreign_threads() -> bool:
    others = threading.active_count() - 1
    if others == 0:
        return False
    mine = threading.current_thread()
    workers = [pool.workers for pool in list(pools.values())]
    if others == sum(len(each) - (mine in each) for each in workers):
        return False  # they stay for the next plain step, and are not looked at one by one
    return any(
        thread is not mine
        and thread not in _bystanders
        and not thread.name.startswith(_OWN_THREADS)
        for thread in threading.enumerate()
    )


class Outside:
    """The timers, threads and sockets of one invocation's workflow code."""

    def __init__(
        self, tasks: WorkflowTasks, loop: asyncio.AbstractEventLoop, *, foreign_wait: float
    ) -> None:
        self._tasks = tasks
        self._loop = loop
        self._foreign_wait = foreign_wait
        # True if the function's time is limited.
        self.has_deadline = False
        self._timers: dict[int, asyncio.TimerHandle] = {}  # by id: equal times hash alike
        # The calls in threads that run: the future of each, and where the record of its end belongs. And those that
        # have ended, and whose end has yet to be delivered; without the place if the log held it at the start.
        self.calls: dict[asyncio.Future[object], ThreadOrigin | None] = {}
        self._arrived: dict[asyncio.Future[object], ThreadOrigin | None] = {}
        self._sockets: dict[object, float] = {}
        self._patience: asyncio.TimerHandle | None = None
        # The time since which the workflow waits for an unknown source, and ``moved`` at that time.
        self._waits_since: float | None = None
        self._moved: object = None
        # Where the SDK has cancelled each task that something not known may have woken.
        self._cancelled_at: dict[WorkflowTask[object], set[object]] = {}
        self.thread_ended: Callable[[], None] = _nothing

    def timer_set(self, timer: asyncio.TimerHandle, runner: Any) -> None:
        """Clean-up code set a timer: any other is durable.

        It is waited for as long as the context that is cleaned up has time. Code that swallows its
        cancellation may set one after the other for ever.
        """
        if timer.when() <= runner.scope.context_state.cleans_until:
            self._timers[id(timer)] = timer

    def timer_rang(self, timer: asyncio.TimerHandle) -> None:
        """Note that such a timer has fired."""
        self._timers.pop(id(timer), None)

    def thread_started(self, future: asyncio.Future[object], origin: ThreadOrigin | None) -> None:
        """Note that workflow code started a call in a thread."""
        self.calls[future] = origin
        future.add_done_callback(self._thread_ended, context=sdk_context())

    def thread_arrived(
        self, future: asyncio.Future[object], unrecorded: ThreadOrigin | None
    ) -> None:
        """Note that a call in a thread has ended, though workflow code is yet to see that.

        ``unrecorded`` is the place of its end, unless the log holds that already.
        """
        self.calls.pop(future, None)
        self._arrived[future] = unrecorded
        future.add_done_callback(lambda told: self._arrived.pop(told, None), context=sdk_context())

    def stays_for_new_end(self, recorded: Collection[str]) -> bool:
        """Return ``True`` if the invocation stays for a call in a thread whose end is not recorded.

        A call that has ended counts as one that runs: it depends on the thread which of them it is. The end of one
        that a context has left behind is never recorded. One of the code's own executor is waited for only for some
        time, but counts too, so that lines come twice rather than never.
        """
        arrived = {future: origin for future, origin in self._arrived.items() if origin is not None}
        is_new = any(
            origin is None or not (origin[0].is_over or origin[1] in recorded)
            for origin in (*self.calls.values(), *arrived.values())
        )
        live = self._tasks.live
        stays = is_new and self._furthest(live, running=arrived) >= _LOOP
        return stays or (not recorded and self._furthest(live, ended=self.calls) == _THREAD)

    def socket_watched(self, descriptor: FileDescriptorLike) -> None:
        """Note that workflow code began to watch a socket."""
        self._sockets[descriptor] = time.monotonic()

    def socket_left(self, descriptor: FileDescriptorLike) -> None:
        """Note that a socket is no longer watched."""
        self._sockets.pop(descriptor, None)

    @property
    def is_watching(self) -> bool:
        """True if there are timers, calls in threads, sockets or unknown threads."""
        return bool(self._timers or self.calls or self._sockets) or _has_foreign_threads()

    def may_wake(self, before: float = math.inf) -> bool:
        """Return ``True`` if a known source may wake a task that waits for no operation.

        ``before`` is a time of the loop's clock; timers that fire later do not count.
        """
        if not (self._timers or self.calls or self._sockets):
            return False
        reach = self._furthest(self._tasks.live)
        self._timers = {key: timer for key, timer in self._timers.items() if not timer.cancelled()}
        if reach >= _TIMER and any(timer.when() <= before for timer in self._timers.values()):
            return True
        if reach < _LOOP:
            return False
        if self.calls:
            return True
        if not self._sockets:
            return False
        return self._looks_again(max(self._sockets.values()) + _SOCKET_PATIENCE_SECONDS)

    def is_waited_for(
        self,
        moved: object,
        *,
        is_pending: bool,
        is_restless: bool = False,
        again: Callable[[], None] | None = None,
    ) -> bool:
        """Return ``True`` if an unknown source may wake a task, and has had less than ``foreign_wait`` seconds.

        The time counts from the last change of ``moved``, which changes when the workflow moves. With
        ``is_pending``, the service would invoke again. With ``is_restless``, callbacks of the loop come at each
        turn. ``again`` is called ten times a second meanwhile.
        """
        reach = self._furthest(self._not_swallowing() if self._cancelled_at else self._tasks.live)
        if reach < (_FUTURE if is_pending else _LOOP):
            return False
        may_come = reach == _THREAD or _has_foreign_threads()
        if not may_come and (is_pending or not (self._sockets or is_restless)):
            return False
        return self._is_within_patience(moved, again or _nothing)

    def leads_to_an_end(self, moved: object) -> bool:
        """Return ``True`` while a thread may complete a future; an unknown one for some time, or until the deadline."""
        if self.calls or not _has_foreign_threads():
            return bool(self.calls)
        return self.has_deadline or self._is_within_patience(moved, _nothing)

    def waited(self, moved: object) -> float:
        """Return the seconds for which the workflow has waited, without a move, for an unknown source."""
        since = self._waits_since
        return 0.0 if since is None or moved != self._moved else time.monotonic() - since

    def cancels(self, watched: WorkflowTask[object]) -> None:
        """The SDK is about to cancel a task.

        If it waits once more where it stands now, it has swallowed that, and may do so again and again: it
        gets no time for what is not known. That is for code that goes on to clean up.
        """
        if not isinstance(watched.blocked_on, Wake) and _has_foreign_threads():
            from durable_execution_sdk.runtime.deadlocks.waits import where  # noqa: PLC0415 - rarely needed

            self._cancelled_at.setdefault(watched, set()).add(where(watched))

    def leave(self) -> None:
        """Cancel the timer."""
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _is_within_patience(self, moved: object, again: Callable[[], None]) -> bool:
        """Return ``True`` for ``foreign_wait`` seconds after the last change of ``moved``."""
        if self._waits_since is None or moved != self._moved:
            self._moved = moved
            self._waits_since = time.monotonic()
        return self._looks_again(self._waits_since + self._foreign_wait, again)

    def _not_swallowing(self) -> list[WorkflowTask[object]]:
        """The tasks that do not wait where they were cancelled."""
        from durable_execution_sdk.runtime.deadlocks.waits import where  # noqa: PLC0415 - rarely needed

        cancelled_at = self._cancelled_at
        return [
            watched
            for watched in self._tasks.live
            if watched not in cancelled_at or where(watched) not in cancelled_at[watched]
        ]

    def _furthest(
        self, tasks: Iterable[Any], running: Container[object] = (), ended: Iterable[object] = ()
    ) -> int:
        """The furthest reach of tasks; see ``waits.Reach``. Calls count as ``running`` or ``ended`` if they are listed."""
        own: set[object] = {future for future in self._arrived if future not in running}
        own.update(ended)
        own.update(watched.task for watched in self._tasks.live)
        far = [
            watched
            for watched in tasks
            if not (isinstance(watched.blocked_on, Wake) or watched.blocked_on in own)
        ]
        if not far:
            return 0
        from durable_execution_sdk.runtime.deadlocks.waits import reach_of  # noqa: PLC0415 - rarely needed

        return max(reach_of(watched, own) for watched in far)

    def _looks_again(self, until: float, again: Callable[[], None] | None = None) -> bool:
        """Return ``True`` if that time is still to come, and wake the loop then or earlier."""
        left = until - time.monotonic()
        if left <= _NO_SECONDS:
            return False
        if again is not None:
            left = min(left, _AGAIN_SECONDS)
        patience = self._patience
        if patience is None or patience.when() > time.monotonic() + left + _CLOSE_SECONDS:
            self.leave()
            self._patience = self._loop.call_later(
                left, self._look, again or _nothing, context=sdk_context()
            )
            # The loop has already computed how long it will wait, without this timer: wake it.
            self._loop.call_soon_threadsafe(_nothing, context=sdk_context())
        return True

    def _look(self, again: Callable[[], None]) -> None:
        self._patience = None
        again()

    def _thread_ended(self, future: asyncio.Future[object]) -> None:
        self.calls.pop(future, None)
        self.thread_ended()


def _nothing() -> None:
    """Wake the loop, so that it looks again."""

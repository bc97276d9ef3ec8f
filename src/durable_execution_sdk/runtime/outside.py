"""What may still wake workflow code, besides its operations: timers, threads and sockets of the process.

None of them is recorded. While one may wake a task that waits for no operation, the invocation stays.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from durable_execution_sdk.runtime.current import sdk_context
from durable_execution_sdk.runtime.delivery import Wake
from durable_execution_sdk.runtime.tasks import WorkflowTasks

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

__all__ = ["Outside"]

# How long a socket that workflow code opened may be silent before it counts as idle.
_SOCKET_PATIENCE_SECONDS = 10.0


class Outside:
    """What the workflow code of one invocation asked the process to wake it up for."""

    def __init__(self, tasks: WorkflowTasks, loop: asyncio.AbstractEventLoop) -> None:
        self._tasks = tasks
        self._loop = loop
        self._timers: set[asyncio.TimerHandle] = set()
        self._threads: set[asyncio.Future[Any]] = set()
        self._sockets: dict[Any, float] = {}
        self._patience: asyncio.TimerHandle | None = None

    def timer_set(self, timer: asyncio.TimerHandle) -> None:
        """Clean-up code set a timer: any other is durable."""
        self._timers.add(timer)

    def timer_rang(self, timer: asyncio.TimerHandle) -> None:
        """One of its timers has rung."""
        self._timers.discard(timer)

    def thread_started(self, future: asyncio.Future[Any]) -> None:
        """Workflow code started work in a thread."""
        self._threads.add(future)
        future.add_done_callback(self._threads.discard)

    def socket_watched(self, descriptor: FileDescriptorLike) -> None:
        """Workflow code began to watch a socket."""
        self._sockets[descriptor] = time.monotonic()

    def socket_left(self, descriptor: FileDescriptorLike) -> None:
        """Workflow code ceased to watch a socket."""
        self._sockets.pop(descriptor, None)

    @property
    def is_watching(self) -> bool:
        """Whether there is anything of the kind at all."""
        return bool(self._timers or self._threads or self._sockets)

    def may_wake(self) -> bool:
        """Whether any of this may still wake a task that waits for no operation."""
        if not self.is_watching:
            return False
        own = {watched.task for watched in self._tasks.live}
        if all(
            isinstance(watched.blocked_on, Wake) or watched.blocked_on in own
            for watched in self._tasks.live
        ):
            return False
        self._timers = {timer for timer in self._timers if not timer.cancelled()}
        if self._timers or self._threads:
            return True
        return bool(self._sockets) and self._has_patience()

    def leave(self) -> None:
        """The workflow is over."""
        if self._patience is not None:
            self._patience.cancel()

    def _has_patience(self) -> bool:
        """Whether a socket has been silent for a short time only; the loop looks again after that."""
        patience = max(self._sockets.values()) + _SOCKET_PATIENCE_SECONDS - time.monotonic()
        if patience > 0:
            self.leave()
            self._patience = self._loop.call_later(patience, _nothing, context=sdk_context())
        return patience > 0


def _nothing() -> None:
    """Wake the loop, so that it looks again."""

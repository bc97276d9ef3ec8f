"""The calls of workflow code in threads of anyio: each gets a place in the log when it ends.

anyio has a pool of threads of its own, and the loop cannot tell from the callbacks of these threads which future
they complete. This module is loaded only where anyio is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from queue import Queue
from typing import Any

import anyio._backends._asyncio as backend

from durable_execution_sdk.runtime.current import ThreadCall
from durable_execution_sdk.runtime.event_loop import WorkflowLoop
from durable_execution_sdk.runtime.event_loop.observer import LoopObserver

__all__ = ["order_anyio_threads"]


def order_anyio_threads() -> None:
    """Let the observer of the loop see the calls of workflow code in threads of anyio, and their ends."""
    worker: Any = backend.WorkerThread
    initialize: Callable[..., None] = worker.__init__
    if getattr(initialize, "tells_of_calls", False):
        return
    report: Callable[..., None] = worker._report_result  # noqa: SLF001 - anyio has no public name for it

    def begin(self: Any, *args: Any, **options: Any) -> None:
        initialize(self, *args, **options)
        self.queue.__class__ = _Calls

    def report_in_turn(self: Any, future: asyncio.Future[object], *outcome: Any) -> None:
        observer = _observer_of(future)
        if observer is None:
            report(self, future, *outcome)
        else:
            observer.threads.take_end(future, partial(report, self, future, *outcome))

    begin.tells_of_calls = True  # type: ignore[attr-defined]
    worker.__init__ = begin
    worker._report_result = report_in_turn  # noqa: SLF001


def _observer_of(future: asyncio.Future[object]) -> LoopObserver | None:
    loop = future.get_loop()
    return loop.idle_selector.observer if isinstance(loop, WorkflowLoop) else None


class _Calls(Queue[Any]):
    """The queue by which a thread of anyio gets its calls."""

    def put_nowait(self, item: Any) -> None:
        """Give the thread a call, with the future that it completes, or ``None`` to end it."""
        parts: list[Any] = list(item or ())
        for future in filter(asyncio.isfuture, parts):
            observer = _observer_of(future)
            origin = None if observer is None else observer.threads.call_started(future)
            if observer is not None and origin is not None:
                place = next(at for at, part in enumerate(parts) if callable(part))
                parts[place] = call = ThreadCall(parts[place])
                call.tell(is_replayed=observer.threads.is_recorded(origin))
        super().put_nowait(tuple(parts) if parts else item)

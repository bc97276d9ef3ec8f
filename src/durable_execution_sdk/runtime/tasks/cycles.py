"""Tasks that await each other in a circle.

asyncio passes a cancellation of a task on to the task that it awaits. In a circle that recurses until a
``RecursionError``, which would keep the SDK from unwinding the workflow and from reporting the deadlock.
So the await that closes a circle blocks on a future of its own, which passes no cancellation on.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import Any

__all__ = ["cancel", "closes_circle", "wait_apart"]


def cancel(task: asyncio.Task[object]) -> None:
    """Cancel a task. Do nothing where that recurses without end.

    That happens in a circle which contains a task made by ``asyncio.Task(...)``: such tasks are not watched,
    so the circle is not broken. They and the tasks that wait for them are abandoned in the end.
    """
    with suppress(RecursionError):
        asyncio.Task[Any].cancel(task)


def closes_circle(waits_for: object, task: object) -> bool:
    """Return ``True`` if a cancellation of ``task``, which is about to wait, would come back to it."""
    left, seen = [waits_for], set[int]()
    while left:
        future = left.pop()
        if id(future) in seen:
            continue
        seen.add(id(future))
        if isinstance(future, asyncio.Task):
            waiting = _coroutine_of(future)
            if waiting is task:
                return True
            if not getattr(waiting, "waits_apart", True):
                left.append(waiting.blocked_on)
        else:
            left += getattr(future, "_children", ())
    return False


def wait_apart(waits_for: asyncio.Future[object]) -> object:
    """Return a future that ends with ``waits_for``, and whose cancellation does not reach it."""
    apart = asyncio.Future[None](loop=waits_for.get_loop())
    waits_for._asyncio_future_blocking = False  # noqa: SLF001 - as a task does when it blocks on one
    waits_for.add_done_callback(partial(_end, apart))
    return next(apart.__await__())


def _end(apart: asyncio.Future[None], _: asyncio.Future[object]) -> None:
    if not apart.done():
        apart.set_result(None)


def _coroutine_of(task: Any) -> Any:
    return task.get_coro()

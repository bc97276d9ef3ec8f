"""Tasks that await each other, in a circle.

asyncio passes a cancellation on to what the task awaits. In a circle it comes round for ever, and a
``RecursionError`` would keep the workflow from being unwound, and its deadlock from being told. So the
await that closes a circle waits for a future of its own, at which a cancellation ends.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import Any

__all__ = ["cancel", "closes_circle", "wait_apart"]


def cancel(task: asyncio.Task[Any]) -> None:
    """Cancel a task, if it is in no circle that a task of other makers has closed.

    Those of ``asyncio.Task(...)`` are not watched. They and what waits for them are abandoned in the end.
    """
    with suppress(RecursionError):
        asyncio.Task[Any].cancel(task)


def closes_circle(waits_for: object, task: object) -> bool:
    """Tell if a cancellation of this task, which is about to wait, would come back to it."""
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


def wait_apart(waits_for: asyncio.Future[Any]) -> object:
    """Return a future to block on in place of this one, of which it is independent."""
    apart = asyncio.Future[None](loop=waits_for.get_loop())
    waits_for._asyncio_future_blocking = False  # noqa: SLF001 - as a task does when it blocks on one
    waits_for.add_done_callback(partial(_end, apart))
    return next(apart.__await__())


def _end(apart: asyncio.Future[None], _: asyncio.Future[Any]) -> None:
    if not apart.done():
        apart.set_result(None)


def _coroutine_of(task: Any) -> Any:
    return task.get_coro()

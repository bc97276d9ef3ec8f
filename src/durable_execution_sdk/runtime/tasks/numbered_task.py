"""The asyncio tasks of workflow code: their hash, their cancellation, circles of them, and those that code sees.

asyncio passes a cancellation of a task on to the task that it awaits. In a circle that recurses until a
``RecursionError``, which would keep the SDK from unwinding the workflow and from reporting the deadlock.
So the await that closes a circle blocks on a future of its own, which passes no cancellation on.

``asyncio.all_tasks()`` returns to workflow code the tasks of its own context, and no others. Replay does not make
the tasks of a context below or beside it, or of a step, again once that has ended. It does make those of a context
around it. But code cancels and awaits the tasks that it finds, and replay does not repeat that once the code's own
context has ended.
"""

from __future__ import annotations

import asyncio
import asyncio.tasks
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from contextvars import Context, copy_context
from functools import partial
from types import FunctionType
from typing import Any, TypeVar

from durable_execution_sdk.errors import ContextMisuseError
from durable_execution_sdk.runtime.current import StepContext, get_current

__all__ = [
    "NumberedTask",
    "cancel",
    "closes_circle",
    "limit_all_tasks",
    "out_of_reach",
    "refused_in_step",
    "wait_apart",
]

_T = TypeVar("_T")

# Methods of the base class; to call them by these names is quicker than through ``super()``.
_init: Callable[..., None] = asyncio.Task[Any].__init__
_add_done_callback = asyncio.Task[Any].add_done_callback


class NumberedTask(asyncio.Task[_T]):
    """A task of workflow code, whose hash is the same on every replay.

    An object's own hash is its address, and code iterates over the sets that ``asyncio.wait`` and
    ``asyncio.all_tasks`` return. The body of a step can reach the task by ``all_tasks`` and is refused to
    cancel or await it: replay does not run the body, so its effect on the workflow would be lost.
    """

    __slots__ = ("_place", "owner")

    def __init__(
        self,
        place: int,
        coroutine: Coroutine[object, object, _T],
        owner: object,
        loop: asyncio.AbstractEventLoop,
        context: Context,
        name: str | None,
    ) -> None:
        self._place = place
        self.owner = owner
        _init(self, coroutine, loop=loop, context=context, name=name)

    def __hash__(self) -> int:
        """Return the number of the task's place in the workflow."""
        return self._place

    @property
    def _title(self) -> str:
        return getattr(self.get_coro(), "__name__", self.get_name())

    def cancel(self, msg: object | None = None) -> bool:
        """Cancel the task, as for any task; refused inside steps."""
        if isinstance(get_current(), StepContext):
            raise refused_in_step(f"the task {self._title!r} of the workflow", "cancelled")
        return super().cancel(msg)

    def add_done_callback(
        self, fn: Callable[[Any], object], /, *, context: Context | None = None
    ) -> None:
        """Add a callback, as for any task; refused inside steps, for which the workflow waits."""
        if isinstance(get_current(), StepContext):
            raise refused_in_step(f"the task {self._title!r} of the workflow", "awaited")
        # See ``Handle.add_done_callback``: without one, the callback would run in the context of this task.
        _add_done_callback(self, fn, context=copy_context() if context is None else context)


class _Registry:
    """asyncio's set of tasks, which shows workflow code those of its own context, in the order of creation."""

    def __init__(self, registry: Any) -> None:
        self._registry = registry

    def __getattr__(self, name: str) -> Any:
        return getattr(self._registry, name)

    def __contains__(self, task: object) -> bool:
        return task in self._registry

    def __len__(self) -> int:
        return len(self._registry)

    def __iter__(self) -> Iterator[asyncio.Task[Any]]:
        caller: Any = get_current()
        loop = asyncio._get_running_loop()  # noqa: SLF001 - ``None`` in a thread without one
        # A thread that workflow code has started may run a loop of its own.
        if caller is None or isinstance(caller, StepContext) or caller.owner.loop is not loop:
            return iter(self._registry)
        others = [task for task in self._registry if task.get_loop() is not loop]
        return iter([*caller.tasks_of_context(), *others])


def limit_all_tasks() -> None:
    """Let ``asyncio.all_tasks`` return to workflow code the tasks of its own context only.

    Up to Python 3.13 the function is written in Python, and looks the set of all tasks up by name in each call. So
    the set is replaced, which also serves code that has imported the function already, and other functions that were
    put in its place. Later it is written in C, and is replaced in each module that has imported it.
    """
    module: Any = asyncio.tasks
    name = "_scheduled_tasks" if hasattr(module, "_scheduled_tasks") else "_all_tasks"
    registry = getattr(module, name)
    if not isinstance(registry, _Registry):
        setattr(module, name, _Registry(registry))
    original: Any = module.all_tasks
    if isinstance(original, FunctionType):
        return

    def all_tasks(loop: asyncio.AbstractEventLoop | None = None) -> set[asyncio.Task[Any]]:
        """Return the tasks of a loop; in workflow code those of its own context."""
        loop = loop or asyncio.get_running_loop()
        alive: set[asyncio.Task[Any]] = original(loop)
        return {task for task in _Registry(alive) if task in alive}

    for imported in list(sys.modules.values()):
        names: dict[str, object] = getattr(imported, "__dict__", {})
        if names.get("all_tasks") is original:
            names["all_tasks"] = all_tasks


def out_of_reach(task: asyncio.Task[object]) -> None:
    """Hide a task of the SDK from ``asyncio.all_tasks``, so that no other code cancels or awaits it."""
    asyncio._unregister_task(task)  # noqa: SLF001 - asyncio documents it, for makers of tasks


def refused_in_step(what: str, done: str) -> ContextMisuseError:
    """Make the error for a step that cancels or awaits a part of the workflow."""
    return ContextMisuseError(
        f"{what} was {done} inside a step: a step is not run again on replay, so what it does to"
        " the workflow would be lost, and the workflow waits for the step. Do it in workflow code,"
        " after the step; asyncio.all_tasks() holds tasks of the workflow too"
    )


def cancel(task: asyncio.Task[object]) -> None:
    """Cancel a task. Do nothing where that recurses without end.

    That happens in a circle which contains a task made by ``asyncio.Task(...)``: such tasks are not watched,
    so the circle is not broken. They and the tasks that wait for them are abandoned in the end.
    """
    with suppress(RecursionError):
        asyncio.Task[object].cancel(task)


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

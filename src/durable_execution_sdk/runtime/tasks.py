"""The asyncio tasks of a workflow: how they are told apart, and what each one waits for.

A task that workflow code makes gets a scope of its own, numbered in creation order. Its coroutine
is driven through a thin wrapper that sees every move and every future that it blocks on.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine, Generator, Sequence
from contextvars import Context, copy_context
from types import FrameType
from typing import Any, NoReturn, Protocol, TypeVar, cast

from durable_execution_sdk.errors import DeterminismError
from durable_execution_sdk.runtime.current import CURRENT

_T = TypeVar("_T")


class TaskScope(Protocol):
    """Where a task claims its operations."""

    def spawn(self) -> TaskScope:
        """The scope of the next task that this one makes."""
        ...

    def entered(self, task: WorkflowTask[Any]) -> None:
        """The task begins."""
        ...

    def left(self, task: WorkflowTask[Any]) -> None:
        """The task has ended."""
        ...


class WorkflowTask(Coroutine[Any, Any, _T]):
    """A workflow coroutine, watched."""

    __slots__ = (
        "__name__",
        "__weakref__",
        "_coroutine",
        "_killed",
        "_tasks",
        "blocked_on",
        "scope",
        "task",
    )

    def __init__(
        self, coroutine: Coroutine[Any, Any, _T], scope: TaskScope, tasks: WorkflowTasks
    ) -> None:
        self._coroutine = coroutine
        self._tasks = tasks
        self._killed = False
        # What asyncio and debuggers show of a task is what they would show of the coroutine itself. A
        # ``__getattr__`` for this would slow down everything else.
        self.__name__: str = getattr(coroutine, "__qualname__", type(coroutine).__qualname__)
        self.scope = scope
        self.blocked_on: object = None
        self.task: asyncio.Task[_T] | None = None

    @property
    def name(self) -> str:
        """What messages call this task."""
        return self.__name__

    @property
    def cr_code(self) -> Any:
        """The code that runs."""
        return getattr(self._coroutine, "cr_code", None)

    @property
    def cr_frame(self) -> Any:
        """Where it stands."""
        return getattr(self._coroutine, "cr_frame", None)

    @property
    def cr_running(self) -> bool:
        """Whether it is this one that runs now."""
        return bool(getattr(self._coroutine, "cr_running", False))

    @property
    def cr_suspended(self) -> bool:
        """Whether it has begun and waits: ``inspect`` asks, and anyio before it cancels a task."""
        return bool(getattr(self._coroutine, "cr_suspended", False))

    @property
    def cr_await(self) -> Any:
        """What it awaits."""
        return getattr(self._coroutine, "cr_await", None)

    def send(self, value: Any) -> Any:
        """Run to the next await."""
        tasks = self._tasks
        tasks.progress += 1
        self.blocked_on = None
        if CURRENT.get() is not self:  # tasks may share a context
            CURRENT.set(self)
        try:
            self.blocked_on = waits_for = (
                self._die() if self._killed else self._coroutine.send(value)
            )
        except BaseException:
            tasks.ended(self)
            raise
        return waits_for

    def throw(self, *exception: Any) -> Any:
        """Run to the next await, from an exception."""
        tasks = self._tasks
        tasks.progress += 1
        self.blocked_on = None
        if CURRENT.get() is not self:
            CURRENT.set(self)
        try:
            self.blocked_on = waits_for = (
                self._die() if self._killed else self._coroutine.throw(*exception)
            )
        except BaseException:
            tasks.ended(self)
            raise
        return waits_for

    def kill(self) -> None:
        """Stop this task at its next move, whatever its code would do."""
        self._killed = True

    def close(self) -> None:
        """Give up."""
        self._tasks.ended(self)
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, _T]:
        """Let another task run this one's coroutine."""
        return self._coroutine.__await__()

    def _die(self) -> NoReturn:
        self._coroutine.close()
        raise asyncio.CancelledError


class NumberedTask(asyncio.Task[_T]):
    """A task whose place in a set is the same on every replay, as that of an object is not.

    ``asyncio.wait`` returns sets, and code goes through them.
    """

    __slots__ = ("_number",)

    def __init__(self, number: int, coroutine: Coroutine[Any, Any, _T], **options: Any) -> None:
        self._number = number
        super().__init__(coroutine, **options)

    def __hash__(self) -> int:
        """The number in the order of creation."""
        return self._number


class WorkflowTasks:
    """Every live task of one invocation's workflow code."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        # In the order of creation, so that whatever goes through them does the same on replay.
        self.live: dict[WorkflowTask[Any], None] = {}
        self.progress = 0
        self._loop = loop
        self._created = 0
        self._early: dict[object, asyncio.Task[Any]] = {}

    def start(
        self,
        coroutine: Coroutine[Any, Any, _T],
        scope: TaskScope,
        context: Context | None = None,
        **options: Any,
    ) -> asyncio.Task[_T]:
        """Run a coroutine as workflow code of this scope."""
        watched = WorkflowTask(coroutine, scope, self)
        self.live[watched] = None
        scope.entered(watched)
        self.progress += 1
        self._created += 1
        task = NumberedTask(
            self._created, watched, loop=self._loop, context=context or copy_context(), **options
        )
        watched.task = task
        return task

    def ended(self, watched: WorkflowTask[Any]) -> None:
        """This task will not move again."""
        if self.live.pop(watched, watched) is None:
            watched.scope.left(watched)
            # Each refers to the other: large maps would fill the memory until the collector comes.
            watched.task = None

    def factory(
        self, loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any
    ) -> asyncio.Future[Any]:
        """The loop's task factory: only what workflow code makes becomes workflow code."""
        creator = CURRENT.get()
        if isinstance(creator, WorkflowTask) and asyncio.iscoroutine(coroutine):
            ready = self._early.pop(coroutine, None)
            if ready is not None:
                return ready
            given = _given_to_as_completed(coroutine)
            if given is not None:
                return self._start_in_order(given, creator.scope, coroutine)
            return self.start(coroutine, creator.scope.spawn(), **options)
        return asyncio.Task(coroutine, loop=loop, **options)

    def _start_in_order(
        self, given: Sequence[object], scope: TaskScope, wanted: object
    ) -> asyncio.Task[Any]:
        """Start all coroutines that were given, in that order; the others are asked for next."""
        for each in dict.fromkeys(given):
            if asyncio.iscoroutine(each):
                self._early[each] = self.start(each, scope.spawn())
        return self._early.pop(wanted)


_MAKERS = frozenset({"asyncio.tasks", "asyncio.base_events"})
_COMPLETED = frozenset({"as_completed", "_AsCompletedIterator.__init__"})


def _given_to_as_completed(coroutine: object) -> Sequence[object] | None:
    """What ``asyncio.as_completed`` was given, if it is what makes a task of this coroutine.

    It starts coroutines in the order of a set of objects, which differs from one invocation to the
    next: they must be started in the order of the caller's list instead.
    """
    frame: FrameType | None = sys._getframe(2)  # noqa: SLF001 - who creates the task
    while frame is not None and frame.f_globals.get("__name__") in _MAKERS:
        if frame.f_code.co_qualname in _COMPLETED:
            given = frame.f_locals.get("fs", frame.f_locals.get("aws"))
            if isinstance(given, Sequence):
                ordered = cast("Sequence[object]", given)
                if any(each is coroutine for each in ordered):
                    return ordered
            raise DeterminismError(
                "asyncio.as_completed starts what it is given in an order that differs from one"
                " invocation to the next, so replay could not tell the operations apart. Give it a"
                " list of coroutines, tasks or operations: asyncio.as_completed([...])"
            )
        frame = frame.f_back
    return None

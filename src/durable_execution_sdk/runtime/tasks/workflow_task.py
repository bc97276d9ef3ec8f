"""The asyncio tasks of a workflow: their identity, and the futures that they block on.

A task that workflow code makes gets a scope of its own (``contexts``). Its coroutine is driven through a thin
wrapper, ``WorkflowTask``, which counts every move and sees every future that the coroutine blocks on.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextlib import suppress
from contextvars import Context, copy_context
from types import FrameType
from typing import Any, NoReturn, TypeVar, cast

from durable_execution_sdk.errors import ContextMisuseError, DeterminismError, ExecutionError
from durable_execution_sdk.runtime.current import CURRENT
from durable_execution_sdk.runtime.step_context import StepContext
from durable_execution_sdk.runtime.tasks.cycles import cancel, closes_circle, wait_apart
from durable_execution_sdk.runtime.tasks.identity import (
    Row,
    calling_row,
    futures_without_order,
    row_of,
    takes_over_scope,
)

_T = TypeVar("_T")

# Number of moves of tasks after a delivery before ``spinning`` begins to count those of each.
UNCHECKED_MOVES = 1_000


class TaskScope:
    """The place where a task claims its operations; ``Scope`` is what there is of it."""

    # The hash of the context's own task.
    place: int

    @property
    def now(self) -> float:
        """The log's time, in milliseconds."""
        raise NotImplementedError

    @property
    def title(self) -> str:
        """The name of the context in messages."""
        raise NotImplementedError

    @property
    def is_replaying(self) -> bool:
        """True if the code that runs here now has run before."""
        raise NotImplementedError

    def count(self, kind: str, row: Row) -> int:
        """The number of one more thing of this kind and row, from 1."""
        raise NotImplementedError

    def spawn(self, row: Row) -> tuple[TaskScope, int]:
        """Return the scope of the next task of this row, and the task's hash."""
        raise NotImplementedError

    def entered(self, task: WorkflowTask[Any]) -> None:
        """Take note that the task begins."""
        raise NotImplementedError

    def left(self, task: WorkflowTask[Any]) -> None:
        """Take note that the task has ended."""
        raise NotImplementedError


class WorkflowTask(Coroutine[Any, Any, _T]):
    """A wrapper around a coroutine of workflow code that records its moves and the future it blocks on."""

    __slots__ = (
        "__name__",
        "__weakref__",
        "_coroutine",
        "_killed",
        "_tasks",
        "blocked_on",
        "counted_from",
        "moves",
        "scope",
        "task",
        "waits_apart",
    )

    def __init__(
        self, coroutine: Coroutine[Any, Any, _T], scope: TaskScope, tasks: WorkflowTasks
    ) -> None:
        self._coroutine = coroutine
        self._tasks = tasks
        self._killed = False
        # asyncio and debuggers read ``__name__`` and the ``cr_`` attributes, and show the coroutine's own. A
        # ``__getattr__`` for this would slow down every other access.
        self.__name__: str = getattr(coroutine, "__qualname__", type(coroutine).__qualname__)
        self.scope = scope
        self.blocked_on: object = None
        # True if its cancellation does not reach the future that it waits for: see ``cycles``.
        self.waits_apart = False
        # See ``spinning``; only counted once all tasks together have made many moves.
        self.moves = 0
        self.counted_from = -1.0
        self.task: asyncio.Task[_T] | None = None

    @property
    def name(self) -> str:
        """The name of this task in messages."""
        return self.__name__

    @property
    def cr_code(self) -> Any:
        """The coroutine's code."""
        return getattr(self._coroutine, "cr_code", None)

    @property
    def cr_frame(self) -> Any:
        """The coroutine's frame."""
        return getattr(self._coroutine, "cr_frame", None)

    @property
    def cr_running(self) -> bool:
        """True if the coroutine runs now."""
        return bool(getattr(self._coroutine, "cr_running", False))

    @property
    def cr_suspended(self) -> bool:
        """True if the coroutine has begun and waits. ``inspect`` reads this, and anyio before it cancels a task."""
        return bool(getattr(self._coroutine, "cr_suspended", False))

    @property
    def cr_await(self) -> Any:
        """The awaitable that the coroutine awaits."""
        return getattr(self._coroutine, "cr_await", None)

    def send(self, value: Any) -> Any:
        """Run to the next await that blocks."""
        tasks = self._tasks
        if tasks.progress >= tasks.checked_from and (held := tasks.hold(self)) is not None:
            self.blocked_on = held
            return held
        tasks.progress += 1
        self.blocked_on = None
        CURRENT.set(self)  # in each move, since tasks may share a context
        try:
            self.blocked_on = waits_for = (
                self._die() if self._killed else self._coroutine.send(value)
            )
        except SystemExit as error:
            tasks.ended(self)
            raise _no_exit(error) from error
        except BaseException:
            tasks.ended(self)
            raise
        if waits_for.__class__ is NumberedTask or hasattr(waits_for, "_children"):
            return self._wait_for_tasks(waits_for)
        return waits_for

    def throw(self, *exception: Any) -> Any:
        """Raise an exception in the coroutine, and run to the next await that blocks."""
        tasks = self._tasks
        if tasks.progress >= tasks.checked_from and isinstance(exception[0], BaseException):
            held = tasks.hold(self, exception[0])
            if held is not None:
                self.blocked_on = held
                return held
        tasks.progress += 1
        self.blocked_on = None
        CURRENT.set(self)
        try:
            self.blocked_on = waits_for = (
                self._die() if self._killed else self._coroutine.throw(*exception)
            )
        except SystemExit as error:
            tasks.ended(self)
            raise _no_exit(error) from error
        except BaseException:
            tasks.ended(self)
            raise
        if waits_for.__class__ is NumberedTask or hasattr(waits_for, "_children"):
            return self._wait_for_tasks(waits_for)
        return waits_for

    def _wait_for_tasks(self, waits_for: asyncio.Future[Any]) -> object:
        self.waits_apart = closes_circle(waits_for, self)
        return wait_apart(waits_for) if self.waits_apart else waits_for

    def cancel(self) -> None:
        """Cancel the task; the SDK may, even from the body of a step."""
        if self.task is not None:
            self._tasks.cancels(self)
            cancel(self.task)

    def kill(self) -> None:
        """Close the coroutine at its next move, in place of running it."""
        self._killed = True

    def close(self) -> None:
        """Close the coroutine."""
        self._tasks.ended(self)
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, _T]:
        """Let another task run this one's coroutine."""
        return self._coroutine.__await__()

    @property
    def owner(self) -> WorkflowTasks:
        """All tasks of its workflow."""
        return self._tasks

    @property
    def is_of_the_sdk(self) -> bool:
        """True if the SDK made the coroutine, around code of the user's."""
        return self.cr_code is not None and self.cr_code.co_filename.startswith(_SDK_FOLDER)

    def _die(self) -> NoReturn:
        chain: list[Any] = []
        inner: Any = self._coroutine
        while inner is not None:
            chain.append(inner)
            inner = getattr(inner, "cr_await", None)
        with suppress(RuntimeError):
            self._coroutine.close()
        _never_closed.extend(each for each in chain if getattr(each, "cr_suspended", False))
        raise asyncio.CancelledError


class _ExitError(ExecutionError):
    """The failure of a workflow that called ``sys.exit``; a retry would call it again, without end."""


# The log holds the name of the exception that the code raised.
_ExitError.__name__ = SystemExit.__name__


def _no_exit(error: SystemExit) -> ExecutionError:
    return _ExitError(
        f"workflow code called sys.exit({error.code!r}), which ends the process and not the execution."
        " Raise an exception, or use ctx.complete_execution_failure(...)"
    )


class NumberedTask(asyncio.Task[_T]):
    """A task of workflow code, whose hash is the same on every replay.

    An object's own hash is its address, and code iterates over the sets that ``asyncio.wait`` and
    ``asyncio.all_tasks`` return. The body of a step can reach the task by ``all_tasks`` and is refused to
    cancel or await it: replay does not run the body, so its effect on the workflow would be lost.
    """

    __slots__ = ("_place", "owner")

    def __init__(
        self, place: int, coroutine: WorkflowTask[_T], owner: WorkflowTasks, **options: Any
    ) -> None:
        self._place = place
        self.owner = owner
        super().__init__(coroutine, **options)

    def __hash__(self) -> int:
        """Return the number of the task's place in the workflow."""
        return self._place

    @property
    def _title(self) -> str:
        return getattr(self.get_coro(), "__name__", self.get_name())

    def cancel(self, msg: Any | None = None) -> bool:
        """Cancel the task, as for any task; refused inside steps."""
        if isinstance(CURRENT.get(), StepContext):
            raise refused_in_step(f"the task {self._title!r} of the workflow", "cancelled")
        return super().cancel(msg)

    def add_done_callback(
        self, fn: Callable[[Any], object], /, *, context: Context | None = None
    ) -> None:
        """Add a callback, as for any task; refused inside steps, for which the workflow waits."""
        if isinstance(CURRENT.get(), StepContext):
            raise refused_in_step(f"the task {self._title!r} of the workflow", "awaited")
        super().add_done_callback(fn, context=context)


def out_of_reach(task: asyncio.Task[Any]) -> None:
    """Hide a task of the SDK from ``asyncio.all_tasks``, so that no other code cancels or awaits it."""
    asyncio._unregister_task(task)  # noqa: SLF001 - asyncio documents it, for makers of tasks


def refused_in_step(what: str, done: str) -> ContextMisuseError:
    """Make the error for a step that cancels or awaits a part of the workflow."""
    return ContextMisuseError(
        f"{what} was {done} inside a step: a step is not run again on replay, so what it does to"
        " the workflow would be lost, and the workflow waits for the step. Do it in workflow code,"
        " after the step; asyncio.all_tasks() holds tasks of the workflow too"
    )


class NumberedFuture(asyncio.Future[_T]):
    """A future that workflow code made, whose hash is the same on every replay."""

    __slots__ = ("_place", "is_timed", "owner")

    def __init__(self, place: int, loop: asyncio.AbstractEventLoop, owner: WorkflowTasks) -> None:
        self._place = place
        self.owner = owner
        # True while a timer of asyncio is set that gives it its result: nothing else has to.
        self.is_timed = False
        super().__init__(loop=loop)

    def __hash__(self) -> int:
        """Return the number of the future's place in the workflow."""
        return self._place


def is_left_unseen(future: object, error: object) -> bool:
    """Tell if the SDK is why nothing looks at the exception of a future or task of workflow code.

    It suspends code that would have looked later, and it cancels what a context leaves behind.
    """
    owner: object = getattr(future, "owner", None)
    if not isinstance(owner, WorkflowTasks):
        return False
    return owner.is_cut or isinstance(error, asyncio.CancelledError)


def owner_of_future() -> WorkflowTasks | None:
    """The tasks of the workflow whose code is about to make a future; none if other code runs."""
    creator = CURRENT.get()
    return creator.owner if isinstance(creator, WorkflowTask) else None


def timed_by(callback: Callable[..., object], args: tuple[Any, ...]) -> NumberedFuture[Any] | None:
    """Mark the future that a timer gives its result, as those of ``asyncio.sleep`` do.

    A timer that cancels a future, gives it an exception or calls any other function may be a timeout for
    what something else completes.
    """
    future: asyncio.Future[Any] | None = None
    if callback is _END_OF_SLEEP:
        future = args[0]
    elif getattr(callback, "__name__", "") == "set_result":
        future = getattr(callback, "__self__", None)
    if not isinstance(future, NumberedFuture):
        return None
    future.is_timed = True
    return future


def place_of_future(depth: int) -> int | None:
    """Return the hash for a future that workflow code is about to make; ``None`` if other code runs.

    Raises ``DeterminismError`` for ``asyncio.wait`` of several futures without a reproducible hash.
    """
    creator = CURRENT.get()
    if not isinstance(creator, WorkflowTask):
        return None
    if futures_without_order(depth + 1) > 1:
        raise DeterminismError(
            "asyncio.wait was given futures that workflow code made with asyncio.Future(...); the sets that"
            " it returns hold these in the order of their addresses, which differs on replay. Make them"
            " with asyncio.get_running_loop().create_future()"
        )
    row = calling_row(depth + 1)
    scope = creator.scope
    return scope.place + row.number + scope.count("future", row)


class WorkflowTasks:
    """The live tasks of one invocation's workflow code."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        # In the order of creation, so that iteration over them is the same on replay.
        self.live: dict[WorkflowTask[Any], None] = {}
        self.progress = 0
        # True once the SDK has ended the workflow before its code was done: see ``is_left_unseen``.
        self.is_cut = False
        # From so many moves on, tasks are asked whether they spin: see ``spinning``.
        self.checked_from: float = UNCHECKED_MOVES
        self.held: dict[WorkflowTask[Any], Any] = {}
        self.hold: Callable[..., asyncio.Future[None] | None] = _never
        self.resume: Callable[[], None] = _nothing
        # Told of each task that the SDK is about to cancel.
        self.cancels: Callable[[WorkflowTask[Any]], None] = _take_no_note
        self._loop = loop
        self._early: dict[object, asyncio.Task[Any]] = {}

    def start(
        self,
        coroutine: Coroutine[Any, Any, _T],
        scope: TaskScope,
        context: Context | None = None,
        *,
        place: int = 0,
        name: str | None = None,
    ) -> asyncio.Task[_T]:
        """Make a task that runs a coroutine as workflow code of this scope. ``place`` is the task's hash."""
        watched = WorkflowTask(coroutine, scope, self)
        self.live[watched] = None
        scope.entered(watched)
        self.progress += 1
        task = NumberedTask(
            place or scope.place,
            watched,
            self,
            loop=self._loop,
            context=context or copy_context(),
            name=name,
        )
        watched.task = task
        return task

    def ended(self, watched: WorkflowTask[Any]) -> None:
        """Note that this task will not move again."""
        if self.live.pop(watched, watched) is None:
            watched.scope.left(watched)
            # Breaks the reference cycle: large maps would fill the memory until a garbage collection.
            watched.task = None

    def make(
        self,
        coroutine: Coroutine[Any, Any, _T],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> asyncio.Task[_T] | None:
        """Make a task with a scope of its own; return ``None`` if the caller is not workflow code."""
        creator = CURRENT.get()
        if not isinstance(creator, WorkflowTask):
            return None
        ready = self._early.pop(coroutine, None)
        if ready is not None:
            return ready
        given = _given_to_as_completed(coroutine)
        if given is not None:
            return self._start_in_order(given, creator.scope, coroutine)
        if takes_over_scope(3):
            return self.start(coroutine, creator.scope, context, name=name)
        return self._start_below(creator.scope, coroutine, context, name)

    def _start_below(
        self,
        scope: TaskScope,
        coroutine: Coroutine[Any, Any, _T],
        context: Context | None = None,
        name: str | None = None,
    ) -> asyncio.Task[_T]:
        below, place = scope.spawn(row_of(coroutine))
        return self.start(coroutine, below, context, place=place, name=name)

    def _start_in_order(
        self, given: Sequence[object], scope: TaskScope, wanted: object
    ) -> asyncio.Task[Any]:
        """Start all coroutines in the given order, and return the task of ``wanted``.

        ``as_completed`` asks for the others next, in an order of its own, and gets the tasks made here.
        """
        for each in dict.fromkeys(given):
            if asyncio.iscoroutine(each):
                self._early[each] = self._start_below(scope, each)
        return self._early.pop(wanted)


def _never(watched: WorkflowTask[Any], error: BaseException | None = None) -> None:
    """Hold no task."""


def _nothing() -> None:
    """No task is held."""


def _take_no_note(watched: WorkflowTask[Any]) -> None:
    """Let a task be cancelled."""


# Code that swallows even that it is closed. To be destroyed would run more of it.
_never_closed: list[object] = []

# What the timers of ``asyncio.sleep`` call.
_END_OF_SLEEP: object = getattr(asyncio.futures, "_set_result_unless_cancelled", None)

_SDK_FOLDER = __file__.rpartition("runtime")[0]

_MAKERS = frozenset(
    {
        "asyncio.tasks",
        "asyncio.base_events",
        __name__,
        "durable_execution_sdk.runtime.event_loop.loop",
        "durable_execution_sdk.runtime.event_loop.observer",
    }
)
_COMPLETED = frozenset({"as_completed", "_AsCompletedIterator.__init__"})


def _given_to_as_completed(coroutine: object) -> Sequence[object] | None:
    """Return the operands of ``asyncio.as_completed`` if that makes the task of this coroutine.

    It starts coroutines in the order of a set, which differs from one invocation to the next. They must be
    started in the order of the caller's list instead. Raises ``DeterminismError`` if there is no list.
    """
    frame: FrameType | None = sys._getframe(2)  # noqa: SLF001 - who makes the task
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

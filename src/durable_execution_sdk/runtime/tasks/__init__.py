"""The tasks of a workflow: the code that they run, and the futures that they block on.

A task that workflow code makes gets a scope of its own (``contexts.scope``). Its coroutine is driven through a thin
wrapper, ``WorkflowTask``, which counts every move and sees every future that the coroutine blocks on.

The module is long because a task and the set of all tasks call one another in each move, and ``send`` and
``throw`` are written out, since a call for what they share would be paid in every move.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextlib import suppress
from contextvars import Context, copy_context
from typing import Any, NoReturn, TypeVar

from durable_execution_sdk.errors import ExecutionError
from durable_execution_sdk.runtime.current import get_current, set_current
from durable_execution_sdk.runtime.tasks.identity import (
    Row,
    frame_of_asyncio,
    given_to_as_completed,
    row_of,
    takes_over_scope,
)
from durable_execution_sdk.runtime.tasks.numbered_task import (
    NumberedTask,
    cancel,
    closes_circle,
    wait_apart,
)

_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)

# Number of moves of tasks after a delivery before ``spinning`` begins to count those of each.
UNCHECKED_MOVES = 1_000
# The value of ``WorkflowTasks.checked_from`` by which the next move is checked.
_AT_ONCE = -1.0


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

    @property
    def is_over(self) -> bool:
        """True if operations do nothing here any more, because only clean-up code still runs."""
        raise NotImplementedError

    @property
    def runs_in(self) -> object:
        """The part of the workflow that a replay runs or leaves out as a whole; equal for all tasks in it."""
        raise NotImplementedError

    def count(self, kind: str, row: Row) -> int:
        """The number of one more thing of this kind and row, from 1."""
        raise NotImplementedError

    def next_thread_end(self, row: Row) -> tuple[str, int, int]:
        """Claim the end of the next call in a thread; return its id, its hash and its sequence number."""
        raise NotImplementedError

    def spawn(self, row: Row) -> tuple[TaskScope, int]:
        """Return the scope of the next task of this row, and the task's hash."""
        raise NotImplementedError

    def entered(self, task: WorkflowTask[object]) -> None:
        """Take note that the task begins."""
        raise NotImplementedError

    def left(self, task: WorkflowTask[object]) -> None:
        """Take note that the task has ended."""
        raise NotImplementedError


class WorkflowTask(Coroutine[object, object, _T_co]):
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
        self, coroutine: Coroutine[object, object, _T_co], scope: TaskScope, tasks: WorkflowTasks
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
        self.task: asyncio.Task[_T_co] | None = None

    @property
    def name(self) -> str:
        """The name of this task in messages."""
        return self.__name__

    @property
    def cr_code(self) -> Any:
        """The coroutine's code."""
        return getattr(self._coroutine, "cr_code", None)

    @property
    def cr_frame(self) -> object:
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
    def cr_await(self) -> object:
        """The awaitable that the coroutine awaits."""
        return getattr(self._coroutine, "cr_await", None)

    def send(self, value: object) -> object:
        """Run to the next await that blocks."""
        tasks = self._tasks
        if tasks.progress >= tasks.checked_from and (held := tasks.check(self)) is not None:
            self.blocked_on = held
            return held
        tasks.progress += 1
        self.blocked_on = None
        set_current(self)  # in each move, since tasks may share a context
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

    def throw(self, *exception: Any) -> object:
        """Raise an exception in the coroutine, and run to the next await that blocks."""
        tasks = self._tasks
        if tasks.progress >= tasks.checked_from and isinstance(exception[0], BaseException):
            held = tasks.check(self, exception[0])
            if held is not None:
                self.blocked_on = held
                return held
        tasks.progress += 1
        self.blocked_on = None
        set_current(self)
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

    def _wait_for_tasks(self, waits_for: Any) -> object:
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

    def __await__(self) -> Generator[object, object, _T_co]:
        """Let another task run this one's coroutine."""
        return self._coroutine.__await__()

    @property
    def owner(self) -> WorkflowTasks:
        """All tasks of its workflow."""
        return self._tasks

    def tasks_of_context(self) -> list[asyncio.Task[Any]]:
        """Return the live tasks that this task's code sees, in the order of their creation.

        Of several tasks in one scope it is only one: the caller, if it has taken over the scope of another task (see
        ``identity``).
        """
        runs_in = self.scope.runs_in
        seen: dict[TaskScope, asyncio.Task[Any]] = {}
        for each in self._tasks.live:
            if each.task is not None and each.scope.runs_in == runs_in:
                seen.setdefault(each.scope, each.task)
        if self.task is not None and self.scope in seen:
            seen[self.scope] = self.task
        return list(seen.values())

    @property
    def is_of_the_sdk(self) -> bool:
        """True if the SDK made the coroutine, around code of the user's."""
        return self.cr_code is not None and self.cr_code.co_filename.startswith(_SDK_FOLDER)

    def _die(self) -> NoReturn:
        chain: list[object] = []
        inner: Any = self._coroutine
        while inner is not None:
            chain.append(inner)
            inner = getattr(inner, "cr_await", None)
        with suppress(RuntimeError):
            self._coroutine.close()
        never_closed = [each for each in chain if getattr(each, "cr_suspended", False)]
        if never_closed:
            from durable_execution_sdk.runtime.tasks.kept_for_good import (  # noqa: PLC0415 - rarely needed
                keep_for_good,
            )

            keep_for_good(*never_closed)
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


class WorkflowTasks:
    """The live tasks of one invocation's workflow code."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        # In the order of creation, so that iteration over them is the same on replay.
        self.live: dict[WorkflowTask[object], None] = {}
        self.progress = 0
        # True once the SDK has ended the workflow before its code was done: see ``is_left_unseen``.
        self.is_cut = False
        # From so many moves on, tasks are asked whether they spin: see ``spinning``.
        self.checked_from: float = UNCHECKED_MOVES
        self.held: dict[WorkflowTask[object], Any] = {}
        self.hold: Callable[..., asyncio.Future[None] | None] = _never
        self.resume: Callable[[], None] = _nothing
        # Called at the next move; meanwhile ``checked_from`` is ``_AT_ONCE``, and its value is kept here.
        self.at_move: list[Callable[[], None]] = []
        self._checked_from: float = UNCHECKED_MOVES
        # Told of each task that the SDK is about to cancel.
        self.cancels: Callable[[WorkflowTask[object]], None] = _take_no_note
        self.loop = loop
        self._early: dict[object, asyncio.Task[Any]] = {}

    def start(
        self,
        coroutine: Coroutine[object, object, _T],
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
            self.loop,
            copy_context() if context is None else context,
            name,
        )
        watched.task = task
        return task

    def ended(self, watched: WorkflowTask[object]) -> None:
        """Note that this task will not move again."""
        if self.live.pop(watched, watched) is None:
            watched.scope.left(watched)
            # Breaks the reference cycle: large maps would fill the memory until a garbage collection.
            watched.task = None

    def at_next_move(self, call: Callable[[], None]) -> None:
        """Call a function when a task of workflow code is about to move, or after the next delivery."""
        if self.checked_from != _AT_ONCE:
            self._checked_from, self.checked_from = self.checked_from, _AT_ONCE
        self.at_move.append(call)

    def begins_to_move(self) -> None:
        """Call what was to be called at the next move."""
        if self.checked_from == _AT_ONCE:
            self.checked_from = self._checked_from
        calls, self.at_move = self.at_move, []
        for call in calls:
            call()

    def check(
        self, watched: WorkflowTask[object], error: BaseException | None = None
    ) -> asyncio.Future[None] | None:
        """Return the future on which a task is to block before its next move, if it spins."""
        if not self.at_move:
            return self.hold(watched, error)
        self.checked_from = self._checked_from
        held = self.hold(watched, error) if self.progress >= self.checked_from else None
        if held is None:
            self.begins_to_move()
        else:
            self._checked_from, self.checked_from = self.checked_from, _AT_ONCE
        return held

    def make(
        self,
        coroutine: Coroutine[object, object, _T],
        name: str | None = None,
        context: Context | None = None,
    ) -> asyncio.Task[_T] | None:
        """Make a task with a scope of its own for the caller of ``loop.create_task``, if that is workflow code.

        Returns ``None`` for other code.
        """
        creator = get_current()
        if not isinstance(creator, WorkflowTask):
            return None
        scope = creator.scope
        maker = frame_of_asyncio(3)
        if maker is not None:
            ready = self._early.pop(coroutine, None)
            if ready is not None:
                return ready
            given = given_to_as_completed(maker, coroutine)
            if given is not None:
                return self._start_in_order(given, scope, coroutine)
            if takes_over_scope(maker):
                return self.start(coroutine, scope, context, name=name)
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
                below, place = scope.spawn(row_of(each))
                self._early[each] = self.start(each, below, place=place)
        return self._early.pop(wanted)


def _never(watched: WorkflowTask[object], error: BaseException | None = None) -> None:
    """Hold no task."""


def _nothing() -> None:
    """No task is held."""


def _take_no_note(watched: WorkflowTask[object]) -> None:
    """Let a task be cancelled."""


_SDK_FOLDER = __file__.rpartition("runtime")[0]

"""The observer of the event loop: it acts when the loop is idle, and serves what workflow code asks of the loop.

The loop belongs to the process and runs bodies of steps and the SDK's own code, too. So the observer first
looks at the caller: workflow code gets numbered tasks and futures, and durable timers; other code gets those
of asyncio.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Container, Sized
from contextvars import Context
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from durable_execution_sdk.errors import DeterminismError
from durable_execution_sdk.runtime.current import get_current, sdk_context
from durable_execution_sdk.runtime.tasks import (
    TaskScope,
    WorkflowTask,
    WorkflowTasks,
)
from durable_execution_sdk.runtime.tasks.identity import calling_row, futures_without_order

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

    from durable_execution_sdk.runtime.log import Journal
    from durable_execution_sdk.runtime.settings import Invoked, Settings

__all__ = [
    "LoopObserver",
    "NumberedFuture",
    "ObservedRun",
    "StartTimer",
    "ThreadOrigin",
    "is_left_unseen",
    "owner_of_future",
    "place_of_future",
    "timed_by",
]

_T = TypeVar("_T")

# What the timers of ``asyncio.sleep`` call.
_END_OF_SLEEP: object = getattr(asyncio.futures, "_set_result_unless_cancelled", None)

# The scope of a call in a thread, and the id, the hash and the sequence number of its end.
ThreadOrigin = tuple[TaskScope, str, int, int]

# Takes scope, loop time, delay in seconds, callback, its arguments and its context.
StartTimer = Callable[
    [Any, float, float, Callable[..., object], tuple[Any, ...], Context | None],
    asyncio.TimerHandle | None,
]

# Takes the coroutine, the name and the context of a task.
MakeTask = Callable[[Any, str | None, Context | None], asyncio.Task[Any] | None]


if TYPE_CHECKING:

    class Wakers(Protocol):
        """The recorder of timers, threads and sockets of workflow code: see ``external_wakeups``."""

        def timer_set(self, timer: asyncio.TimerHandle, runner: Any) -> None:
            """It set a timer; ``runner`` is the task that did."""
            ...

        def timer_rang(self, timer: asyncio.TimerHandle) -> None:
            """Note a timer that has fired."""
            ...

        def thread_started(self, future: asyncio.Future[Any], origin: ThreadOrigin | None) -> None:
            """Note a call that was started in a thread, and where the record of its end belongs."""
            ...

        def socket_watched(self, descriptor: FileDescriptorLike) -> None:
            """Note a socket that is watched from now on."""
            ...

        def socket_left(self, descriptor: FileDescriptorLike) -> None:
            """Note a socket that is no longer watched."""
            ...

    class ThreadCalls(Protocol):
        """The recorder of the ends of calls in threads: see ``thread_ends``."""

        def call_started(self, future: asyncio.Future[Any]) -> ThreadOrigin | None:
            """Take note of a call that will complete a plain future; return its origin if workflow code makes it."""
            ...

        def is_recorded(self, origin: ThreadOrigin | None) -> bool:
            """Return ``True`` if the log holds the end of a call that begins."""
            ...

        def take_end(self, future: asyncio.Future[Any], tell: Callable[[], object]) -> None:
            """Take the end of a call; ``tell`` completes the future."""
            ...

        def future_done(self, future: asyncio.Future[Any]) -> None:
            """Take note that a future is done for which the log holds the end of a call."""
            ...


class NumberedFuture(asyncio.Future[_T]):
    """A future that workflow code made, whose hash is the same on every replay."""

    __slots__ = ("_place", "end", "is_timed", "origin", "owner")

    def __init__(
        self,
        place: int,
        loop: asyncio.AbstractEventLoop,
        owner: WorkflowTasks,
        origin: ThreadOrigin | None,
    ) -> None:
        self._place = place
        self.owner = owner
        # Its end if a thread may complete it: the number, and the operation that records it.
        self.origin = origin
        self.end: object = None
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
    creator = get_current()
    return creator.owner if isinstance(creator, WorkflowTask) else None


def timed_by(callback: Callable[..., object], args: tuple[Any, ...]) -> NumberedFuture[Any] | None:
    """Mark the future that a timer gives its result, as those of ``asyncio.sleep`` do.

    A timer that cancels a future, gives it an exception or calls any other function may be a timeout for
    what something else completes.
    """
    future: asyncio.Future[object] | None = None
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
    creator = get_current()
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


def thread_origin(depth: int) -> ThreadOrigin | None:
    """Number the future that workflow code is about to make, if a thread may complete it.

    Those that asyncio makes for its own use are not counted: each version of it makes others.
    """
    maker: str = sys._getframe(depth).f_globals.get("__name__", "")  # noqa: SLF001 - who makes it
    creator = get_current()
    if not isinstance(creator, WorkflowTask) or (
        maker.startswith("asyncio.") and maker != "asyncio.futures"
    ):
        return None
    row = calling_row(depth + 1)
    return creator.scope, *creator.scope.next_thread_end(row)


class ObservedRun:
    """The part of an invocation's state that the observer reads."""

    loop: asyncio.AbstractEventLoop
    # The thread that runs the loop.
    thread: int
    tasks: WorkflowTasks
    journal: Journal
    invoked: Invoked
    settings: Settings
    # The log's time in milliseconds at which the execution started.
    began_at: float
    is_ending: bool
    # The ids of the recorded ends of calls in threads that have yet to end in this invocation.
    thread_ends: Container[str]


class LoopObserver:
    """The workflow that runs on the loop, as the loop sees it."""

    outside: Wakers
    # The completions that are due.
    due: Sized

    def __init__(self, run: ObservedRun, start_timer: StartTimer) -> None:
        self.observed = run
        self.warns_of_blocking = run.settings.warn_of_blocking
        self._start_timer = start_timer
        # Makes a numbered task if workflow code asks; returns ``None`` for other code.
        self.new_task: MakeTask = run.tasks.make

    def on_idle(self, *, at_rest: bool) -> bool:
        """Do what is due when the loop is idle; return ``True`` if it has something to run now."""
        raise NotImplementedError

    def on_restless(self) -> None:
        """Act as if idle: callbacks have come at each of many turns, and none has moved a workflow task."""
        raise NotImplementedError

    def fail(self, error: BaseException) -> None:
        """Fail the execution."""
        raise NotImplementedError

    def bodies_left(self) -> list[asyncio.Task[object]]:
        """Return the tasks of bodies that have not ended, which ``asyncio.all_tasks`` does not contain."""
        raise NotImplementedError

    def refuse_task_of(self, awaitable: object) -> None:
        """Raise if a task is to be made of an operation."""
        raise NotImplementedError

    @property
    def progress(self) -> int:
        """The number of moves of workflow tasks so far; a move is a run to the next await that blocks."""
        return self.observed.tasks.progress

    def new_future(self) -> asyncio.Future[object] | None:
        """Make a numbered future if workflow code asks; return ``None`` for other code."""
        place = place_of_future(3)
        if place is None:
            return None
        origin = thread_origin(3)
        observed = self.observed
        future: NumberedFuture[object] = NumberedFuture(
            place, observed.loop, observed.tasks, origin
        )
        if origin is not None and origin[1] in observed.thread_ends:
            future.add_done_callback(self.threads.future_done, context=sdk_context())
        return future

    @property
    def threads(self) -> ThreadCalls:
        """The calls in threads of workflow code."""
        raise NotImplementedError

    def is_workflow(self, runner: object) -> bool:
        """Return ``True`` if the runner is workflow code, and not the body of a step."""
        return isinstance(runner, WorkflowTask)

    def time_of(self, runner: object) -> float | None:
        """Return the clock of workflow code: the log's time in seconds since the execution started.

        Returns ``None`` for other code and during clean-up, which have the process's clock.
        """
        if isinstance(runner, WorkflowTask) and not self.observed.is_ending:
            return (runner.scope.now - self.observed.began_at) / 1000
        return None

    def set_timer(
        self,
        runner: object,
        when: float,
        delay: float,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: Context | None,
    ) -> asyncio.TimerHandle | None:
        """Set a durable timer if workflow code asks; return ``None`` for other code and during clean-up."""
        if isinstance(runner, WorkflowTask) and not self.observed.is_ending:
            return self._start_timer(runner.scope, when, delay, callback, args, context)
        return None

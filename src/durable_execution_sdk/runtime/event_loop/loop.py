"""The event loop of an execution environment, made once and reused by warm invocations.

A loop of our own shows the moment at which it is idle, for which asyncio has no public interface: a
selector is asked to wait only when no callback is ready to run. So the selector is the place where a
workflow is seen to be quiescent, exactly and at no cost. Counting turns of the loop would not do: chains
of callbacks, such as a gather in a gather, take any number of turns in which no task moves.
"""

from __future__ import annotations

import asyncio
import math
import selectors
import threading
import time
from collections.abc import Callable, Collection, Coroutine
from contextlib import suppress
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, TypeVarTuple, Unpack

from durable_execution_sdk.errors import ConfigError, ContextMisuseError
from durable_execution_sdk.runtime.current import CURRENT, StepContext
from durable_execution_sdk.runtime.event_loop.generators import Generators
from durable_execution_sdk.runtime.event_loop.ordering import order_gather
from durable_execution_sdk.runtime.event_loop.threads import InvocationThreads
from durable_execution_sdk.runtime.tasks.workflow_task import (
    WorkflowTask,
    is_left_unseen,
    out_of_reach,
    timed_by,
)

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

# To ask the system for events costs as much as a small callback, so it is asked each eighth turn.
_TURNS_WITHOUT_A_POLL = 8

# A loop that is never idle, such as with a body that spins on ``sleep(0)``, must not starve the workflow.
# After so many polls between which no workflow task has moved, completions are delivered all the same.
_RESTLESS_POLLS = 12
# After so many of these in a row the workflow counts as quiescent, although callbacks go on.
_RESTLESS_TIMES = 50

# Seconds for tasks to unwind after the main task itself was interrupted.
_UNWINDING_SECONDS = 1.0
# Turns of the loop for callbacks at the end: a transport closes its socket in the second one.
_LAST_TURNS = 3


class Wakers(Protocol):
    """The recorder of timers, threads and sockets of workflow code: see ``external_wakeups``."""

    def timer_set(self, timer: asyncio.TimerHandle, runner: object) -> None:
        """It set a timer; ``runner`` is the task that did."""
        ...

    def timer_rang(self, timer: asyncio.TimerHandle) -> None:
        """Note a timer that has fired."""
        ...

    def thread_started(self, future: asyncio.Future[Any]) -> None:
        """Note a call that was started in a thread."""
        ...

    def socket_watched(self, descriptor: FileDescriptorLike) -> None:
        """Note a socket that is watched from now on."""
        ...

    def socket_left(self, descriptor: FileDescriptorLike) -> None:
        """Note a socket that is no longer watched."""
        ...


class IdleObserver(Protocol):
    """The workflow that runs on the loop, as the loop sees it."""

    @property
    def outside(self) -> Wakers:
        """The recorder of timers, threads and sockets."""
        ...

    @property
    def progress(self) -> int:
        """The number of moves of workflow tasks so far."""
        ...

    def fail(self, error: BaseException) -> None:
        """Fail the execution."""
        ...

    def bodies_left(self) -> list[asyncio.Task[object]]:
        """Return the tasks of bodies that have not ended, which ``asyncio.all_tasks`` does not contain."""
        ...

    def new_task(
        self, coroutine: object, name: str | None, context: Context | None
    ) -> asyncio.Task[object] | None:
        """Make a task if workflow code asks; return ``None`` for other code."""
        ...

    def refuse_task_of(self, awaitable: object) -> None:
        """Raise if a task is to be made of an operation."""
        ...

    def new_future(self) -> asyncio.Future[object] | None:
        """Make a future if workflow code asks; return ``None`` for other code."""
        ...

    def on_idle(self, *, at_rest: bool) -> bool:
        """Do what is due when the loop is idle; return ``True`` if it has something to run now."""
        ...

    def on_restless(self) -> None:
        """Act as if idle: callbacks have come at each of many turns, and none has moved a workflow task."""
        ...

    def is_workflow(self, runner: object) -> bool:
        """Return ``True`` if the runner is workflow code, and not the body of a step."""
        ...

    def time_of(self, runner: object) -> float | None:
        """Return the time of the runner's clock; ``None`` if it has the loop's own."""
        ...

    def set_timer(
        self,
        runner: object,
        when: float,
        delay: float,
        callback: Callable[..., object],
        args: tuple[object, ...],
        context: Context | None,
    ) -> asyncio.TimerHandle | None:
        """Set a durable timer; return ``None`` if the loop is to set a plain one."""
        ...


class _IdleSelector(selectors.DefaultSelector):
    """A selector that notifies the observer when the loop is idle."""

    def __init__(self) -> None:
        super().__init__()
        self._unpolled = 0
        self.tell(None)

    def tell(self, observer: IdleObserver | None) -> None:
        """Set the observer, and forget the state that belonged to the one before."""
        self.observer = observer
        self._progress = -1
        self._busy = 0
        self._restless = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        observer = self.observer
        if timeout is None or timeout > 0:
            self._busy = self._restless = 0
            if observer is None or not observer.on_idle(at_rest=True):
                self._unpolled = 0
                return super().select(timeout)
        # The loop has callbacks to run: the system is asked for events now and then only.
        self._unpolled += 1
        if self._unpolled < _TURNS_WITHOUT_A_POLL:
            return []
        self._unpolled = 0
        self._busy += 1
        if observer is not None and self._busy >= _RESTLESS_POLLS:
            self._busy = 0
            if observer.progress == self._progress:
                self._restless += 1
                if not observer.on_idle(at_rest=False) and self._restless >= _RESTLESS_TIMES:
                    self._restless = 0
                    observer.on_restless()
            else:
                self._restless = 0
            self._progress = observer.progress
        return super().select(0)

    def register(
        self, fileobj: FileDescriptorLike, events: int, data: object = None
    ) -> selectors.SelectorKey:
        if self.observer is not None and self.observer.is_workflow(CURRENT.get()):
            self.observer.outside.socket_watched(fileobj)
        return super().register(fileobj, events, data)

    def unregister(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        if self.observer is not None:
            self.observer.outside.socket_left(fileobj)
        return super().unregister(fileobj)


class _WorkflowLoop(asyncio.SelectorEventLoop):
    """An event loop that hands the timers, tasks and futures of workflow code to the observer."""

    def __init__(self) -> None:
        self.idle_selector = _IdleSelector()
        self.max_threads = 1  # each invocation says how many
        self.threads: InvocationThreads | None = None
        super().__init__(self.idle_selector)

    def time(self) -> float:
        """Return the loop's clock in seconds; for workflow code that of the log, which only completions move."""
        caller = CURRENT.get()
        if caller is not None and self.idle_selector.observer is not None:
            workflow_time = self.idle_selector.observer.time_of(caller)
            if workflow_time is not None:
                return workflow_time
        return time.monotonic()

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[_Ts]], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        if math.isnan(when):
            raise ConfigError("a timer of asyncio was set for nan seconds, and would never fire")
        observer = self.idle_selector.observer
        caller = CURRENT.get()
        if observer is None or caller is None:
            return super().call_at(when, callback, *args, context=context)
        runner = caller if context is None else context.get(CURRENT)
        delay = when - self.time()
        durable_timer = observer.set_timer(runner, when, delay, callback, args, context)
        if durable_timer is not None:
            return durable_timer
        when = super().time() + delay
        if not observer.is_workflow(runner):
            return super().call_at(when, callback, *args, context=context)

        def ring() -> None:
            observer.outside.timer_rang(timer)
            callback(*args)

        timed_by(callback, args)
        timer = super().call_at(when, ring, context=context)
        observer.outside.timer_set(timer, runner)
        return timer

    @property
    def ready(self) -> Collection[asyncio.Handle]:
        """The callbacks that will run next."""
        callbacks: Collection[asyncio.Handle] = self._ready
        return callbacks

    @property
    def scheduled(self) -> Collection[asyncio.Handle]:
        """The timers that have not fired."""
        timers: Collection[asyncio.Handle] = self._scheduled
        return timers

    # asyncio's own queues, which each of its versions has.
    _ready: Any
    _scheduled: Any

    def create_task(
        self, coro: Any, *, name: object = None, context: Context | None = None, **options: Any
    ) -> asyncio.Task[Any]:
        """Make a task: numbered, and in a scope of its own, if workflow code asks."""
        observer = self.idle_selector.observer
        if observer is not None and not asyncio.iscoroutine(coro):
            observer.refuse_task_of(coro)
        elif observer is not None:
            made = observer.new_task(coro, None if name is None else str(name), context)
            if made is not None:
                return made
        if context is not None:
            options["context"] = context
        return super().create_task(coro, name=name, **options)

    def create_future(self) -> asyncio.Future[Any]:
        """Make a future, with a reproducible hash if workflow code asks."""
        observer = self.idle_selector.observer
        future = None if observer is None else observer.new_future()
        return asyncio.Future(loop=self) if future is None else future

    def set_task_factory(self, factory: Any) -> None:
        """Set the factory for the tasks of steps. Raises ``ContextMisuseError`` in workflow code."""
        observer = self.idle_selector.observer
        if observer is not None and observer.is_workflow(CURRENT.get()):
            raise ContextMisuseError(
                "loop.set_task_factory was called in workflow code, whose tasks are numbered by the SDK"
                " so that replay can tell their operations apart: no other factory can make them. Call"
                " it in a step, for the tasks that steps make"
            )
        super().set_task_factory(factory)

    def get_task_factory(self) -> Any:
        """Return the factory for the tasks of steps; ``None`` in workflow code."""
        observer = self.idle_selector.observer
        if observer is not None and observer.is_workflow(CURRENT.get()):
            return None
        return super().get_task_factory()

    def run_in_executor(
        self, executor: Any, func: Callable[[Unpack[_Ts]], _T], *args: *_Ts
    ) -> asyncio.Future[_T]:
        if executor is None:
            executor = self.threads = self.threads or InvocationThreads(self.max_threads)
        future = super().run_in_executor(executor, func, *args)
        observer = self.idle_selector.observer
        if observer is not None and observer.is_workflow(CURRENT.get()):
            observer.outside.thread_started(future)
        return future


def _log_unless_raised(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    error = context.get("exception")
    # The first two have gone through the loop to its caller already.
    if not (
        isinstance(error, (KeyboardInterrupt, SystemExit))
        or is_left_unseen(context.get("future"), error)
    ):
        loop.default_exception_handler(context)


class Environment:
    """The loop, generators and threads for the invocations that run in one thread of the process."""

    def __init__(self) -> None:
        self.loop = _WorkflowLoop()
        self.generators = Generators(self.loop, self._fail)
        self.loop.set_exception_handler(_log_unless_raised)
        order_gather()

    def run(self, main: Coroutine[object, object, _T]) -> _T:
        """Run a coroutine to its end. Ctrl-C and ``sys.exit`` unwind all tasks first, so that nothing is left.

        It runs in a copy of the context with ``CURRENT`` cleared: in a thread that workflow code has started,
        the caller's context is that of the workflow.
        """
        return copy_context().run(self._run, main)

    def _run(self, main: Coroutine[object, object, _T]) -> _T:
        CURRENT.set(None)
        self.loop.call_soon(self.generators.watch)
        task = asyncio.Task(main, loop=self.loop)
        out_of_reach(task)
        try:
            return self.loop.run_until_complete(task)
        except (KeyboardInterrupt, SystemExit):
            try:
                if task.done():
                    self._abandon()
                else:
                    task.cancel()
                    with suppress(asyncio.CancelledError):
                        self.loop.run_until_complete(task)
            except (KeyboardInterrupt, SystemExit):
                self.close()
            raise

    def _abandon(self) -> None:
        """Unwind the other tasks after the main task was interrupted itself, and close the loop."""
        left = self.tasks_left()
        self.observe(None)
        for task in left:
            task.cancel()
        if left:
            self.loop.run_until_complete(asyncio.wait(left, timeout=_UNWINDING_SECONDS))
        self.loop.run_until_complete(self.leave_threads(_UNWINDING_SECONDS))
        self.close()

    def observe(self, observer: IdleObserver | None) -> None:
        """Notify this observer from now on when the loop is idle."""
        self.loop.idle_selector.tell(observer)

    def _fail(self, error: Exception) -> None:
        if (observer := self.loop.idle_selector.observer) is not None:
            observer.fail(error)

    def tasks_left(self) -> set[asyncio.Task[Any]]:
        """Return the tasks that still run on the loop, besides the current one."""
        left = asyncio.all_tasks(self.loop) | self.generators.closing
        if (observer := self.loop.idle_selector.observer) is not None:
            left.update(observer.bodies_left())
        return left - {asyncio.current_task(self.loop)}

    async def leave_callbacks(self) -> None:
        """Cancel the timers and callbacks that are left, so that none of them runs in a later invocation.

        Callbacks that steps have scheduled last, such as to close a connection, get their turn first.
        """
        for _ in range(_LAST_TURNS):
            if not self._callbacks_left(StepContext):
                break
            await asyncio.sleep(0)
        for handle in (*self.loop.scheduled, *self._callbacks_left((StepContext, WorkflowTask))):
            handle.cancel()

    def _callbacks_left(self, runner: type | tuple[type, ...]) -> list[asyncio.Handle]:
        """Return the callbacks that will run next and whose context belongs to such a runner."""
        left: list[asyncio.Handle] = []
        for handle in self.loop.ready:
            context: Context | None = getattr(handle, "_context", None)
            if context is not None and isinstance(context.get(CURRENT), runner):
                left.append(handle)
        return left

    async def leave_threads(self, seconds: float) -> list[str]:
        """Wait for plain functions for so many seconds, then disown the rest; return the names of those."""
        threads, self.loop.threads = self.loop.threads, None
        return [] if threads is None else await threads.leave(seconds)

    def close(self) -> None:
        """Close the loop."""
        if not self.loop.is_closed():
            self.loop.close()


class _Owner:
    """Closes a thread's environment when the thread or the interpreter ends.

    Only the thread itself refers to it. The environment may live much longer, by a reference in the
    traceback of an exception.
    """

    def __init__(self, environment: Environment) -> None:
        self.environment = environment

    def __del__(self) -> None:
        if not self.environment.loop.is_running():
            self.environment.close()


_owners = threading.local()


def environment() -> Environment:
    """Return this thread's environment, which is made on first use and kept for warm invocations."""
    owner: _Owner | None = getattr(_owners, "owner", None)
    if owner is None or owner.environment.loop.is_closed():
        owner = _owners.owner = _Owner(Environment())
    return owner.environment

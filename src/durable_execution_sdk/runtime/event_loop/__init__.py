"""The event loop of an execution environment, which tells workflow code from other code."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Collection
from contextvars import Context, copy_context
from functools import partial
from typing import Any, TypeVar, TypeVarTuple, Unpack, cast

from durable_execution_sdk.errors import ConfigError, ContextMisuseError
from durable_execution_sdk.runtime.current import (
    CURRENT,
    HANDED_OVER_BY,
    ThreadCall,
    get_current,
    sdk_context,
)
from durable_execution_sdk.runtime.event_loop.idle_selector import OTHER_TURNS, IdleSelector
from durable_execution_sdk.runtime.event_loop.observer import (
    LoopObserver,
    NumberedFuture,
    is_left_unseen,
    timed_by,
)
from durable_execution_sdk.runtime.event_loop.threads import InvocationThreads

__all__ = ["BEFORE_CLOSE", "WorkflowLoop"]

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")


# Functions that clean up what the process has kept on a loop, before it is closed: see ``operations.resources``.
BEFORE_CLOSE: list[Callable[[asyncio.AbstractEventLoop], None]] = []


def _log_unless_raised(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    error = context.get("exception")
    # The first two have gone through the loop to its caller already.
    if not (
        isinstance(error, (KeyboardInterrupt, SystemExit))
        or is_left_unseen(context.get("future"), error)
    ):
        loop.default_exception_handler(context)


class WorkflowLoop(asyncio.SelectorEventLoop):
    """An event loop that hands the timers, tasks and futures of workflow code to the observer.

    It has 29 attributes, asyncio's included (31 on Python 3.13). With 30, CPython keeps them in another form, and a live
    step takes 4 % more (``tests/performance/test_work.py``).
    """

    def __init__(self) -> None:
        self.idle_selector = IdleSelector()
        self.max_threads = 1  # each invocation says how many
        self.threads: InvocationThreads | None = None
        self._signals: set[int] = set()
        super().__init__(self.idle_selector)
        self._has_debug = self.get_debug()
        self.idle_selector.ready = self._ready
        self.idle_selector.go_on = self._go_on
        self.set_exception_handler(_log_unless_raised)

    def _go_on(self, observer: LoopObserver) -> None:
        """Run callbacks that are ready, deliver what is due after them, and so on, as turns of the loop would.

        A turn costs more than most callbacks, and completions are delivered one at a time. So the selector calls this
        where the loop was idle. It ends where a turn would do more: a timer is due, the loop was stopped, or the system
        is to be asked for events.
        """
        if self._debug:
            return  # asyncio watches each callback then
        selector, ready, timers, due = (
            self.idle_selector,
            self._ready,
            self._scheduled,
            observer.due,
        )
        for turns in range(selector.turns + 1, (selector.turns | OTHER_TURNS) + 1):
            if ready:
                selector.turns = turns
                handle = ready.popleft()
                if not handle._cancelled:  # noqa: SLF001
                    handle._run()  # noqa: SLF001
                if self._stopping or selector.observer is not observer:
                    return
                if timers and timers[0]._when <= time.monotonic():  # noqa: SLF001
                    return
            elif not (due and observer.on_idle(at_rest=True)):
                return

    def time(self) -> float:
        """Return the loop's clock in seconds; for workflow code that of the log, which only completions move."""
        caller = get_current()
        if caller is not None and self.idle_selector.observer is not None:
            workflow_time = self.idle_selector.observer.time_of(caller)
            if workflow_time is not None:
                return workflow_time
        return time.monotonic()

    def call_soon(
        self,
        callback: Callable[[Unpack[_Ts]], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> asyncio.Handle:
        """Schedule a callback, as asyncio does with two calls more."""
        if self._debug or self._closed:
            return super().call_soon(callback, *args, context=context)
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[_Ts]], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Set a timer: a durable one if workflow code asks."""
        if math.isnan(when):
            raise ConfigError("a timer of asyncio was set for nan seconds, and would never fire")
        observer = self.idle_selector.observer
        caller = get_current()
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

    def call_soon_threadsafe(
        self, callback: Callable[[Unpack[_Ts]], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Schedule a callback. If it completes a future of workflow code, that end is recorded before it runs.

        A callback that another thread hands over is marked, so that it cannot use a context.
        """
        runner = get_current() if context is None else context.get(CURRENT)
        if runner is not None and threading.get_ident() != self._thread_id:
            context = copy_context() if context is None else context.copy()
            context.run(HANDED_OVER_BY.set, runner)
        # ``wrap_future`` passes the future; in ``call_soon_threadsafe(future.set_result, 1)`` the method belongs to it.
        future: object = args[0] if args else None
        if type(future) is not NumberedFuture:
            future = getattr(callback, "__self__", None)
            if type(future) is not NumberedFuture:
                return super().call_soon_threadsafe(callback, *args, context=context)
        context = copy_context() if context is None else context
        tell = partial(context.run, callback, *args)
        return super().call_soon_threadsafe(
            self._take_end, cast("NumberedFuture[object]", future), tell, context=sdk_context()
        )

    def add_signal_handler(
        self, sig: int, callback: Callable[[Unpack[_Ts]], object], *args: *_Ts
    ) -> None:
        """Handle a signal until the invocation ends. Raises ``ContextMisuseError`` in workflow code."""
        observer = self.idle_selector.observer
        if observer is not None and observer.is_workflow(get_current()):
            raise ContextMisuseError(
                "loop.add_signal_handler was called in workflow code: a signal comes at a moment that is not"
                " recorded, so no replay repeats what its handler does. Wait for it in a step, or wait"
                " for a callback (ctx.create_callback) that the process which gets the signal answers"
            )
        super().add_signal_handler(sig, callback, *args)
        self._signals.add(sig)

    def close(self) -> None:
        """Clean up what steps have kept on the loop, and close it."""
        if not self.is_closed():
            for clean_up in BEFORE_CLOSE:
                clean_up(self)
        super().close()

    def leave_settings(self) -> None:
        """Undo what steps have set on the loop, so that it does not act on the steps of later invocations.

        With ``asyncio.eager_task_factory``, for example, their task groups would fail in other ways.
        """
        for sig in self._signals:
            self.remove_signal_handler(sig)
        self._signals.clear()
        super().set_task_factory(None)
        self.set_exception_handler(_log_unless_raised)
        if self.get_debug() != self._has_debug:
            self.set_debug(self._has_debug)

    def add_answer_reader(self, descriptor: int, read: Callable[[], object]) -> None:
        """Watch a socket of the SDK, on which calls wait for answers; ``remove_reader`` ends it.

        ``read`` is called without a turn of the loop where nothing else has happened.
        """
        self.add_reader(descriptor, read)
        self.idle_selector.answer_readers[descriptor] = read

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
    _stopping: bool
    _closed: bool
    _debug: bool
    # The thread that runs the loop.
    _thread_id: int | None

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
        if observer is not None and observer.is_workflow(get_current()):
            raise ContextMisuseError(
                "loop.set_task_factory was called in workflow code, whose tasks are numbered by the SDK"
                " so that replay can tell their operations apart: no other factory can make them. Call"
                " it in a step, for the tasks that steps make"
            )
        super().set_task_factory(factory)

    def get_task_factory(self) -> Any:
        """Return the factory for the tasks of steps; ``None`` in workflow code."""
        observer = self.idle_selector.observer
        if observer is not None and observer.is_workflow(get_current()):
            return None
        return super().get_task_factory()

    def _take_end(self, future: NumberedFuture[object], tell: Callable[[], object]) -> None:
        observer = self.idle_selector.observer
        if observer is None:
            tell()
        else:
            observer.threads.take_end(future, tell)

    def run_in_executor(
        self, executor: Any, func: Callable[[Unpack[_Ts]], _T], *args: *_Ts
    ) -> asyncio.Future[_T]:
        """Run a function in a thread of the invocation's own, or of the given executor."""
        in_thread = ThreadCall.suits(executor)
        if executor is None:
            executor = self.threads = self.threads or InvocationThreads(self.max_threads)
        observer = self.idle_selector.observer
        if observer is None or not observer.is_workflow(get_current()):
            return super().run_in_executor(executor, func, *args)
        call = ThreadCall(func)
        future = super().run_in_executor(executor, call if in_thread else func, *args)
        origin = getattr(future, "origin", None)
        call.tell(is_replayed=observer.threads.is_recorded(origin))
        observer.outside.thread_started(future, origin)
        return future

"""Calls of functions, plain ones in threads: a pool that grows with the work, and threads that were left.

A thread cannot be stopped. When its body was given up or its invocation ends, the SDK waits for it for a
second, and then it is *disowned*: the invocation ends without it. Its result is dropped, no later attempt of
its step starts in this process while it runs, and each later invocation that finds it logs a warning.
"""

from __future__ import annotations

import asyncio
import atexit
import inspect
import logging
import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

from durable_execution_sdk.runtime.current import CURRENT, StepContext

__all__ = [
    "LEFT_RUNNING",
    "InvocationThreads",
    "call",
    "close_pools",
    "earlier_threads_end",
    "is_coroutine_function",
    "left_running",
    "pools",
    "warn_of",
]

# Calls that invocations have disowned and that still run, each with its step context or task.
LEFT_RUNNING: dict[Future[object], object] = {}

_Call = tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]


class ThreadPool:
    """Worker threads, made when work needs them, up to a maximum.

    All invocations of the process share a pool. Its threads end with the process, and an idle one only waits
    for the next call. They are daemons, so that a disowned one does not keep the process from ending. A
    disowned thread does not count towards the maximum.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._lock = threading.Lock()
        self.workers: dict[threading.Thread, None] = {}  # all of them alive
        self._idle: list[_Worker] = []
        self._running: dict[Future[object], _Worker] = {}
        self._calls: deque[_Call] = deque()

    def submit(self, function: Callable[..., object], *args: object) -> Future[object]:
        """Run a function in a thread, when one is free."""
        future: Future[Any] = Future()
        with self._lock:
            self._calls.append((future, function, args))
            self._hand_out()
        return future

    def disown(self, future: Future[object]) -> None:
        """Remove the thread that runs this call from the pool."""
        with self._lock:
            worker = self._running.get(future)
            if worker is not None:
                self.workers.pop(worker, None)
                self._hand_out()

    def has_ended(self, future: Future[object], worker: _Worker) -> bool:
        """Note that a thread's call has ended; return ``False`` if the thread is to end too."""
        with self._lock:
            del self._running[future]
            if worker not in self.workers:
                return False
            self._idle.append(worker)
            self._hand_out()
            return True

    def close(self) -> None:
        """End the threads: idle ones now, the others after the call that they run."""
        with self._lock:
            idle, self._idle = self._idle, []
            self.workers.clear()
        for worker in idle:
            worker.calls.put(None)
        for worker in idle:
            worker.join()

    def _hand_out(self) -> None:
        """Give each waiting call to an idle thread or to a new one.

        From then on the call counts as running, so that it cannot be cancelled any more.
        """
        while self._calls:
            if self._idle:
                worker = self._idle.pop()
            elif len(self.workers) >= self.most:
                return  # the first one to be free takes it
            else:
                worker = _Worker(self)
                error = self._begin(worker)
                if error is not None:
                    if not self.workers:
                        self._calls.popleft()[0].set_exception(error)
                    return
            call = self._calls.popleft()
            if call[0].set_running_or_notify_cancel():
                self._running[call[0]] = worker
                worker.calls.put(call)
            else:
                self._idle.append(worker)

    def _begin(self, worker: _Worker) -> RuntimeError | None:
        try:
            worker.start()
        except RuntimeError as error:  # the system has no more threads
            return error
        self.workers[worker] = None
        return None


class _Worker(threading.Thread):
    """A thread that runs calls from its queue, one at a time."""

    def __init__(self, pool: ThreadPool) -> None:
        super().__init__(name="durable-step", daemon=True)
        from queue import SimpleQueue  # noqa: PLC0415 - most handlers never start a thread

        self.calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._pool = pool

    def run(self) -> None:
        while self._run_next():
            pass

    def _run_next(self) -> bool:
        """Run the next call. As a function of its own it leaves no reference to the call while it waits."""
        call = self.calls.get()
        if call is None:
            return False
        end = _run(*call)
        # The thread is idle before its result is set, so that steps in sequence need one thread.
        is_needed = self._pool.has_ended(call[0], self)
        end()
        return is_needed


def _run(
    future: Future[object], function: Callable[..., object], args: tuple[object, ...]
) -> Callable[[], None]:
    """Run a call; return a function that sets its result."""
    try:
        result = function(*args)
    except BaseException as error:
        return partial(future.set_exception, error)
    return partial(future.set_result, result)


pools: dict[int, ThreadPool] = {}


def _pool_of(most: int) -> ThreadPool:
    """Return the pool of the process with this maximum."""
    return pools.get(most) or pools.setdefault(most, ThreadPool(most))


def close_pools() -> None:
    """End the threads of all pools."""
    for pool in list(pools.values()):
        pool.close()


atexit.register(close_pools)
# A forked child has none of the threads.
os.register_at_fork(after_in_child=pools.clear)
os.register_at_fork(after_in_child=LEFT_RUNNING.clear)


class InvocationThreads:
    """The calls that one invocation runs in threads."""

    def __init__(self, most: int) -> None:
        self._pool = _pool_of(most)
        self._running: dict[Future[object], object] = {}

    def submit(self, function: Callable[..., object], *args: object) -> Future[object]:
        """Run a function in a thread, as an executor does for an event loop."""
        future = self._pool.submit(function, *args)
        self._running[future] = CURRENT.get()
        future.add_done_callback(self._ended)
        return future

    @property
    def shortage(self) -> str:
        """Tell of calls that wait for a thread, for a message; empty if none does."""
        waiting = sum(not future.running() for future in self._running)
        threads = f"{self._pool.most} threads that durable_execution(max_threads=...) allows"
        return f"; plain functions that wait for one of the {threads}: {waiting}" if waiting else ""

    async def leave(self, seconds: float, attempt: StepContext | None = None) -> list[str]:
        """Wait for running calls, of one attempt or all, for so many seconds; disown the rest, and return their names."""
        running = self._running.items()
        calls = [future for future, runner in running if attempt is None or runner is attempt]
        for future in calls:
            future.cancel()  # it may not have begun
        ends = [asyncio.wrap_future(future) for future in calls if future in self._running]
        try:
            if ends:
                await asyncio.wait(ends, timeout=max(0.0, seconds))
        finally:
            for end in ends:
                if not end.cancel() and not end.cancelled():
                    end.exception()
            disowned = [self._disown(future) for future in calls if future in self._running]
        return disowned

    def _disown(self, future: Future[object]) -> str:
        runner = self._running.pop(future, None)
        LEFT_RUNNING[future] = runner
        future.add_done_callback(_forget)
        self._pool.disown(future)
        return _title(runner)

    def _ended(self, future: Future[object]) -> None:
        self._running.pop(future, None)


def _forget(future: Future[object]) -> None:
    LEFT_RUNNING.pop(future, None)


def left_running(arn: str, operation_id: str | None = None) -> list[Future[object]]:
    """Return the disowned calls of an execution, or of one of its steps, that still run."""
    return [
        future
        for future, runner in list(LEFT_RUNNING.items())
        if isinstance(runner, StepContext)
        and runner.durable_execution_arn == arn
        and operation_id in (None, runner.operation_id)
    ]


async def earlier_threads_end(arn: str, operation_id: str) -> None:
    """Wait until the threads of a step's earlier attempts have ended, which get no place in the log."""
    for future in left_running(arn, operation_id):
        await asyncio.wait([asyncio.wrap_future(future)])


def warn_of(logger: logging.Logger) -> None:
    """Log a warning for each thread of an earlier invocation that still runs."""
    for runner in list(LEFT_RUNNING.values()):
        logger.warning(
            "the thread of %s, which an earlier invocation gave up, still runs: its result goes nowhere,"
            " and no other attempt of it starts in this process before it ends. Let long functions look"
            " at StepContext.current().is_cancelled, and return",
            _title(runner),
        )


def _title(runner: object) -> str:
    if isinstance(runner, StepContext):
        step = repr(runner.operation_name) if runner.operation_name else runner.operation_id
        return f"step {step} of {runner.durable_execution_arn}"
    task: object = getattr(runner, "name", None)
    return f"{task}, in workflow code" if isinstance(task, str) else "code outside a workflow"


async def call(function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """Call a function, in a thread if it is a plain one."""
    if is_coroutine_function(function):
        return await function(*args)
    result = await asyncio.to_thread(_call_plain, function, args)
    return await result if inspect.isawaitable(result) else result


def _call_plain(function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    try:
        return function(*args)
    except StopIteration as error:
        # No future can hold a StopIteration; Python does the same for a coroutine function that raises it.
        raise RuntimeError("the function raised StopIteration") from error


def is_coroutine_function(function: Callable[..., Any]) -> bool:
    """Return ``True`` if a function is to be awaited, and ``False`` if it is to run in a thread."""
    return inspect.iscoroutinefunction(_innermost(function))


def _innermost(function: Callable[..., Any]) -> Any:
    inner: Any = function
    while isinstance(inner, partial):
        inner = inner.func
    if not inspect.isroutine(inner) and not inspect.isclass(inner):
        return type(inner).__call__  # for an instance, the method of its class
    return inner

"""Threads for plain functions: a pool that grows to the work, and the threads that an invocation left.

Nobody can stop a thread. One whose body was given up, or whose invocation ends, is waited for a short
while and then disowned: the invocation answers without it. Its result goes nowhere, no later attempt of
its step starts in this process while it lives, and each later invocation that finds it alive says so.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any

from durable_execution_sdk.runtime.current import CURRENT
from durable_execution_sdk.runtime.step_context import StepContext

__all__ = [
    "LEFT_RUNNING",
    "InvocationThreads",
    "after_earlier_threads",
    "are_left_running",
    "warn_of",
]

# The threads of invocations that have ended, each with the body that runs in it.
LEFT_RUNNING: dict[Future[Any], object] = {}

_Call = tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]


class ThreadPool:
    """Worker threads, made as the work needs them, up to a number.

    All invocations that run at the same time in the process share them; with the last of these they
    end. They are daemons: what was disowned must not keep the process from ending. A thread that was
    disowned does not count any more, so that another one can take its place.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.users = 0
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._threads: dict[threading.Thread, None] = {}
        self._running: dict[Future[Any], threading.Thread] = {}

    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        """Run a function in a thread, when one is free."""
        future: Future[Any] = Future()
        self._calls.put((future, function, args))
        if not self._idle.acquire(blocking=False):
            self._start_thread()
        return future

    def disown(self, future: Future[Any]) -> None:
        """Do without the thread that runs this call."""
        with self._lock:
            thread = self._running.get(future)
            if thread is None:
                return
            self._threads.pop(thread, None)
        if not self._calls.empty():
            self._start_thread()

    def close(self) -> None:
        """End the threads, all of which are idle."""
        threads = list(self._threads)
        for _ in threads:
            self._calls.put(None)
        for thread in threads:
            thread.join()

    def _start_thread(self) -> None:
        with self._lock:
            if len(self._threads) >= self.most:
                return  # the first one to be free takes it
            thread = threading.Thread(target=self._work, name="durable-step", daemon=True)
            self._threads[thread] = None
        thread.start()

    def _work(self) -> None:
        me = threading.current_thread()
        while me in self._threads and self._work_once(me):
            pass

    def _work_once(self, me: threading.Thread) -> bool:
        """Run a call, the next one that comes; returns ``False`` if there will be none."""
        try:
            call = self._calls.get_nowait()
        except Empty:
            self._idle.release()
            call = self._calls.get()
        if call is None:
            return False
        self._running[call[0]] = me
        _run(*call)
        with self._lock:
            del self._running[call[0]]
        return True


def _run(future: Future[Any], function: Callable[..., Any], args: tuple[Any, ...]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = function(*args)
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)


_pools: dict[int, ThreadPool] = {}
_pools_lock = threading.Lock()

# A forked child has none of the threads.
os.register_at_fork(after_in_child=_pools.clear)
os.register_at_fork(after_in_child=LEFT_RUNNING.clear)


def _join_pool(most: int) -> ThreadPool:
    with _pools_lock:
        pool = _pools.setdefault(most, ThreadPool(most))
        pool.users += 1
    return pool


def _leave_pool(pool: ThreadPool) -> None:
    with _pools_lock:
        pool.users -= 1
        if pool.users:
            return
        _pools.pop(pool.most, None)
    pool.close()


class InvocationThreads:
    """What one invocation has running in threads."""

    def __init__(self, most: int) -> None:
        self._pool = _join_pool(most)
        self._running: dict[Future[Any], object] = {}

    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        """Run a function in a thread; what an event loop asks of an executor."""
        future = self._pool.submit(function, *args)
        self._running[future] = CURRENT.get()
        future.add_done_callback(self._ended)
        return future

    async def leave(self, seconds: float) -> list[str]:
        """Wait so long for what still runs, and disown the rest: returns what that is."""
        for future in list(self._running):
            future.cancel()  # it may not have begun
        ends = [asyncio.wrap_future(future) for future in list(self._running)]
        if ends:
            await asyncio.wait(ends, timeout=max(0.0, seconds))
        for end in ends:
            if not end.cancel() and not end.cancelled():
                end.exception()
        disowned: list[str] = []
        for future in list(self._running):
            runner = self._running.pop(future, None)
            LEFT_RUNNING[future] = runner
            future.add_done_callback(_forget)
            self._pool.disown(future)
            disowned.append(_title(runner))
        _leave_pool(self._pool)
        return disowned

    def _ended(self, future: Future[Any]) -> None:
        self._running.pop(future, None)


def _forget(future: Future[Any]) -> None:
    LEFT_RUNNING.pop(future, None)


async def after_earlier_threads(
    arn: str, operation_id: str, body: Coroutine[Any, Any, None]
) -> None:
    """Run the body of a step once the threads of its earlier attempts have ended."""
    try:
        for future, runner in list(LEFT_RUNNING.items()):
            if isinstance(runner, StepContext) and (
                (runner.durable_execution_arn, runner.operation_id) == (arn, operation_id)
            ):
                await asyncio.wait([asyncio.wrap_future(future)])
    except BaseException:
        body.close()
        raise
    await body


def are_left_running(arn: str) -> bool:
    """Return whether threads of an execution outlive an invocation of it."""
    return any(
        isinstance(runner, StepContext) and runner.durable_execution_arn == arn
        for runner in list(LEFT_RUNNING.values())
    )


def warn_of(logger: logging.Logger) -> None:
    """Say which threads of earlier invocations still run."""
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

"""An event loop in a thread of its own, on which a synchronous client makes its calls."""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from asyncio import AbstractEventLoop
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from contextvars import copy_context
from typing import Any, TypeVar

from durable_execution_sdk.errors import ConfigError, DurableError
from durable_execution_sdk.runtime.current import CURRENT

__all__ = ["LoopThread"]

_T = TypeVar("_T")


class LoopThread:
    """Runs coroutines for any number of threads at once; the thread begins with the first call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._process = os.getpid()
        self._at_collection: weakref.finalize[[AbstractEventLoop, int], LoopThread] | None = None

    def run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine to its end while this thread waits. An exception in this thread cancels it.

        Raises:
            DurableError: ``close`` ended the thread before.
        """
        try:
            return self._result(coroutine)
        except CancelledError as error:
            raise DurableError(
                "the client was closed while this call ran, so its answer is not known: close a client after its"
                " last call, or make the call again, which begins anew"
            ) from error

    def _result(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        try:
            future = self._scheduled(coroutine)
        except BaseException:
            coroutine.close()
            raise
        try:
            return future.result()
        except BaseException:
            # Of Ctrl-C in this thread; a future that is done is not changed.
            future.cancel()
            raise

    @property
    def is_running(self) -> bool:
        """True if the thread has begun, in this process."""
        return self._loop is not None and self._process == os.getpid()

    def close(self, last: Callable[[], Coroutine[Any, Any, None]] | None = None) -> None:
        """End the thread, once ``last`` ran and the calls that run were cancelled. A later call begins another one."""
        if not self.is_running:
            return
        if last is not None:
            # Another thread may close the client at the same time.
            with suppress(CancelledError):
                self._result(last())
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
            if self._at_collection is not None:
                self._at_collection.detach()
            if loop is not None:
                loop.call_soon_threadsafe(loop.stop)
        if thread is not None:
            thread.join()

    def _scheduled(self, coroutine: Coroutine[Any, Any, _T]) -> Future[_T]:
        if self._process != os.getpid():
            raise ConfigError(
                "this SyncDurableClient was made before the process forked, and its connections belong to the parent:"
                " make a client in each process, for example in the start hook of the server's workers"
            )
        # The caller may be a step of a workflow, to which the calls must not belong.
        context = copy_context()
        context.run(CURRENT.set, None)
        # Under the lock, so that the loop begins each call before it is stopped.
        with self._lock:
            if self._loop is None:
                self._loop, self._thread = _begun()
                # A client that is not closed ends its thread when it is collected; the end of the process needs none.
                self._at_collection = weakref.finalize(self, _stop, self._loop, self._process)
                self._at_collection.atexit = False
            return context.run(asyncio.run_coroutine_threadsafe, coroutine, self._loop)


def _begun() -> tuple[AbstractEventLoop, threading.Thread]:
    loop = asyncio.new_event_loop()
    try:
        thread = threading.Thread(target=_serve, args=(loop,), name="durable-client", daemon=True)
        thread.start()
    except BaseException:
        # There may be too many threads.
        loop.close()
        raise
    return loop, thread


def _stop(loop: AbstractEventLoop, process: int) -> None:
    # A fork shares the descriptor that wakes the loop.
    if os.getpid() == process and not loop.is_closed():
        loop.call_soon_threadsafe(loop.stop)


def _serve(loop: AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        # Async generators are left open: a list that is read no further holds nothing, and one that is goes on in the
        # next thread. A closed one would end like a list that has been read whole.
    finally:
        asyncio.set_event_loop(None)
        loop.close()

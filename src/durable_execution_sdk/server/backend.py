"""The emulator behind the API, the threads that call it, and the waiting for ends of executions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Self, TypeVar, TypeVarTuple, Unpack

from durable_execution_sdk.emulator.driver import Driver
from durable_execution_sdk.server.execution_waiters import ExecutionWaiters
from durable_execution_sdk.server.workers import Workers

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

_QUICK = 8
_LONG = 64
# Calls at once in an account of AWS. Threads are started when they are needed.
_NESTED = 1_000


class Backend:
    """Call an emulator, which blocks, from an event loop.

    Calls that may run user code have a pool of their own, so that checkpoints of running functions
    are answered even when that pool is full. So have those that a function makes, without which functions
    that other calls wait for may not end. ``is_functions`` tells them by the request's trace header.
    """

    def __init__(
        self, driver: Driver, is_functions: Callable[[str | None], bool] = lambda _: False
    ) -> None:
        self.driver = driver
        self.is_functions = is_functions
        self.workers: Workers | None = None
        self.emulator = driver.emulator
        self.waiters = ExecutionWaiters(driver.emulator)
        self._quick = ThreadPoolExecutor(_QUICK, "durable-api")
        self._long = ThreadPoolExecutor(_LONG, "durable-invoke")
        self._nested = ThreadPoolExecutor(_NESTED, "durable-nested")

    async def run(self, function: Callable[[Unpack[_Ts]], _T], *args: *_Ts) -> _T:
        """Call a function that returns at once, in the pool of quick calls."""
        return await asyncio.get_running_loop().run_in_executor(self._quick, function, *args)

    async def run_long(self, function: Callable[[Unpack[_Ts]], _T], *args: *_Ts) -> _T:
        """Call a function that may run user code, in the pool of long calls."""
        return await asyncio.get_running_loop().run_in_executor(self._long, function, *args)

    async def run_nested(self, function: Callable[[Unpack[_Ts]], _T], *args: *_Ts) -> _T:
        """Call a function that may run user code, for a function that waits for it."""
        return await asyncio.get_running_loop().run_in_executor(self._nested, function, *args)

    def waiting_call(self, *, is_functions: bool) -> AbstractAsyncContextManager[None]:
        """Return a context for a synchronous call; see ``Workers.waiting_call``."""
        if self.workers is None:
            return nullcontext()
        return self.workers.waiting_call(is_functions=is_functions)

    def close(self) -> None:
        """Fail pending waits, and block until the calls that run have returned."""
        self.waiters.close()
        self._quick.shutdown()
        self._long.shutdown()
        self._nested.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

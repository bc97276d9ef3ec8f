"""The emulator behind the API, the threads that call it, and the waiting for ends of executions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Self, TypeVar, TypeVarTuple, Unpack

from durable_execution_sdk.emulator.driver import Driver
from durable_execution_sdk.server.execution_waiters import ExecutionWaiters

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

_QUICK = 8
_LONG = 64


class Backend:
    """Call an emulator, which blocks, from an event loop.

    Calls that may run user code have a pool of their own, so that checkpoints of running functions
    are answered even when that pool is full.
    """

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.emulator = driver.emulator
        self.waiters = ExecutionWaiters(driver.emulator)
        self._quick = ThreadPoolExecutor(_QUICK, "durable-api")
        self._long = ThreadPoolExecutor(_LONG, "durable-invoke")

    async def run(self, function: Callable[[Unpack[_Ts]], _T], *args: *_Ts) -> _T:
        """Call a function that returns at once, in the pool of quick calls."""
        return await asyncio.get_running_loop().run_in_executor(self._quick, function, *args)

    async def run_long(self, function: Callable[[Unpack[_Ts]], _T], *args: *_Ts) -> _T:
        """Call a function that may run user code, in the pool of long calls."""
        return await asyncio.get_running_loop().run_in_executor(self._long, function, *args)

    def close(self) -> None:
        """Fail pending waits, and block until the calls that run have returned."""
        self.waiters.close()
        self._quick.shutdown()
        self._long.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

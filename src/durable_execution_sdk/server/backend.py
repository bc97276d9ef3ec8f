"""What answers the API's calls: an emulator, threads to call it in, and a way to wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Self, TypeVar, TypeVarTuple, Unpack

from durable_execution_sdk.emulator.driver import Driver
from durable_execution_sdk.server.closings import Closings

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

_QUICK = 8
_LONG = 64


class Backend:
    """Calls the emulator of a driver from an event loop, until it is closed.

    What runs user code has threads of its own: however many functions are running, and whatever they
    call, their checkpoints are answered.
    """

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.emulator = driver.emulator
        self.closings = Closings(driver.emulator)
        self._quick = ThreadPoolExecutor(_QUICK, "durable-api")
        self._long = ThreadPoolExecutor(_LONG, "durable-invoke")

    async def run(self, function: Callable[[Unpack[_Ts]], _T], *args: *_Ts) -> _T:
        """Call something that answers at once."""
        return await asyncio.get_running_loop().run_in_executor(self._quick, function, *args)

    async def run_long(self, function: Callable[[Unpack[_Ts]], _T], *args: *_Ts) -> _T:
        """Call something that may run a function."""
        return await asyncio.get_running_loop().run_in_executor(self._long, function, *args)

    def close(self) -> None:
        """Send away who waits, and let what runs end."""
        self.closings.close()
        self._quick.shutdown()
        self._long.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

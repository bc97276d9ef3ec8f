"""The threads that run the functions of a server."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from durable_execution_sdk.emulator.driver import Driver

STUCK_SECONDS = 0.5
"""Time without a free thread after which a synchronous call counts as one that a function makes.

A free thread looks for work every 0.2 s at least.
"""


class Workers:
    """Threads that drive an emulator until they are stopped.

    A function that waits for another function of this server keeps its thread, so there is one more
    thread while it waits: however deep functions call one another, one can go on.
    """

    def __init__(self, driver: Driver, count: int, *, on_failure: Callable[[], None]) -> None:
        self._driver = driver
        self._on_failure = on_failure
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._count = self._wanted = count
        self._running = 0
        self._free_at = time.monotonic()
        self.failure: BaseException | None = None
        self._threads: set[threading.Thread] = set()
        self._start_missing()

    @asynccontextmanager
    async def waiting_call(self, *, is_functions: bool) -> AsyncGenerator[None]:
        """Have one more thread during a synchronous call that a function makes.

        ``is_functions``: a function is known to make the call; otherwise the thread starts when all
        threads have been busy for a while. Without threads, the caller drives the emulator.
        """
        if not self._count:
            yield
            return
        if is_functions:
            self._want(1)
            try:
                yield
            finally:
                self._want(-1)
            return
        lending = asyncio.create_task(self._lend_when_stuck())
        try:
            yield
        finally:
            lending.cancel()
            await asyncio.wait([lending])

    def stop(self) -> None:
        """Start no more functions, and block until those that run have ended."""
        self._stop.set()
        self._driver.emulator.coordinator.wake()
        while threads := self._living():
            for thread in threads:
                thread.join()

    async def _lend_when_stuck(self) -> None:
        while time.monotonic() - self._free_at < STUCK_SECONDS:  # noqa: ASYNC110 - time passes, nothing happens
            await asyncio.sleep(STUCK_SECONDS / 2)
        self._free_at = time.monotonic()
        self._want(1)
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self._want(-1)

    def _want(self, more: int) -> None:
        with self._lock:
            self._wanted += more
        if more > 0:
            self._start_missing()

    def _start_missing(self) -> None:
        with self._lock:
            while self._running < self._wanted and not self._stop.is_set():
                # A daemon: the process may exit while a function still runs.
                thread = threading.Thread(target=self._drive, name="durable-worker", daemon=True)
                self._running += 1
                self._threads.add(thread)
                thread.start()

    def _living(self) -> list[threading.Thread]:
        with self._lock:
            return [thread for thread in self._threads if thread.is_alive()]

    def _is_surplus(self) -> bool:
        self._free_at = time.monotonic()
        with self._lock:
            if self._running <= self._wanted:
                return False
            self._running -= 1
            self._threads.discard(threading.current_thread())
            return True

    def _drive(self) -> None:
        try:
            self._driver.run_until(self._is_surplus, patient=True, stop=self._stop)
        except BaseException as error:
            # An exception in a thread reaches no caller; `Server.close` raises it again.
            self.failure = self.failure or error
            self._on_failure()

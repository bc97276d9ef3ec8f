"""The threads that run the functions of a server."""

from __future__ import annotations

import threading
from collections.abc import Callable

from durable_execution_sdk.emulator.driver import Driver


class Workers:
    """Threads that drive an emulator until they are stopped.

    More than one lets a function wait for another one that runs here too.
    """

    def __init__(self, driver: Driver, count: int, *, on_failure: Callable[[], None]) -> None:
        self._driver = driver
        self._on_failure = on_failure
        self._stop = threading.Event()
        self.failure: BaseException | None = None
        # As daemons they do not keep a process alive that gave up waiting for a function's end.
        self._threads = [
            threading.Thread(target=self._drive, name=f"durable-worker-{number}", daemon=True)
            for number in range(1, count + 1)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Call no more functions, and wait until those that run have ended."""
        self._stop.set()
        self._driver.emulator.conductor.wake()
        for thread in self._threads:
            thread.join()

    def _drive(self) -> None:
        try:
            self._driver.run_until(lambda: False, patient=True, stop=self._stop)
        except BaseException as error:
            # Raised again where the server is closed: a thread has nobody to tell.
            self.failure = self.failure or error
            self._on_failure()

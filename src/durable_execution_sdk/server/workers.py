"""The threads that run the functions of a server."""

from __future__ import annotations

import threading
from collections.abc import Callable

from durable_execution_sdk.emulator.driver import Driver


class Workers:
    """Threads that drive an emulator until they are stopped.

    With one thread, a function that waits for another function of this server would block it.
    """

    def __init__(self, driver: Driver, count: int, *, on_failure: Callable[[], None]) -> None:
        self._driver = driver
        self._on_failure = on_failure
        self._stop = threading.Event()
        self.failure: BaseException | None = None
        # Daemons: the process may exit while a function still runs.
        self._threads = [
            threading.Thread(target=self._drive, name=f"durable-worker-{number}", daemon=True)
            for number in range(1, count + 1)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Start no more functions, and block until those that run have ended."""
        self._stop.set()
        self._driver.emulator.coordinator.wake()
        for thread in self._threads:
            thread.join()

    def _drive(self) -> None:
        try:
            self._driver.run_until(lambda: False, patient=True, stop=self._stop)
        except BaseException as error:
            # An exception in a thread reaches no caller; `Server.close` raises it again.
            self.failure = self.failure or error
            self._on_failure()

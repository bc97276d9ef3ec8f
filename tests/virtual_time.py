"""Virtual time for tests of how long an invocation stays: none of it depends on the machine's load."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.generated.clock import VirtualClock


@contextmanager
def virtual_time(*, turn_seconds: float = 0.0) -> Iterator[VirtualClock]:
    """Let the loop of this thread go by a clock that jumps, and in which a turn of the loop may take time.

    Time stands still while code runs, and jumps when the loop would sleep, so what has passed in the end
    is what the SDK has waited for. Threads of the SDK are waited for in real time.
    """
    clock = VirtualClock()
    clock.turn_seconds = turn_seconds
    with clock.installed():
        clock.take_over()
        yield clock


@contextmanager
def foreign_thread() -> Iterator[threading.Thread]:
    """Let the process have a thread of which the SDK knows nothing, as those of many libraries are."""
    stop = threading.Event()
    library = threading.Thread(target=stop.wait, name="library", daemon=True)
    library.start()
    try:
        yield library
    finally:
        stop.set()
        library.join()


class Gate(threading.Event):
    """An event for threads that would not end otherwise; virtual time does not wait for them.

    It does again from the moment that the gate is opened, and not from when the system gets round to them.
    """

    clock: VirtualClock | None = None

    def __init__(self) -> None:
        super().__init__()
        self._waiting = 0
        self._counts = threading.Lock()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the gate to be opened, which no time limit ends."""
        assert timeout is None
        with self._counts:
            if self.clock is not None and not self.is_set():
                self._waiting += 1
                self.clock.idles(1)
        return super().wait(timeout)

    def set(self) -> None:
        """Open the gate."""
        with self._counts:
            if self.clock is not None:
                self.clock.idles(-self._waiting)
            self._waiting = 0
            super().set()

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Let time pass while this thread waits for what no time brings."""
        assert self.clock is not None
        self.clock.idles(1)
        try:
            yield
        finally:
            self.clock.idles(-1)

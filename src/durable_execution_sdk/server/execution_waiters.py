"""Wait for executions to end without blocking a thread for each."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import Future

from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.engine.events import Event
from durable_execution_sdk.server.error_mapping import closing


class ExecutionWaiters:
    """Futures by execution, resolved when the execution ends. Usable from any thread."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._lock = threading.Lock()
        self._waiting: dict[str, set[Future[None]]] = {}
        self._closed = False
        self._unsubscribe = emulator.subscribe(self._look)

    async def wait(self, arn: str, *, seconds: float) -> bool:
        """Wait until an execution has ended; return False if it has not after ``seconds``.

        Raises ``ServiceError`` (503) if the server is closed meanwhile.
        """
        ended: Future[None] = Future()
        # A running future cannot be cancelled, so setting it cannot fail.
        ended.set_running_or_notify_cancel()
        with self._lock:
            if self._closed:
                raise closing()
            self._waiting.setdefault(arn, set()).add(ended)
        try:
            await asyncio.to_thread(self._look, arn, ())
            async with asyncio.timeout(seconds):
                await asyncio.wrap_future(ended)
        except TimeoutError:
            return False
        finally:
            with self._lock:
                waiting = self._waiting.get(arn, set())
                waiting.discard(ended)
                if not waiting:
                    self._waiting.pop(arn, None)
        return True

    def close(self) -> None:
        """Fail all pending waits with ``ServiceError`` (503), and later ones too."""
        self._unsubscribe()
        with self._lock:
            self._closed = True
            waiting, self._waiting = self._waiting, {}
        for future in [future for futures in waiting.values() for future in futures]:
            future.set_exception(closing())

    def _look(self, arn: str, events: Sequence[Event]) -> None:
        if arn not in self._waiting or not self._emulator.is_closed(arn):
            return
        with self._lock:
            waiting = self._waiting.pop(arn, set())
        for future in waiting:
            future.set_result(None)

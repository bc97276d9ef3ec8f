"""The workers of one version of a function: started when they are needed, and kept warm.

All methods are called in one event loop, without locks. The number of calls at once is bounded by those who
call, not here: a pool that made a call wait for the end of another would block functions that call one
another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from durable_execution_sdk.dev.functions.environment import Surroundings
from durable_execution_sdk.dev.functions.exchange import Handover
from durable_execution_sdk.dev.functions.records import Recorder
from durable_execution_sdk.dev.functions.worker import Worker, WorkerGoneError
from durable_execution_sdk.emulator.functions.invokers import Answer

MOST_IDLE = 8
"""Idle workers of a pool that are kept; more are ended."""


class ClosedError(Exception):
    """The server is being stopped, so no worker is started any more."""


class Pool:
    """Workers of one version of a function."""

    def __init__(
        self,
        surroundings: Surroundings,
        recorder: Recorder,
        *,
        has_deadlines: bool,
        on_change: Callable[[], None],
    ) -> None:
        self.surroundings = surroundings
        self._recorder = recorder
        self._has_deadlines = has_deadlines
        self._on_change = on_change
        self._idle: list[Worker] = []
        self._busy: set[Worker] = set()
        self._ending: set[Worker] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False
        self.is_retired = False

    @property
    def timeout(self) -> float | None:
        """The seconds that an invocation may take; ``None`` while deadlines are suspended."""
        return self.surroundings.declaration.timeout if self._has_deadlines else None

    @property
    def workers(self) -> Iterator[Worker]:
        """The workers that run, idle and busy."""
        yield from self._idle
        yield from self._busy

    async def answer(self, call: Handover, surroundings: Surroundings | None = None) -> Answer:
        """Let a worker answer a call: an idle one, or a new one.

        ``surroundings`` are those of the code that the call is for: it may have been reloaded in this moment.
        """
        while True:
            worker, is_new = await self._take(surroundings or self.surroundings)
            try:
                return await worker.answer(call, timeout=self.timeout, on_taken=self._on_change)
            except WorkerGoneError as error:
                # One that was started earlier may have failed for a reason that is gone.
                if is_new:
                    return error.answer
            finally:
                self._release(worker)

    async def warm(self) -> None:
        """Have one worker ready, if there is none."""
        if not (self._is_closed or self.is_retired or self._idle):
            worker = self._make(self.surroundings)
            self._idle.append(worker)
            await worker.start()
            self._on_change()

    def reload(self, surroundings: Surroundings) -> None:
        """Run the next invocations in new processes; those in progress end in theirs."""
        self.surroundings = surroundings
        for worker in self._busy:
            worker.is_retired = True
        for worker in list(self._idle):
            self._discard(worker)
        self.is_retired = False
        self._start_spare()

    def retire(self) -> None:
        """End the idle workers, and the others with their invocations; keep no spare."""
        self.is_retired = True
        for worker in self._busy:
            worker.is_retired = True
        for worker in list(self._idle):
            self._discard(worker)

    def worker_of(self, request_id: str) -> Worker | None:
        """Return the worker that has this invocation."""
        for worker in self._busy:
            current = worker.current
            if current is not None and current.call.request_id == request_id:
                return worker
        return None

    async def close(self) -> None:
        """End all workers, and wait for their ends."""
        self._is_closed = True
        workers = [*self._idle, *self._busy, *self._ending]
        for worker in workers:
            worker.kill()
        for worker in workers:
            await worker.ended()

    async def _take(self, surroundings: Surroundings) -> tuple[Worker, bool]:
        """Return a worker, and whether it was started for this call."""
        if self._is_closed:
            raise ClosedError
        is_current = surroundings is self.surroundings
        while self._idle and is_current:
            worker = self._idle.pop()
            if not worker.is_ended:
                self._busy.add(worker)
                is_new = False
                break
        else:
            worker, is_new = self._make(surroundings), True
            worker.is_retired = not is_current or self.is_retired
            self._busy.add(worker)
            await worker.start()
        if not self._idle and len(self._busy) < MOST_IDLE:
            self._start_spare()
        return worker, is_new

    def _start_spare(self) -> None:
        task = asyncio.create_task(self.warm())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _make(self, surroundings: Surroundings) -> Worker:
        return Worker(surroundings, self._recorder, self._forget)

    def _release(self, worker: Worker) -> None:
        self._busy.discard(worker)
        if worker.is_ended or worker.is_retired or len(self._idle) >= MOST_IDLE or self._is_closed:
            self._discard(worker)
        else:
            self._idle.append(worker)
        self._on_change()

    def _discard(self, worker: Worker) -> None:
        if worker in self._idle:
            self._idle.remove(worker)
        if not worker.is_ended:
            worker.is_retired = True
            self._ending.add(worker)
            worker.kill()

    def _forget(self, worker: Worker) -> None:
        self._ending.discard(worker)
        self._on_change()
        if worker in self._idle:
            self._idle.remove(worker)
        if worker.was_ready and not worker.is_retired and not self._idle and not self._is_closed:
            # One that was never ready would not be ready the next time either.
            self._start_spare()

"""One worker: a process that runs a function's code, one invocation at a time, within its limits."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress

import msgspec

from durable_execution_sdk.dev.functions.environment import Surroundings
from durable_execution_sdk.dev.functions.exchange import Exchange, Handover
from durable_execution_sdk.dev.functions.process import Ended, WorkerProcess
from durable_execution_sdk.dev.functions.records import (
    RUN_NOTES_PATH,
    CodeNote,
    InvocationRecord,
    LogLine,
    Recorder,
    RunNote,
)
from durable_execution_sdk.dev.functions.runtime_api import RuntimeApi
from durable_execution_sdk.emulator.functions.invokers import Answer, timeout_error
from durable_execution_sdk.protocol.error_object import ErrorObject

INIT_SECONDS = 10.0
"""Time in which a process must be ready, if its function's timeout is not longer."""


_logger = logging.getLogger(__name__)


class WorkerGoneError(Exception):
    """The worker ended before it took the call. ``answer`` says how, for the last worker that is tried."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


class Worker:
    """A process and its Runtime API. All methods are called in one event loop."""

    def __init__(
        self, surroundings: Surroundings, recorder: Recorder, on_end: Callable[[Worker], None]
    ) -> None:
        self._surroundings = surroundings
        self._declaration = surroundings.declaration
        self._recorder = recorder
        self._on_end = on_end
        self._exchange = Exchange(self._drain)
        self._api = RuntimeApi(self._exchange, self._take_notes)
        self._process: WorkerProcess | None = None
        self._lines: list[LogLine] = []
        self._started_at = time.monotonic()
        self._init_milliseconds: int | None = None
        self._watching: asyncio.Task[None] | None = None
        self._end: Ended | None = None
        self._is_over = asyncio.Event()
        self._is_killed = False
        self.is_retired = False

    @property
    def pid(self) -> int | None:
        """The process id, once the process runs."""
        return None if self._process is None else self._process.pid

    @property
    def current(self) -> Handover | None:
        """The invocation in progress."""
        return self._exchange.current

    @property
    def was_ready(self) -> bool:
        """True once the process has asked for a call."""
        return self._exchange.is_ready

    @property
    def is_ended(self) -> bool:
        """True once the process has ended, or cannot be started."""
        return self._exchange.is_closed

    async def start(self) -> None:
        """Start the process; a program that cannot be started fails the first call."""
        try:
            environment = self._surroundings.variables(await self._api.start())
            if self._is_killed:
                self._finish(Ended(failure="it was ended before it began"))
                return
            self._process = WorkerProcess(
                self._surroundings.command,
                environment=environment,
                directory=self._surroundings.directory,
                sink=self._take_line,
                memory_kilobytes=(self._declaration.memory_mb or 0) * 1024,
            )
        except (OSError, ValueError) as error:  # a ConfigError too
            self._finish(Ended(failure=str(error)))
            return
        self._watching = asyncio.create_task(self._watch(self._process))

    def kill(self) -> None:
        """End the process at once, or do not start it; its invocation fails, as that of a crashed process."""
        self._is_killed = True
        if self._process is not None:
            self._process.kill()

    async def ended(self) -> None:
        """Wait until the process has ended, or was not started after all."""
        await self._is_over.wait()

    async def answer(
        self,
        call: Handover,
        *,
        timeout: float | None,  # noqa: ASYNC109 - the function's
        on_taken: Callable[[], None],
    ) -> Answer:
        """Let the worker answer a call, in the time that its function has.

        ``on_taken`` is called when the invocation begins. Raises ``WorkerGoneError`` if the process ended
        before it took the call.
        """
        exchange = self._exchange
        future = exchange.offer(call)
        assert exchange.taken is not None
        limit = None if timeout is None else max(INIT_SECONDS, timeout)
        await asyncio.wait([exchange.taken], timeout=limit)
        if not exchange.taken.done():
            return await self._stop_late(call)
        if not exchange.taken.result():
            raise WorkerGoneError(Answer(error=self._init_failure(call), is_timed=True))
        started_at = _wall_milliseconds()
        on_taken()
        init_milliseconds = self._take_init_time()
        await asyncio.wait([future], timeout=timeout)
        answer = future.result() if future.done() else await self._stop_late(call)
        self._record(call, answer, started_at, init_milliseconds)
        return msgspec.structs.replace(answer, is_timed=True)

    async def _stop_late(self, call: Handover) -> Answer:
        """Kill a process that is late, and wait for its end: nothing of it may run when others go on."""
        self.kill()
        await self.ended()
        return Answer(
            error=timeout_error(call.call.request_id, self._declaration.timeout), is_timed=True
        )

    def _take_init_time(self) -> int | None:
        """Return the time that the process took to be ready, for its first invocation only."""
        ready_at = self._exchange.ready_at
        if self._init_milliseconds is not None or ready_at is None:
            return None
        # A process may have been ready for long before its first call.
        self._init_milliseconds = max(1, round((ready_at - self._started_at) * 1000))
        return self._init_milliseconds

    def _init_failure(self, call: Handover) -> ErrorObject:
        error = self._exchange.init_error
        if error is not None:
            return error
        return _exit_error(call.call.request_id, self._end or Ended())

    async def _watch(self, process: WorkerProcess) -> None:
        self._finish(await process.ended)

    def _finish(self, end: Ended) -> None:
        self._end = end
        self._flush()
        current = self._exchange.current
        request_id = "" if current is None else current.call.request_id
        self._exchange.close(Answer(error=_exit_error(request_id, end)))
        self._api.close()
        self._on_end(self)
        self._is_over.set()

    def _drain(self) -> None:
        if self._process is not None:
            self._process.drain()
        self._flush()

    def _take_line(self, stream: str, text: str) -> None:
        if not self._lines:
            # Lines that are read together are recorded together.
            asyncio.get_running_loop().call_soon(self._flush)
        current = self._exchange.current
        self._lines.append(
            LogLine(
                function=self._declaration.name,
                version=self._surroundings.version,
                at=_wall_milliseconds(),
                stream=stream,
                text=text,
                request_id=None if current is None else current.call.request_id,
                arn=None if current is None else current.arn,
                operation_id=_operation_id(text),
            )
        )

    def _flush(self) -> None:
        lines, self._lines = self._lines, []
        if lines:
            self._attempt(lambda: self._recorder.add_lines(lines))

    def _take_notes(self, path: str, body: bytes) -> None:
        with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            if path == RUN_NOTES_PATH:
                run_notes = msgspec.json.decode(body, type=list[RunNote])
                self._attempt(lambda: self._recorder.add_run_notes(run_notes))
            else:
                notes = msgspec.json.decode(body, type=list[CodeNote])
                self._attempt(lambda: self._recorder.add_notes(notes))

    def _attempt(self, record: Callable[[], None]) -> None:
        """Record something. A record that fails must not take the answer of an invocation with it."""
        try:
            record()
        except Exception:
            _logger.exception("a record of the function %s is lost", self._declaration.name)

    def _record(
        self, call: Handover, answer: Answer, started_at: int, init_milliseconds: int | None
    ) -> None:
        record = InvocationRecord(
            function=self._declaration.name,
            version=self._surroundings.version,
            request_id=call.call.request_id,
            arn=call.arn,
            started_at=started_at,
            ended_at=_wall_milliseconds(),
            worker=self.pid,
            peak_kilobytes=None if self._process is None else self._process.peak_kilobytes,
            init_milliseconds=init_milliseconds,
            error_type=None if answer.error is None else answer.error.error_type,
        )
        self._attempt(lambda: self._recorder.add_invocation(record))


class _Record(msgspec.Struct):
    """The members of a line of the SDK's ``JsonFormatter`` that name its place."""

    operationId: str | None = None  # noqa: N815 - the name in the line


def _operation_id(text: str) -> str | None:
    if text.startswith("{") and '"operationId"' in text:
        with suppress(msgspec.DecodeError, RecursionError):
            return msgspec.json.decode(text, type=_Record).operationId
    return None


def _exit_error(request_id: str, end: Ended) -> ErrorObject:
    return ErrorObject(
        error_type="Runtime.OutOfMemory" if end.is_out_of_memory else "Runtime.ExitError",
        error_message=f"RequestId: {request_id} Error: Runtime exited{end.reason}",
    )


def _wall_milliseconds() -> int:
    return time.time_ns() // 1_000_000

"""The functions of a development server: pools of workers, and the invokers that the emulator calls."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

import msgspec

from durable_execution_sdk.dev.functions.declaration import Declaration
from durable_execution_sdk.dev.functions.environment import Place, Surroundings
from durable_execution_sdk.dev.functions.exchange import Handover, handover, trace_parent
from durable_execution_sdk.dev.functions.pool import ClosedError, Pool
from durable_execution_sdk.dev.functions.records import NoRecorder, Recorder
from durable_execution_sdk.emulator.functions.invokers import Answer, Call, Invoker, exit_error
from durable_execution_sdk.emulator.functions.registry import LATEST, Function, Functions
from durable_execution_sdk.protocol.limits import DEFAULT_MEMORY_MB, LONGEST_INVOCATION_SECONDS

_T = TypeVar("_T")


class WorkerView(msgspec.Struct, frozen=True, kw_only=True):
    """A worker at one moment. ``request_id`` and ``arn`` are those of its invocation."""

    function: str
    version: str
    pid: int | None
    request_id: str | None = None
    arn: str | None = None


class ProcessFunctions:
    """Functions that run in processes. Thread-safe; ``close`` ends all processes.

    Args:
        functions: the registry of the emulator, to which the functions are added.
        place: the server's address and environment.
        recorder: takes lines, invocations and notes; called in the thread of the workers.
        has_deadlines: ``False`` suspends the timeouts, for a debugger.
        on_workers: called in the thread of the workers when one began or ended, or an invocation of it did.
    """

    def __init__(
        self,
        functions: Functions,
        place: Place,
        recorder: Recorder | None = None,
        *,
        has_deadlines: bool = True,
        on_workers: Callable[[], None] = lambda: None,
    ) -> None:
        self._functions = functions
        self._place = place
        self._recorder = recorder or NoRecorder()
        self._has_deadlines = has_deadlines
        self._on_workers = on_workers
        self._pools: dict[tuple[str, str], Pool] = {}
        self._running: dict[str, Handover] = {}
        self._lock = threading.Lock()
        self._is_closed = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="durable-functions", daemon=True
        )
        self._thread.start()

    def add(
        self,
        declaration: Declaration,
        version: str = LATEST,
        *,
        code: str | None = None,
        sources: str | None = None,
    ) -> Function:
        """Register a function, or new code for it: then the next invocations run it.

        ``code`` is the digest of the code; ``sources`` is the path of the sources that processes import.
        """
        surroundings = self.surroundings(declaration, version, sources)
        surroundings.command  # noqa: B018 - refuses a function whose runtime is not here
        key = declaration.name, version
        function = Function(
            name=declaration.name,
            durable=declaration.durable,
            connect=lambda _: self._invoker(key, surroundings),
            code=code,
            execution_timeout=declaration.execution_timeout if declaration.durable else None,
            retention_days=declaration.retention_days,
            timeout=declaration.timeout if self._has_deadlines else LONGEST_INVOCATION_SECONDS,
            memory_mb=declaration.memory_mb or DEFAULT_MEMORY_MB,
        )
        self._wait_for(self._put(key, surroundings))
        if version == LATEST:
            self._functions.add_function(function)
            known = self._functions.aliases(declaration.name)
            for alias, aliased in declaration.aliases.items():
                # One that was moved to a version stays there when the code is loaded again.
                if alias not in known:
                    self._functions.add_alias(declaration.name, alias, aliased)
        else:
            self._functions.add_version(version, function)
        return function

    def remove(self, name: str) -> None:
        """Forget a function; its invocations in flight end, and its executions wait until it is added again."""
        self._functions.remove(name)
        self._wait_for(self._retire((name, LATEST)))

    def surroundings(
        self, declaration: Declaration, version: str = LATEST, sources: str | None = None
    ) -> Surroundings:
        """Return the surroundings of the processes of a function."""
        return Surroundings(
            declaration=declaration, version=version, place=self._place, sources=sources
        )

    def declaration(self, name: str, version: str = LATEST) -> Declaration | None:
        """Return the declaration of a function's version, if it is here."""
        pool = self._pools.get((name, version))
        return None if pool is None or pool.is_retired else pool.surroundings.declaration

    def warm(self) -> None:
        """Start a worker for each function in the background; published versions start theirs when called."""
        for (_, version), pool in list(self._pools.items()):
            if version == LATEST:
                asyncio.run_coroutine_threadsafe(pool.warm(), self._loop)

    def kill(self, arn: str) -> bool:
        """End the process that runs an invocation of an execution; ``False`` if there is none."""
        try:
            return self._wait_for(self._kill(arn))
        except ClosedError:
            return False

    def is_running(self, header: str | None) -> bool:
        """True if a request with this trace header comes from an invocation that runs here."""
        return trace_parent(header) in self._running

    def workers(self) -> list[WorkerView]:
        """Return all workers; none once the processes have been ended."""
        try:
            return self._wait_for(self._views())
        except ClosedError:
            return []

    def close(self) -> None:
        """End all processes; their invocations fail."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            closing = asyncio.run_coroutine_threadsafe(self._close(), self._loop)
        closing.result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _put(self, key: tuple[str, str], surroundings: Surroundings) -> None:
        pool = self._pools.get(key)
        if pool is None:
            self._pools[key] = Pool(
                surroundings,
                self._recorder,
                has_deadlines=self._has_deadlines,
                on_change=self._on_workers,
            )
        else:
            pool.reload(surroundings)

    async def _retire(self, key: tuple[str, str]) -> None:
        pool = self._pools.get(key)
        if pool is not None:
            pool.retire()

    def _invoker(self, key: tuple[str, str], surroundings: Surroundings) -> Invoker:
        def invoke(call: Call) -> Answer:
            pool = self._pools[key]
            arn = _execution_arn(call.payload) if surroundings.declaration.durable else None
            seconds = pool.timeout or LONGEST_INVOCATION_SECONDS
            given = handover(call, arn, seconds, is_sampled=surroundings.names_collector)
            self._running[given.trace_parent] = given
            try:
                return self._wait_for(pool.answer(given, surroundings))
            except ClosedError:
                return Answer(error=exit_error(call.request_id), is_timed=True)
            finally:
                del self._running[given.trace_parent]

        return invoke

    async def _kill(self, arn: str) -> bool:
        for pool in self._pools.values():
            for worker in pool.workers:
                if worker.current is not None and worker.current.arn == arn:
                    worker.kill()
                    return True
        return False

    async def _views(self) -> list[WorkerView]:
        views: list[WorkerView] = []
        for (function, version), pool in self._pools.items():
            for worker in pool.workers:
                current = worker.current
                views.append(
                    WorkerView(
                        function=function,
                        version=version,
                        pid=worker.pid,
                        request_id=None if current is None else current.call.request_id,
                        arn=None if current is None else current.arn,
                    )
                )
        return views

    async def _close(self) -> None:
        for pool in self._pools.values():
            await pool.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            # Threads wait for the answers of their calls.
            await asyncio.wait(others)

    def _wait_for(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        with self._lock:
            if self._is_closed:
                coroutine.close()
                raise ClosedError("the functions are closed: the server is being stopped")
            future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        return future.result()


class _Event(msgspec.Struct):
    """The member of a durable function's event that names the execution."""

    DurableExecutionArn: str | None = None


def _execution_arn(payload: bytes) -> str | None:
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return msgspec.json.decode(payload, type=_Event).DurableExecutionArn
    return None

"""Runs a workflow in a test: the real handler on the real engine, in milliseconds."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any, Generic, TypeVar

import msgspec

from durable_execution_sdk.duration import DurationLike
from durable_execution_sdk.emulator.caller import Seams
from durable_execution_sdk.emulator.control_plane import EmulatorControlPlane
from durable_execution_sdk.engine.limits import Limits
from durable_execution_sdk.handler import DurableHandler
from durable_execution_sdk.testing.callbacks import Failure, PendingCallback
from durable_execution_sdk.testing.errors import is_told
from durable_execution_sdk.testing.faults import Faults, When
from durable_execution_sdk.testing.functions import Registered
from durable_execution_sdk.testing.lengths import lapse
from durable_execution_sdk.testing.result import DurableTestResult
from durable_execution_sdk.testing.setup import LOG_LEVEL, Setup, paged, setup
from durable_execution_sdk.testing.stage import NO_EVENT, Stage, invocation_type
from durable_execution_sdk.testing.sync import SyncTestRunner
from durable_execution_sdk.testing.worker import in_thread_async

__all__ = ["LocalDurableTestRunner"]

__tracebackhide__ = is_told

_R = TypeVar("_R")


class LocalDurableTestRunner(Generic[_R]):
    """Runs a workflow in a test, and tells what came of it.

    The handler is invoked with the JSON that Lambda would send, by an engine with the service's
    rules. Time is virtual: when everything waits, the clock jumps to what is due next, so a wait of
    a year takes no time, and the history has the times that it would have. Ids, and retry delays that
    are spread at random, are the same in each run. ``sync`` is the same
    runner for tests that are plain functions; ``run_sync`` is short for ``sync.run``.

    Args:
        handler: what ``@durable_execution`` made.
        functions: what ``ctx.invoke`` finds, by name: durable handlers, plain Lambda handlers
            ``(event, context)``, ``Returns(value)`` or ``Raises(error)``.
        function_name: what the workflow's own function is called; the workflow's name by default.
        skip_time: ``False`` takes the computer's clock: every wait takes its time.
        start_time: when the virtual clock begins; 2026-01-01 in UTC by default.
        checkpoint_latency: how much virtual time each call of the service takes; none by default.
        page_size: how many operations the service gives at once, to test long histories.
        limits: other limits than the service's own.
        execution_timeout: after how long the execution is TIMED_OUT; 366 days by default.
        invocation_timeout: how long one invocation may take; 15 minutes by default, as in Lambda.
        environment: environment variables, set for the whole process while a handler runs.
        log_level: from which level on ``result.logs`` has records; ``logging.INFO`` by default.
        timeout: how many real seconds a call of the runner may take, so that no test hangs; use
            ``math.inf`` in a debugger. An invocation is told that it has no more time than is left
            of these.
        seams: what is put between the engine and the handler, for faults.

    Raises:
        ConfigError: an argument is wrong, or two contradict each other.
    """

    def __init__(
        self,
        handler: DurableHandler[Any, _R],
        *,
        functions: Mapping[str, Registered] | None = None,
        function_name: str | None = None,
        skip_time: bool = True,
        start_time: datetime | None = None,
        checkpoint_latency: DurationLike | None = None,
        page_size: int | None = None,
        limits: Limits | None = None,
        execution_timeout: DurationLike | None = None,
        invocation_timeout: DurationLike | None = None,
        environment: Mapping[str, str] | None = None,
        log_level: int = LOG_LEVEL,
        timeout: float = 30.0,
        seams: Seams | None = None,
    ) -> None:
        self._take(
            setup(
                handler,
                functions=functions,
                function_name=function_name,
                skip_time=skip_time,
                start_time=start_time,
                checkpoint_latency=checkpoint_latency,
                page_size=page_size,
                limits=limits,
                execution_timeout=execution_timeout,
                invocation_timeout=invocation_timeout,
                environment=environment,
                log_level=log_level,
                timeout=timeout,
                seams=seams or Seams(),
            )
        )

    def _take(self, setup: Setup) -> None:
        self.setup = setup
        self._stage = Stage(setup)
        self.faults: Faults = self._stage.faults
        self._control = EmulatorControlPlane(self._stage.driver)
        self.sync: SyncTestRunner[_R] = SyncTestRunner(self._stage)

    def fresh(
        self, *, seams: Seams | None = None, page_size: int | None = None
    ) -> LocalDurableTestRunner[_R]:
        """A runner with the same options, and no faults, on which nothing has happened yet.

        ``seams`` and ``page_size`` replace those of this one.
        """
        made: LocalDurableTestRunner[_R] = object.__new__(type(self))
        given = self.setup
        if seams is not None:
            given = msgspec.structs.replace(given, seams=seams)
        if page_size is not None:
            limits = paged(given.limits, page_size)
            given = msgspec.structs.replace(given, page_size=page_size, limits=limits)
        made._take(given)
        return made

    async def run(
        self,
        event: Any = NO_EVENT,
        *,
        name: str | None = None,
        synchronous: bool = False,
        timeout: float | None = None,
    ) -> DurableTestResult[_R]:
        """Run the workflow to its end, however it ends.

        Args:
            event: plain JSON, or an instance of what the workflow's event parameter is annotated
                with; ``{}`` by default, as from the Lambda console.
            name: the execution's name; the same name and event find the same execution again. It is
                ``test-1``, ``test-2`` ... by default.
            synchronous: as if somebody waited for the answer (``RequestResponse``): event and result
                may have 6 MiB, and not 1 MiB.
            timeout: real seconds, in place of the runner's own.

        Raises:
            StuckError: it waits for something that never comes, such as a callback that nobody
                answers and that has no timeout.
            RunTimeoutError: the timeout is over.
        """
        run = partial(self._stage.run, event, name, invocation_type(synchronous=synchronous))
        return await in_thread_async(*self._stage.alone(run, timeout))

    def run_sync(
        self,
        event: Any = NO_EVENT,
        *,
        name: str | None = None,
        synchronous: bool = False,
        timeout: float | None = None,
    ) -> DurableTestResult[_R]:
        """Do what ``run`` does, without ``await``."""
        return self.sync.run(event, name=name, synchronous=synchronous, timeout=timeout)

    def crash_at(self, *, checkpoint: int, when: When = "before") -> None:
        """Kill the process at a checkpoint of the execution; see ``runner.faults`` for other faults."""
        self.faults.crash_at(checkpoint=checkpoint, when=when)

    def crash_in(self, step: str, *, attempt: int = 1, at_await: int = 1) -> None:
        """Kill the process in the middle of a step's body; see ``runner.faults`` for other faults."""
        self.faults.crash_in(step, attempt=attempt, at_await=at_await)

    async def start(
        self, event: Any = NO_EVENT, *, name: str | None = None, synchronous: bool = False
    ) -> str:
        """Start an execution without running anything of it yet; returns its ARN.

        From now on the runner's other methods are about this execution.
        """
        return self._stage.start(event, name, invocation_type(synchronous=synchronous))

    async def complete(self, *, timeout: float | None = None) -> DurableTestResult[_R]:
        """Go on until the execution has ended, however it ends."""
        return await in_thread_async(*self._stage.alone(self._stage.complete, timeout))

    async def run_until_suspended(self, *, timeout: float | None = None) -> DurableTestResult[_R]:
        """Go on until nothing is due now; no time passes."""
        return await in_thread_async(*self._stage.alone(self._stage.run_until_suspended, timeout))

    async def wait_for_callback(
        self, name: str | None = None, *, timeout: float | None = None
    ) -> PendingCallback:
        """Go on until a callback waits for an answer, and give it.

        ``name`` is that of ``ctx.wait_for_callback`` or ``ctx.create_callback``; without one any
        will do. Of several the one that began first comes first, and the next once that is answered.
        Callbacks of functions that the workflow invoked count too.

        Raises:
            NoSuchOperationError: the execution ended first.
            StuckError: it waits for something else that never comes.
        """
        wait = partial(self._stage.wait_for_callback, name)
        found = await in_thread_async(*self._stage.alone(wait, timeout))
        return PendingCallback(self._control, *found)

    async def callbacks(self, name: str | None = None) -> list[PendingCallback]:
        """The callbacks that wait for an answer now, in the order in which they began.

        That of a ``wait_for_callback`` is among them once its submitter has run, if only to fail and
        be tried again: it may have handed out the id.
        """
        return [PendingCallback(self._control, *each) for each in self._stage.callbacks(name)]

    def callback(self, callback_id: str) -> PendingCallback:
        """The callback with this id, as somebody outside knows it."""
        return PendingCallback(self._control, callback_id, None)

    async def advance(
        self,
        *,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
        timeout: float | None = None,
    ) -> DurableTestResult[_R]:
        """Let so much time pass, and do whatever falls due meanwhile, at its time."""
        by = lapse(days=days, hours=hours, minutes=minutes, seconds=seconds)
        return await in_thread_async(*self._stage.alone(partial(self._stage.advance, by), timeout))

    async def stop(self, error: Failure = None) -> DurableTestResult[_R]:
        """End the execution as STOPPED, from outside."""
        return self._stage.stop(error)

    async def result(self) -> DurableTestResult[_R]:
        """What there is of the execution as of now."""
        return self._stage.result()

    @property
    def now(self) -> datetime:
        """What time it is on the runner's clock."""
        return self.sync.now

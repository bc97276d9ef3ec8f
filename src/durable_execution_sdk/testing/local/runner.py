"""The test runner that runs a workflow on the embedded engine, in milliseconds.

The module is long because each thing that a test does has one documented method here; most of it is docstrings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Generic, TypeVar

import msgspec

from durable_execution_sdk.client import DurableClient
from durable_execution_sdk.client.callbacks import Failure, PendingCallback
from durable_execution_sdk.duration import DurationLike
from durable_execution_sdk.emulator.control_plane import EmulatorControlPlane
from durable_execution_sdk.emulator.durations import lapse
from durable_execution_sdk.emulator.faults.plan import When
from durable_execution_sdk.emulator.function_caller import Wrappers
from durable_execution_sdk.engine.limits import Limits
from durable_execution_sdk.first_use import explained
from durable_execution_sdk.handler import DurableHandler
from durable_execution_sdk.testing.errors import is_told
from durable_execution_sdk.testing.faults import Faults
from durable_execution_sdk.testing.local.client import SendsMessages, client_options
from durable_execution_sdk.testing.local.functions import Registered
from durable_execution_sdk.testing.local.options import (
    LOG_LEVEL,
    RunnerOptions,
    checked_options,
    paged,
)
from durable_execution_sdk.testing.local.service import NO_EVENT, LocalService, invocation_type
from durable_execution_sdk.testing.local.sync_runner import SyncTestRunner
from durable_execution_sdk.testing.resource_overrides import NOTHING, ResourceOverride
from durable_execution_sdk.testing.results.result import DurableTestResult
from durable_execution_sdk.testing.worker import in_thread_async

__all__ = ["LocalDurableTestRunner"]

__tracebackhide__ = is_told

_R_co = TypeVar("_R_co", covariant=True)


class LocalDurableTestRunner(SendsMessages, Generic[_R_co]):
    """Runs a workflow in a test on the embedded engine.

    The handler gets the JSON that Lambda would send, from an engine with the service's rules. Time is
    virtual: when everything waits, the clock jumps to the next timer, so a wait of a year takes no real
    time and has realistic times in the history. Ids and random retry delays are the same in each run.
    ``sync`` is the same runner for tests that are plain functions; ``run_sync`` is short for
    ``sync.run``.

    Args:
        handler: the handler that ``@durable_execution`` made.
        functions: the functions for ``ctx.invoke``, by name: durable handlers, plain Lambda handlers
            ``(event, context)``, ``Returns(value)`` or ``Raises(error)``.
        function_name: the name of the workflow's own function; by default that of the workflow.
        skip_time: ``False`` uses the real clock, so that waits take real time.
        start_time: the start of the virtual clock; 2026-01-01 in UTC by default.
        checkpoint_latency: the virtual time that each call of the service takes; none by default.
        page_size: the number of operations in a page of the service, to test long histories.
        limits: limits in place of the service's.
        execution_timeout: the time after which the execution is TIMED_OUT; 366 days by default.
        invocation_timeout: time limit of one invocation, of virtual time and of the real time of bodies; 15 minutes by
            default.
        environment: environment variables, set for the whole process while a handler runs.
        log_level: the lowest level of records in ``result.logs``; ``logging.INFO`` by default.
        timeout: time limit for a call of the runner, in real seconds; ``math.inf`` is for debuggers.
            The deadline of an invocation is never later than this limit.
        wrappers: wrappers between the engine and the handler, to inject faults.

    Raises:
        ConfigError: an argument is wrong, or two contradict each other.
    """

    @explained
    def __init__(
        self,
        handler: DurableHandler[Any, _R_co],
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
        wrappers: Wrappers | None = None,
    ) -> None:
        self._take(
            checked_options(
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
                wrappers=wrappers or Wrappers(),
            )
        )

    def _take(self, options: RunnerOptions) -> None:
        self.options = options
        self._service: LocalService[_R_co] = LocalService(options)
        self.faults: Faults = self._service.faults
        self._control = EmulatorControlPlane(self._service.driver)
        self.sync: SyncTestRunner[_R_co] = SyncTestRunner(self._service)

    def fresh(
        self, *, wrappers: Wrappers | None = None, page_size: int | None = None
    ) -> LocalDurableTestRunner[_R_co]:
        """Make a new runner with the same options, without faults and executions.

        ``wrappers`` and ``page_size`` replace those of this runner.
        """
        runner: LocalDurableTestRunner[_R_co] = object.__new__(type(self))
        options = self.options
        if wrappers is not None:
            options = msgspec.structs.replace(options, wrappers=wrappers)
        if page_size is not None:
            limits = paged(options.limits, page_size)
            options = msgspec.structs.replace(options, page_size=page_size, limits=limits)
        runner._take(options)
        return runner

    def override(
        self,
        make: Callable[..., object],
        resource: object = NOTHING,
        *,
        by: Callable[..., object] | None = None,
    ) -> ResourceOverride:
        """Replace a resource of steps (``Depends(make)``): by ``resource`` itself, or by what ``by()`` makes.

        It is in force from now on, or in a block: ``with runner.override(get_client, FakeClient()):``. Handlers that
        the workflow invokes and the runs of ``check_crash_safety(runner)`` get the replacement too.
        """
        return ResourceOverride(self.options.overrides, make, resource, by)

    async def run(
        self,
        event: object = NO_EVENT,
        *,
        name: str | None = None,
        synchronous: bool = False,
        timeout: float | None = None,
        follow: bool = True,
    ) -> DurableTestResult[_R_co]:
        """Run the workflow until it has ended, successfully or not.

        An execution that goes on as a new one (``ctx.continue_as_new``) is followed to the last, whose result this
        returns; ``runner.sync.results()`` has all of them. Faults are counted over all of them.

        Args:
            event: plain JSON, or an instance of the class that annotates the workflow's event
                parameter; ``{}`` by default, as in the Lambda console.
            name: the execution's name, by default ``test-1``, ``test-2`` ... The same name and event
                find the same execution again.
            synchronous: start it with the invocation type ``RequestResponse``, whose limit for event
                and result is 6 MiB instead of 1 MiB.
            timeout: time limit in real seconds, in place of the runner's.
            follow: ``False`` runs one execution only; the next one is started, but does not run.

        Raises:
            StuckError: the execution waits for something that will never happen, such as the answer to
                a callback without a timeout.
            RunTimeoutError: the call took longer than ``timeout``.
            UnusedFaultError: a planned fault did not happen.
        """
        kind = invocation_type(synchronous=synchronous)
        run = partial(self._service.run, event, name, kind, follow=follow)
        return await in_thread_async(*self._service.alone(run, timeout))

    def run_sync(
        self,
        event: object = NO_EVENT,
        *,
        name: str | None = None,
        synchronous: bool = False,
        timeout: float | None = None,
        follow: bool = True,
    ) -> DurableTestResult[_R_co]:
        """Do what ``run`` does, without ``await``."""
        return self.sync.run(
            event, name=name, synchronous=synchronous, timeout=timeout, follow=follow
        )

    def crash_at(self, *, checkpoint: int, when: When = "before") -> None:
        """Plan a crash at a checkpoint of the execution; see ``runner.faults`` for other faults."""
        self.faults.crash_at(checkpoint=checkpoint, when=when)

    def crash_in(self, step: str, *, attempt: int = 1, at_await: int = 1) -> None:
        """Plan a crash in the middle of a step's body; see ``runner.faults`` for other faults."""
        self.faults.crash_in(step, attempt=attempt, at_await=at_await)

    async def start(
        self, event: object = NO_EVENT, *, name: str | None = None, synchronous: bool = False
    ) -> str:
        """Start an execution without running it yet; return its ARN.

        The runner's other methods refer to the execution that was started last.
        """
        return self._service.start(event, name, invocation_type(synchronous=synchronous))

    async def complete(
        self, *, timeout: float | None = None, follow: bool = True
    ) -> DurableTestResult[_R_co]:
        """Run the execution until it has ended, successfully or not. Raises the errors of ``run``.

        ``follow`` is that of ``run``.
        """
        complete = partial(self._service.complete, follow=follow)
        return await in_thread_async(*self._service.alone(complete, timeout))

    async def run_until_suspended(
        self, *, timeout: float | None = None
    ) -> DurableTestResult[_R_co]:
        """Run the execution until nothing is due now; no time passes.

        An invocation that a planned fault crashed is repeated first, after the delay that the service has for it.
        """
        return await in_thread_async(
            *self._service.alone(self._service.run_until_suspended, timeout)
        )

    async def wait_for_callback(
        self, name: str | None = None, *, timeout: float | None = None
    ) -> PendingCallback:
        """Run the execution until a callback waits for an answer, and return the callback.

        ``name`` is that of ``ctx.wait_for_callback`` or ``ctx.create_callback``, and where several have it,
        preceded by the names of its contexts: ``north/price``. Without a name, any callback is returned. Of several
        callbacks, the one that started first is returned until it is answered. Callbacks of invoked functions
        are considered too.

        Raises:
            NoSuchOperationError: the execution ended first.
            StuckError: the execution waits for something else that will never happen.
        """
        wait = partial(self._service.wait_for_callback, name)
        callback = await in_thread_async(*self._service.alone(wait, timeout))
        return PendingCallback(self._control, *callback)

    async def callbacks(self, name: str | None = None) -> list[PendingCallback]:
        """Return the callbacks that wait for an answer now, in the order of their start.

        The callback of a ``wait_for_callback`` is included once an attempt of its submitter has ended,
        even with a failure, as it may have sent the id.
        """
        return [
            PendingCallback(self._control, *callback) for callback in self._service.callbacks(name)
        ]

    def callback(self, callback_id: str) -> PendingCallback:
        """Return the callback with this id."""
        return PendingCallback(self._control, callback_id, None)

    @explained
    async def advance(
        self,
        *,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
        timeout: float | None = None,
    ) -> DurableTestResult[_R_co]:
        """Advance the clock by this duration, and run everything that is due meanwhile, at its time."""
        by = lapse(days=days, hours=hours, minutes=minutes, seconds=seconds)
        return await in_thread_async(
            *self._service.alone(partial(self._service.advance, by), timeout)
        )

    async def stop(self, error: Failure = None) -> DurableTestResult[_R_co]:
        """Stop the execution; its status becomes STOPPED."""
        return self._service.stop(error)

    async def pause(self, reason: str | None = None) -> DurableTestResult[_R_co]:
        """Pause the execution: it is invoked no more until ``resume``, while its waits and callbacks go on.

        It is ``PAUSING`` until the next checkpoint of an invocation that runs, then ``PAUSED``.
        """
        return self.sync.pause(reason)

    async def resume(self, reason: str | None = None) -> DurableTestResult[_R_co]:
        """End the pause of the execution; ``complete`` and the other calls then run it again."""
        return self.sync.resume(reason)

    def client(self) -> DurableClient:
        """Return a client of this runner's engine, for code that is given one: ``handle.result()`` runs the execution.

        An execution that it starts is the one that the runner's other methods refer to. Handlers are known under
        the names of ``functions``, the workflow under its own. Time limits are in real seconds.
        """
        return DurableClient(**client_options(self._service))

    async def result(self) -> DurableTestResult[_R_co]:
        """Return the current state of the execution."""
        return self._service.result()

    @property
    def now(self) -> datetime:
        """The time on the runner's clock."""
        return self.sync.now

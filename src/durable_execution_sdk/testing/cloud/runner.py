"""The test runner for deployed workflows, at AWS or any endpoint with Lambda's API."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar, overload

from durable_execution_sdk.client.callbacks import Failure, PendingCallback, as_error_object
from durable_execution_sdk.emulator.clock import RealClock
from durable_execution_sdk.emulator.durations import seconds_allowed
from durable_execution_sdk.ports.control_plane import ControlPlane
from durable_execution_sdk.ports.follower import Follower
from durable_execution_sdk.protocol.control_plane import (
    ExecutionDescription,
    InvocationType,
    InvokeRequest,
    PauseRequest,
    ResumeRequest,
)
from durable_execution_sdk.rendering.family import Family
from durable_execution_sdk.serdes import JsonSerDes, SerDes, ValueContext
from durable_execution_sdk.testing.cloud.connection import Connection, qualified
from durable_execution_sdk.testing.cloud.messages import SendsMessages
from durable_execution_sdk.testing.cloud.pace import Pace, retry_transient
from durable_execution_sdk.testing.cloud.progress import progress_of
from durable_execution_sdk.testing.cloud.sync_runner import SyncCloudTestRunner
from durable_execution_sdk.testing.errors import (
    DurableTestError,
    NoSuchOperationError,
    RunTimeoutError,
    is_told,
)
from durable_execution_sdk.testing.local.service import NO_EVENT
from durable_execution_sdk.testing.pending_callbacks import Awaiting, callbacks_of
from durable_execution_sdk.testing.results.result import DurableTestResult
from durable_execution_sdk.testing.worker import Watch

__all__ = ["CloudDurableTestRunner"]

__tracebackhide__ = is_told

_R = TypeVar("_R")
_T = TypeVar("_T")

_FIRST_PAUSE = 0.2
"""The first polling interval after a change, in seconds."""


class CloudDurableTestRunner(SendsMessages, Generic[_R]):
    """Runs a deployed workflow in a test; its results are those of ``LocalDurableTestRunner``.

    It starts the execution, polls its history and answers callbacks through Lambda's API, at AWS or at
    the endpoint in ``AWS_ENDPOINT_URL_LAMBDA``. Waits take real time. ``sync`` is the same runner for
    tests that are plain functions. The caller needs permission for ``lambda:InvokeFunction``,
    ``GetDurableExecution`` and ``GetDurableExecutionHistory``, and for callbacks and ``stop()`` also for
    ``SendDurableExecutionCallback...`` and ``StopDurableExecution``. ``result.logs`` is empty: the
    function's logs are in CloudWatch.

    Args:
        function_name: the function's name or ARN, with a version or an alias: ``order:live``.
        result_type: the type of ``result.result``; without it, plain JSON values.
        serdes: the serdes that the workflow writes its result with, if that is not JSON.
        timeout: time limit for a call of the runner, in seconds.
        longest_pause: longest polling interval, in seconds.
        on_progress: called with the current result when the history has grown or the execution has ended.
        environ: the environment with region, endpoint and credentials; by default the process's.
        control_plane: the client to use in place of one made from ``environ``.

    Raises:
        ConfigError: the name has neither a version nor an alias, or there is no region.
    """

    @overload
    def __init__(
        self,
        function_name: str,
        *,
        result_type: type[_R],
        timeout: float = ...,
        longest_pause: float = ...,
        on_progress: Callable[[DurableTestResult[_R]], object] | None = ...,
        environ: Mapping[str, str] | None = ...,
        control_plane: ControlPlane | None = ...,
    ) -> None: ...

    @overload
    def __init__(
        self: CloudDurableTestRunner[Any],
        function_name: str,
        *,
        result_type: object = ...,
        serdes: SerDes[Any] | None = ...,
        timeout: float = ...,
        longest_pause: float = ...,
        on_progress: Callable[[DurableTestResult[Any]], object] | None = ...,
        environ: Mapping[str, str] | None = ...,
        control_plane: ControlPlane | None = ...,
    ) -> None: ...

    def __init__(
        self,
        function_name: str,
        *,
        result_type: object = Any,
        serdes: SerDes[_R] | None = None,
        timeout: float = 300.0,
        longest_pause: float = 5.0,
        on_progress: Callable[[DurableTestResult[_R]], object] | None = None,
        environ: Mapping[str, str] | None = None,
        control_plane: ControlPlane | None = None,
    ) -> None:
        self.function_name = qualified(function_name)
        self.timeout = seconds_allowed(timeout)
        self._longest_pause = seconds_allowed(longest_pause, "longest_pause")
        self._on_progress = on_progress
        self._serdes: SerDes[_R] = serdes or JsonSerDes(result_type)
        self._connection = Connection(control_plane, environ)
        self.sync: SyncCloudTestRunner[_R] = SyncCloudTestRunner(self, self._connection)
        self._clock = RealClock()
        self._arn: str | None = None

    async def run(
        self,
        event: object = NO_EVENT,
        *,
        name: str | None = None,
        timeout: float | None = None,
        follow: bool = True,
    ) -> DurableTestResult[_R]:
        """Run the workflow until it has ended, successfully or not.

        Args:
            event: the function's input, written as JSON; ``{}`` by default.
            name: the execution's name, by default a new one. The same name and event find the same
                execution again.
            timeout: time limit in seconds, in place of the runner's.
            follow: ``False`` waits for one execution only, also if it goes on as a new one
                (``ctx.continue_as_new``).

        Raises:
            RunTimeoutError: the execution has not ended in time. It goes on; ``stop()`` ends it.
            ServiceError: the service refused a call.
        """
        await self.start(event, name=name)
        return await self.complete(timeout=timeout, follow=follow)

    def run_sync(
        self,
        event: object = NO_EVENT,
        *,
        name: str | None = None,
        timeout: float | None = None,
        follow: bool = True,
    ) -> DurableTestResult[_R]:
        """Do what ``run`` does, without ``await``."""
        return self.sync.run(event, name=name, timeout=timeout, follow=follow)

    async def start(self, event: object = NO_EVENT, *, name: str | None = None) -> str:
        """Start an execution, or find the one with this name; return its ARN.

        The runner's other methods refer to the execution that was started last.
        """
        context = ValueContext(operation_id="event", subject="the event of the test")
        written = "" if event is NO_EVENT else JsonSerDes[object]().serialize(event, context)
        async with self._connection.open() as control:
            answer = await control.invoke(
                InvokeRequest(
                    function_name=self.function_name,
                    payload=written.encode(),
                    invocation_type=InvocationType.EVENT,
                    durable_execution_name=name or f"test-{uuid.uuid4()}",
                )
            )
        if answer.durable_execution_arn is None:
            raise DurableTestError(
                f"{self.function_name} started without a durable execution: configure the function"
                " with DurableConfig, and name a version that was published after that"
            )
        self._arn = answer.durable_execution_arn
        return self._arn

    async def complete(
        self, *, timeout: float | None = None, follow: bool = True
    ) -> DurableTestResult[_R]:
        """Wait until the execution has ended, successfully or not; ``follow`` is that of ``run``."""
        watch = Watch(self.timeout if timeout is None else timeout)
        while True:
            result = await self._poll(lambda result: result if result.is_done else None, watch)
            next_one = result.continued_as
            if not follow or next_one is None or next_one.arn is None:
                return result
            self._arn = next_one.arn

    async def wait_for_callback(
        self, name: str | None = None, *, timeout: float | None = None
    ) -> PendingCallback:
        """Wait until a callback waits for an answer, and return it.

        ``name`` is that of ``ctx.wait_for_callback`` or ``ctx.create_callback``, which may be preceded by the
        names of its contexts: ``north/price``; without it, the first callback is returned. Callbacks of invoked functions are not considered.

        Raises:
            NoSuchOperationError: the execution ended first.
            RunTimeoutError: no such callback appeared in time.
        """

        def found(result: DurableTestResult[_R]) -> Awaiting | None:
            for callback in callbacks_of(result.family, name):
                return callback
            if result.is_done:
                label = "a callback" if name is None else f"the callback {name!r}"
                raise NoSuchOperationError(
                    f"the execution ended before {label} waited for an answer:\n{result}"
                )
            return None

        return PendingCallback(self._connection, *await self._poll(found, timeout))

    async def callbacks(self, name: str | None = None) -> list[PendingCallback]:
        """Return the callbacks that wait for an answer now, in the order of their start."""
        result = await self.result()
        return [
            PendingCallback(self._connection, *callback)
            for callback in callbacks_of(result.family, name)
        ]

    def callback(self, callback_id: str) -> PendingCallback:
        """Return the callback with this id."""
        return PendingCallback(self._connection, callback_id, None)

    async def stop(self, error: Failure = None) -> DurableTestResult[_R]:
        """Stop the execution; its status becomes STOPPED."""
        async with self._connection.open() as control:
            await control.stop(self._current(), as_error_object(error))
        return await self.result()

    async def pause(self, reason: str | None = None) -> DurableTestResult[_R]:
        """Pause the execution: it is invoked no more until ``resume``, while its waits and callbacks go on.

        It is ``PAUSING`` until the next checkpoint of an invocation that runs, then ``PAUSED``.
        """
        async with self._connection.open() as control:
            await control.pause(self._current(), PauseRequest(reason=reason))
        return await self.result()

    async def resume(self, reason: str | None = None) -> DurableTestResult[_R]:
        """End the pause of the execution."""
        async with self._connection.open() as control:
            await control.resume(self._current(), ResumeRequest(reason=reason))
        return await self.result()

    async def result(self) -> DurableTestResult[_R]:
        """Return the current state of the execution."""
        async with self._connection.open() as control:
            follower = Follower(control, self._current())
            return self._result(await follower.look(), follower)

    async def _poll(
        self, find: Callable[[DurableTestResult[_R]], _T | None], within: Watch | float | None
    ) -> _T:
        """Poll the execution until ``find`` returns a value for its state."""
        arn = self._current()
        limit = self.timeout if within is None else within
        watch = limit if isinstance(limit, Watch) else Watch(limit)
        pace = Pace(min(_FIRST_PAUSE, self._longest_pause), self._longest_pause)
        last_state = ("", 0)
        async with self._connection.open() as control:
            follower = Follower(control, arn)
            while True:
                described = await retry_transient(follower.look, pace, watch)
                result = self._result(described, follower)
                if last_state != (result.status, len(result.history)):
                    last_state = (result.status, len(result.history))
                    pace.quicken()
                    if self._on_progress is not None:
                        self._on_progress(result)
                value = find(result)
                if value is not None:
                    return value
                if watch.left <= 0:
                    raise RunTimeoutError(
                        f"the test allows {watch.seconds:g} s, and the execution goes on after that;"
                        f" runner.stop() ends it:\n{result}"
                    )
                await pace.wait(watch.left)

    def _result(self, described: ExecutionDescription, follower: Follower) -> DurableTestResult[_R]:
        now = self._clock.now()
        history = follower.history
        family = Family(execution=progress_of(described, history, now), invoked={})
        return DurableTestResult(
            described, lambda: family, lambda: history, now=now, serdes=self._serdes
        )

    def _current(self) -> str:
        if self._arn is None:
            raise DurableTestError("nothing was started: call start(event) or run(event) first")
        return self._arn

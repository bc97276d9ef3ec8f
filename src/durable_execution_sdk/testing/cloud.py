"""Runs a deployed workflow in a test, wherever there is something that speaks Lambda's API."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar, cast, overload

from durable_execution_sdk.control import ControlPlane
from durable_execution_sdk.emulator.clock import RealClock
from durable_execution_sdk.emulator.functions import Functions
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.model.control import (
    ExecutionDescription,
    InvocationType,
    InvokeRequest,
)
from durable_execution_sdk.serdes import JsonSerDes, SerDes, SerDesContext
from durable_execution_sdk.showing.family import Family
from durable_execution_sdk.testing.callbacks import Failure, PendingCallback, as_error_object
from durable_execution_sdk.testing.cloud_sync import SyncCloudTestRunner
from durable_execution_sdk.testing.connection import Connection
from durable_execution_sdk.testing.errors import (
    DurableTestError,
    NoSuchOperationError,
    RunTimeoutError,
    is_told,
)
from durable_execution_sdk.testing.folding import progress_of
from durable_execution_sdk.testing.following import Follower, Pace, although_it_stumbles
from durable_execution_sdk.testing.lengths import seconds_allowed
from durable_execution_sdk.testing.result import DurableTestResult
from durable_execution_sdk.testing.stage import NO_EVENT
from durable_execution_sdk.testing.waiting import Awaiting, callbacks_of
from durable_execution_sdk.testing.worker import Watch

__all__ = ["CloudDurableTestRunner"]

__tracebackhide__ = is_told

_R = TypeVar("_R")
_T = TypeVar("_T")

_FIRST_LOOK = 0.2
"""After how many seconds to look again when something has just happened."""


class CloudDurableTestRunner(Generic[_R]):
    """Runs a deployed workflow in a test, and gives the same result as a ``LocalDurableTestRunner``.

    It starts the execution, follows its history, and answers callbacks, all through Lambda's API: at
    AWS, or at any endpoint that speaks it, as ``AWS_ENDPOINT_URL_LAMBDA`` says. Waits take their time.
    ``sync`` is the same runner for tests that are plain functions.
    The caller needs permission for ``lambda:InvokeFunction``, ``GetDurableExecution``,
    ``GetDurableExecutionHistory``, and what else it does: ``SendDurableExecutionCallback...``,
    ``StopDurableExecution``. ``result.logs`` is empty: the function's logs are in CloudWatch.

    Args:
        function_name: the function's name or ARN, with a version or an alias: ``order:live``.
        result_type: what the workflow returns, to give ``result.result`` its type; plain JSON values
            without it.
        serdes: how the workflow writes its result, if that is not JSON.
        timeout: how many seconds a call of the runner may take.
        longest_pause: how many seconds lie between two looks at most, while nothing happens.
        on_progress: is called with the execution as it stands whenever its history has grown
            or it has ended.
        environ: where region, endpoint and credentials are; the process's own by default.
        control_plane: another way to the API.

    Raises:
        ConfigError: the name has no version and no alias, or there is no region.
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
        result_type: Any = ...,
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
        result_type: Any = Any,
        serdes: SerDes[Any] | None = None,
        timeout: float = 300.0,
        longest_pause: float = 5.0,
        on_progress: Callable[[DurableTestResult[Any]], object] | None = None,
        environ: Mapping[str, str] | None = None,
        control_plane: ControlPlane | None = None,
    ) -> None:
        self.function_name = _qualified(function_name)
        self.timeout = seconds_allowed(timeout)
        self._longest_pause = seconds_allowed(longest_pause, "longest_pause")
        self._on_progress = on_progress
        self._serdes: SerDes[Any] = serdes or JsonSerDes(result_type)
        self._connection = Connection(control_plane, environ)
        self.sync: SyncCloudTestRunner[_R] = SyncCloudTestRunner(self, self._connection)
        self._clock = RealClock()
        self._arn: str | None = None

    async def run(
        self, event: Any = NO_EVENT, *, name: str | None = None, timeout: float | None = None
    ) -> DurableTestResult[_R]:
        """Run the workflow to its end, however it ends.

        Args:
            event: what the function gets, as JSON; ``{}`` by default.
            name: the execution's name; the same name and event find the same execution again. A new
                one by default.
            timeout: seconds, in place of the runner's own.

        Raises:
            RunTimeoutError: it has not ended in time. It goes on; ``stop()`` ends it.
            ServiceError: the service refused a call.
        """
        await self.start(event, name=name)
        return await self.complete(timeout=timeout)

    def run_sync(
        self, event: Any = NO_EVENT, *, name: str | None = None, timeout: float | None = None
    ) -> DurableTestResult[_R]:
        """Do what ``run`` does, without ``await``."""
        return self.sync.run(event, name=name, timeout=timeout)

    async def start(self, event: Any = NO_EVENT, *, name: str | None = None) -> str:
        """Start an execution, or find the one that has this name; returns its ARN.

        From now on the runner's other methods are about this execution.
        """
        context = SerDesContext(operation_id="event", operation_name="the test's event")
        written = "" if event is NO_EVENT else JsonSerDes[Any]().serialize(event, context)
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

    async def complete(self, *, timeout: float | None = None) -> DurableTestResult[_R]:
        """Wait until the execution has ended, however it ends."""
        return await self._follow(lambda result: result if result.is_done else None, timeout)

    async def wait_for_callback(
        self, name: str | None = None, *, timeout: float | None = None
    ) -> PendingCallback:
        """Wait until a callback waits for an answer, and give it.

        ``name`` is that of ``ctx.wait_for_callback`` or ``ctx.create_callback``; without one any
        will do. Callbacks of functions that the workflow invoked are not looked for.

        Raises:
            NoSuchOperationError: the execution ended first.
            RunTimeoutError: none waits in time.
        """

        def found(result: DurableTestResult[_R]) -> Awaiting | None:
            for each in callbacks_of(result.family, name):
                return each
            if result.is_done:
                what = "a callback" if name is None else f"the callback {name!r}"
                raise NoSuchOperationError(
                    f"the execution ended before {what} waited for an answer:\n{result}"
                )
            return None

        return PendingCallback(self._connection, *await self._follow(found, timeout))

    async def callbacks(self, name: str | None = None) -> list[PendingCallback]:
        """The callbacks that wait for an answer now, in the order in which they began."""
        result = await self.result()
        return [
            PendingCallback(self._connection, *each) for each in callbacks_of(result.family, name)
        ]

    def callback(self, callback_id: str) -> PendingCallback:
        """The callback with this id, as somebody outside knows it."""
        return PendingCallback(self._connection, callback_id, None)

    async def stop(self, error: Failure = None) -> DurableTestResult[_R]:
        """End the execution as STOPPED, from outside."""
        async with self._connection.open() as control:
            await control.stop(self._current(), as_error_object(error))
        return await self.result()

    async def result(self) -> DurableTestResult[_R]:
        """What there is of the execution as of now."""
        async with self._connection.open() as control:
            follower = Follower(control, self._current())
            return self._result(await follower.look(), follower)

    async def _follow(
        self, find: Callable[[DurableTestResult[_R]], _T | None], timeout: float | None
    ) -> _T:
        """Look again and again until something is found."""
        arn = self._current()
        watch = Watch(self.timeout if timeout is None else timeout)
        pace = Pace(min(_FIRST_LOOK, self._longest_pause), self._longest_pause)
        seen = ("", 0)
        async with self._connection.open() as control:
            follower = Follower(control, arn)
            while True:
                described = await although_it_stumbles(follower.look, pace, watch)
                result = self._result(described, follower)
                if seen != (result.status, len(result.history)):
                    seen = (result.status, len(result.history))
                    pace.quicken()
                    if self._on_progress is not None:
                        self._on_progress(result)
                found = find(result)
                if found is not None:
                    return found
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


def _qualified(function_name: str) -> str:
    if not isinstance(cast("object", function_name), str):
        raise ConfigError(
            "CloudDurableTestRunner takes the name or ARN of a function that is deployed, not"
            f" {function_name!r}; LocalDurableTestRunner runs a handler here"
        )
    name, version = Functions().parse(function_name)
    if version is None:
        raise ConfigError(
            f"{function_name!r} names no version or alias, and the service starts durable executions of"
            f" these only: an execution keeps to one version of its code. Write '{name}:$LATEST',"
            f" '{name}:7' or '{name}:live'"
        )
    return function_name

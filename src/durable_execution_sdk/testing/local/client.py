"""Clients of a local runner: their calls reach its engine, and a wait for a result runs the execution."""

from __future__ import annotations

from typing import Any, TypedDict

from durable_execution_sdk.client.service import WaitForEnd
from durable_execution_sdk.emulator.control_plane import EmulatorControlPlane
from durable_execution_sdk.emulator.functions.registry import LATEST
from durable_execution_sdk.handler import AnyHandler, DurableHandler
from durable_execution_sdk.ports.control_plane import ControlPlane
from durable_execution_sdk.protocol.control_plane import (
    ExecutionDescription,
    InvocationType,
    InvokeRequest,
    InvokeResponse,
)
from durable_execution_sdk.testing.errors import is_told
from durable_execution_sdk.testing.local.service import LocalService
from durable_execution_sdk.testing.worker import Watch, in_thread_async

__all__ = ["ClientOptions", "client_options"]

__tracebackhide__ = is_told


class ClientOptions(TypedDict):
    """The options of a client, as ``DurableClient`` and ``SyncDurableClient`` take them."""

    functions: dict[AnyHandler, str]
    control_plane: ControlPlane
    wait_for_end: WaitForEnd


def client_options(service: LocalService[Any]) -> ClientOptions:
    """Return the options of a client whose calls reach the engine of a runner."""
    options = service.options
    functions: dict[AnyHandler, str] = {
        registered: f"{name}:{LATEST}"
        for name, registered in options.functions.items()
        if isinstance(registered, DurableHandler)
    }
    functions[options.handler] = f"{options.function_name}:{LATEST}"
    return ClientOptions(
        functions=functions,
        control_plane=_RunnersControlPlane(service),
        wait_for_end=_Running(service),
    )


class _RunnersControlPlane(EmulatorControlPlane):
    """The control plane of a runner, which has to know the executions that the client starts."""

    def __init__(self, service: LocalService[Any]) -> None:
        super().__init__(service.driver)
        self._service = service

    async def invoke(self, request: InvokeRequest) -> InvokeResponse:
        """Invoke a function; an execution that begins is the runner's current one."""
        answer = await super().invoke(request)
        arn = answer.durable_execution_arn
        if arn is not None and request.invocation_type is InvocationType.EVENT:
            self._service.started(arn)
        return answer


class _Running:
    """Runs an execution until it has ended, as ``runner.complete()`` does."""

    def __init__(self, service: LocalService[Any]) -> None:
        self._service = service

    async def __call__(self, arn: str, timeout: float | None) -> ExecutionDescription:
        """Run an execution to its end; the time limit is in real seconds, by default that of the runner."""
        service = self._service

        def run(watch: Watch) -> ExecutionDescription:
            # The runner is claimed meanwhile, so that nothing else asks for its current execution.
            started, service.arn = service.arn, arn
            try:
                service.complete(watch, follow=False)  # the handle follows by itself
            finally:
                service.arn = started
            return service.emulator.describe(arn)

        return await in_thread_async(*service.alone(run, timeout))

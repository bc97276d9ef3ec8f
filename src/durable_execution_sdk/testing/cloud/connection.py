"""The connection of a test to Lambda's API, closed after each use."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import cast

from durable_execution_sdk.aws import LambdaClient
from durable_execution_sdk.aws.control_plane import LambdaControlPlane
from durable_execution_sdk.client.messages.sending import Sending, let_time_pass, send
from durable_execution_sdk.client.messages.turns import Turns
from durable_execution_sdk.client.paced_reading import PacedReading
from durable_execution_sdk.emulator.functions.registry import Functions
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.ports.control_plane import ControlPlane
from durable_execution_sdk.protocol.error_object import ErrorObject

__all__ = ["Connection", "qualified"]


class Connection:
    """The control plane that a test passed, or a client made from the environment."""

    def __init__(self, control: ControlPlane | None, environ: Mapping[str, str] | None) -> None:
        self._given = control
        self._own = None if control else LambdaControlPlane(LambdaClient(environ=environ))
        self._turns = Turns()

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[ControlPlane]:
        """Yield the control plane; close the client's idle connections afterwards."""
        control = self._given or self._own
        assert control is not None
        try:
            yield control
        finally:
            if self._own is not None:
                await self._own.aclose()

    async def send(self, arn: str, message: Sending) -> None:
        """Send a message to an inbox of an execution."""
        async with self.open() as control:
            await send(control, PacedReading(control), arn, message, let_time_pass, self._turns)

    async def callback_success(self, callback_id: str, result: bytes | None = None) -> None:
        """Answer a callback with a result."""
        async with self.open() as control:
            await control.callback_success(callback_id, result)

    async def callback_failure(self, callback_id: str, error: ErrorObject | None = None) -> None:
        """Answer a callback with a failure."""
        async with self.open() as control:
            await control.callback_failure(callback_id, error)

    async def callback_heartbeat(self, callback_id: str) -> None:
        """Restart a callback's heartbeat timeout."""
        async with self.open() as control:
            await control.callback_heartbeat(callback_id)


def qualified(function_name: str) -> str:
    """Return the name of a function if it has a version or an alias; raise ``ConfigError`` if not."""
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

"""The service behind a client: how it is asked, and how the end of an execution is waited for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

from durable_execution_sdk.client.errors import ResultTimeoutError
from durable_execution_sdk.client.paced_reading import PacedReading
from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.ports.backoff import Timing
from durable_execution_sdk.ports.control_plane import ControlPlane
from durable_execution_sdk.protocol.control_plane import CLOSED_STATUSES, ExecutionDescription

__all__ = ["Polling", "Service", "WaitForEnd"]

_FIRST_PAUSE = 0.1
_GROWTH = 1.5
# How long an execution that was read before is asked for again while the service does not answer, in seconds.
_PATIENCE = 300.0


class WaitForEnd(Protocol):
    """Waits until an execution has ended, and returns its description with its data."""

    async def __call__(self, arn: str, timeout: float | None) -> ExecutionDescription:
        """Wait for the end of an execution, for at most ``timeout`` seconds."""
        ...


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """The service of a client; ``address`` names it in messages.

    ``is_local``: its functions have the names that they have in code, and it has no rates.
    """

    control: ControlPlane
    reading: PacedReading
    wait_for_end: WaitForEnd
    address: str
    is_local: bool
    close: Callable[[], Awaitable[None]]


class Polling:
    """Waits for the end of executions by asking for their status, at longer and longer distances.

    ``longest_pause`` is the longest distance in seconds.
    """

    def __init__(
        self, reading: PacedReading, longest_pause: float, timing: Timing | None = None
    ) -> None:
        self._reading = reading
        self._longest_pause = longest_pause
        self._timing = timing or Timing()

    async def __call__(self, arn: str, timeout: float | None) -> ExecutionDescription:
        """Ask for the status until it is a final one, then for the result."""
        elapsed = self._timing.elapsed
        ends_at = None if timeout is None else elapsed() + timeout
        answered_at: float | None = None
        pause, status = min(_FIRST_PAUSE, self._longest_pause), "unknown"
        while True:
            try:
                found = await self._reading.describe(arn, include_execution_data=False)
                if found.status in CLOSED_STATUSES:
                    return await self._reading.describe(arn)
                status, answered_at = found.status, elapsed()
            except ServiceError as error:
                # The first answer shows that the execution is there and may be read.
                if not error.is_transient or answered_at is None:
                    raise
                if elapsed() - answered_at > _PATIENCE:
                    raise
            left = None if ends_at is None else ends_at - elapsed()
            if left is not None and left <= 0:
                raise ResultTimeoutError(
                    f"{arn} was to end within {timeout:g} s, and is {status} after that. It goes on: result() waits"
                    " again, stop() ends it"
                )
            await self._timing.sleep(pause if left is None else min(pause, left))
            pause = min(pause * _GROWTH, self._longest_pause)

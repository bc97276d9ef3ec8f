"""The service behind a client: how it is asked, and how the end of an execution is waited for."""

from __future__ import annotations

import asyncio
import math
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
_SHORTEST_PAUSE = 0.001
# The time that the answer of the last look has, in seconds.
_LAST_LOOK = 0.5
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
        wait = _Wait(arn, timeout)
        # A question that gets no answer, or is repeated, ends with the time limit too.
        limit = asyncio.timeout(None if timeout == math.inf else timeout)
        try:
            async with limit:
                return await self._ended(wait)
        except TimeoutError as error:
            if not limit.expired() or isinstance(error, ResultTimeoutError):
                raise
            raise wait.over() from None

    async def _ended(self, wait: _Wait) -> ExecutionDescription:
        elapsed = self._timing.elapsed
        ends_at = None if wait.timeout is None else elapsed() + wait.timeout
        pause = min(_FIRST_PAUSE, self._longest_pause)
        while True:
            try:
                found = await self._reading.describe(wait.arn, include_execution_data=False)
                wait.status, wait.answered_at = found.status, elapsed()
                if found.status in CLOSED_STATUSES:
                    return await self._reading.describe(wait.arn)
            except ServiceError as error:
                # The first answer shows that the execution is there and may be read.
                if not error.is_transient or wait.answered_at is None:
                    raise
                if elapsed() - wait.answered_at > _PATIENCE:
                    raise
            left = None if ends_at is None else ends_at - elapsed()
            if left is not None and left <= 0:
                raise wait.over()
            await self._timing.sleep(pause if left is None else wait.nap(pause, left))
            pause = min(pause * _GROWTH, self._longest_pause)


class _Wait:
    """A wait for the end of one execution: its time limit, and the last answer of the service."""

    def __init__(self, arn: str, timeout: float | None) -> None:
        self.arn = arn
        self.timeout = timeout
        self.status: str | None = None
        self.answered_at: float | None = None

    def nap(self, pause: float, left: float) -> float:
        """Return the time to sleep: a pause, but not past the last look, which has some time for its answer."""
        before_last_look = left - min(_LAST_LOOK, (self.timeout or 0.0) / 2)
        return min(pause, before_last_look if before_last_look > _SHORTEST_PAUSE else left)

    def over(self) -> ResultTimeoutError:
        """Return the error that says that the time is over."""
        if self.status is None:
            seen = "the service has not told its status by then"
        elif self.status in CLOSED_STATUSES:
            seen = f"is {self.status}, but the service has not sent its result by then"
        else:
            seen = f"is {self.status} after that. It goes on"
        return ResultTimeoutError(
            f"{self.arn} was to end within {self.timeout:g} s, and {seen}: result() waits again, stop() ends it"
        )

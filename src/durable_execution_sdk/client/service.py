"""The service behind a client: how it is asked, how the end of an execution is waited for, and the next one found."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

from durable_execution_sdk.call_timing import Timing
from durable_execution_sdk.client.errors import ResultTimeoutError
from durable_execution_sdk.client.function_ref import split_name
from durable_execution_sdk.client.messages.sending import Pause, let_time_pass
from durable_execution_sdk.client.paced_reading import PacedReading
from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.ports.control_plane import ControlPlane
from durable_execution_sdk.protocol.continuation import Continuation, continuation_of
from durable_execution_sdk.protocol.control_plane import (
    CLOSED_STATUSES,
    ExecutionDescription,
    ListRequest,
)
from durable_execution_sdk.protocol.error_codes import NOT_FOUND, STATUS

__all__ = ["Polling", "Service", "WaitForEnd", "last_of", "next_of"]

Describe = Callable[[str], Awaitable[ExecutionDescription]]

_FIRST_PAUSE = 0.1
_GROWTH = 1.5
_SHORTEST_PAUSE = 0.001
# The time that the answer of the last look has, in seconds.
_LAST_LOOK = 0.5
# How long an execution that was read before is asked for again while the service does not answer, in seconds.
_PATIENCE = 300.0


class WaitForEnd(Protocol):
    """Waits until an execution has ended, and returns its description with its data.

    That of an engine which the caller drives may have a method ``let_run(arn, seconds)`` too, by which an execution
    runs until it suspends: a sender calls it while the inbox has no room.
    """

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

    @property
    def pause(self) -> Pause:
        """Lets time pass between two looks at an execution."""
        own: Pause = getattr(self.wait_for_end, "let_run", let_time_pass)
        return own


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


async def last_of(
    reading: PacedReading, first: ExecutionDescription, describe: Describe
) -> ExecutionDescription:
    """Follow the pointers from an execution, and return the first description that has none.

    ``describe`` reads an execution by its ARN; it may wait for its end. Raises ``ServiceError`` for pointers in a circle.
    """
    described, seen = first, {first.durable_execution_arn}
    while (arn := await next_of(reading, described)) is not None:
        if arn in seen:
            raise ServiceError(
                f"{first.durable_execution_arn} goes on as {arn}, which leads back to an earlier execution: a result"
                " was forged, since no execution goes on as one that was there before"
            )
        seen.add(arn)
        described = await describe(arn)
    return described


async def next_of(reading: PacedReading, described: ExecutionDescription) -> str | None:
    """Return the ARN of the execution as which one went on; ``None`` if it did not."""
    continuation = continuation_of(described.durable_execution_arn, described.result)
    return None if continuation is None else await _next_started(reading, continuation)


async def _next_started(reading: PacedReading, continuation: Continuation) -> str:
    """Return the ARN of the next execution, which is looked for by its name if the pointer does not have it.

    Raises ``ServiceError`` if there is none of this name.
    """
    if continuation.arn is not None:
        return continuation.arn
    function, name = split_name(continuation.function)[0], continuation.name
    request = ListRequest(function_name=function, durable_execution_name=name)
    async for found in reading.executions(
        request, 1, wanted=lambda each: each.durable_execution_name == name
    ):
        return found.durable_execution_arn
    raise ServiceError(
        f"{continuation.of} goes on as {name} of {function}, and there is no execution of this name: its data may have"
        " been deleted",
        code=NOT_FOUND,
        status=STATUS[NOT_FOUND],
    )

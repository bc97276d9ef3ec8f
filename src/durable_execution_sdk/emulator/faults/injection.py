"""Strike faults between the engine and the handler."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import msgspec

from durable_execution_sdk.call_timing import Backoff
from durable_execution_sdk.emulator.clock import Clock, VirtualClock
from durable_execution_sdk.emulator.faults.plan import FaultPlan
from durable_execution_sdk.emulator.functions.invokers import Answer, Call, Invoker
from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.ports import DataPlane, ForwardingDataPlane
from durable_execution_sdk.protocol.control_plane import InvokeRequest, InvokeResponse
from durable_execution_sdk.protocol.data_plane import (
    CheckpointRequest,
    CheckpointResponse,
    StatePage,
    StateRequest,
)
from durable_execution_sdk.protocol.operations import TERMINAL_STATUSES, Operation

__all__ = ["FaultyPlane", "faulty_invoker"]


_BACKOFF = Backoff()


# Turns of the event loop that a random delay takes: in one of 50 cases, and usually.
_LONG_TURNS = 120


_USUAL_TURNS = 6


_LONGEST_MILLISECONDS = 20


async def elapse(clock: Clock, time: timedelta) -> None:
    """Advance a virtual clock, or sleep on a real one."""
    if isinstance(clock, VirtualClock):
        clock.advance(round(time / timedelta(milliseconds=1)))
        await asyncio.sleep(0)
    else:
        await asyncio.sleep(time.total_seconds())


async def delay_at_random(faults: FaultPlan, clock: Clock) -> None:
    """Wait for a random number of turns of the event loop, if the faults shuffle the order."""
    chance = faults.chance
    if chance is None:
        return
    turns = _LONG_TURNS if chance.random() > 0.98 else chance.randrange(_USUAL_TURNS)
    if isinstance(clock, VirtualClock):
        clock.advance(chance.randrange(_LONGEST_MILLISECONDS))
    for _ in range(turns):
        await asyncio.sleep(0)


class FaultyPlane(ForwardingDataPlane):
    """A data plane that injects faults into the calls of the tested execution."""

    def __init__(
        self, plane: DataPlane, faults: FaultPlan, clock: Clock, is_mine: Callable[[str], bool]
    ) -> None:
        super().__init__(plane)
        self._faults = faults
        self._clock = clock
        self._is_mine = is_mine
        self._earlier: list[Operation] = []

    async def checkpoint(self, request: CheckpointRequest) -> CheckpointResponse:
        """Record updates, with the faults that are planned for this checkpoint."""
        if not self._is_mine(request.durable_execution_arn):
            return await self._plane.checkpoint(request)
        faults = self._faults
        if faults.is_calm and not self._earlier:
            faults.checkpoint_begins()
            return await self._plane.checkpoint(request)
        number = faults.checkpoint_begins()
        await delay_at_random(faults, self._clock)
        await self._wait_out_throttling(number)
        delay = faults.take("slow", number)
        if isinstance(delay, timedelta):
            await elapse(self._clock, delay)
        faults.check_alive()
        match faults.take("crash", number):
            case "before":
                raise faults.die()
            case "after":
                await self._plane.checkpoint(request)
                raise faults.die()
            case "response_lost":
                await self._plane.checkpoint(request)
                faults.cut_off()
                raise ServiceError("the connection was lost before the answer came", status=None)
            case _:
                return await self._answer(number, request)

    async def get_state(self, request: StateRequest) -> StatePage:
        """Read a page of operations."""
        if self._is_mine(request.durable_execution_arn):
            self._faults.check_alive()
            await delay_at_random(self._faults, self._clock)
        return await self._plane.get_state(request)

    async def start_execution(self, request: InvokeRequest) -> InvokeResponse:
        """Start an execution, unless the process has died."""
        self._faults.check_alive()
        await delay_at_random(self._faults, self._clock)
        return await super().start_execution(request)

    async def _answer(self, number: int, request: CheckpointRequest) -> CheckpointResponse:
        response = await self._plane.checkpoint(request)
        if self._faults.take("repeated request", number):
            response = await self._plane.checkpoint(request)
        repeated, self._earlier = self._earlier, []
        if self._faults.take("repeated response", number):
            # All operations twice in this response, and the ended ones again in the next.
            repeated = [*response.operations, *repeated]
            self._earlier = [op for op in response.operations if op.status in TERMINAL_STATUSES]
        await delay_at_random(self._faults, self._clock)
        if repeated:
            operations = [*response.operations, *repeated]
            return msgspec.structs.replace(response, operations=operations)
        return response

    async def _wait_out_throttling(self, number: int) -> None:
        """Retry as the client for Lambda's API does, on the runner's clock."""
        times = self._faults.take("throttle", number)
        if not isinstance(times, int):
            return
        began = self.now()
        for attempt in range(1, times + 1):
            refused = ServiceError("Rate exceeded", code="ThrottlingException", status=429)
            elapsed = (self.now() - began) / 1000
            delay = _BACKOFF.delay(attempt=attempt, elapsed=elapsed, jitter=1.0, retry_after=None)
            if delay is None:
                raise refused
            await elapse(self._clock, timedelta(seconds=delay))


def faulty_invoker(invoker: Invoker, faults: FaultPlan, function_name: str) -> Invoker:
    """Wrap an invoker to count invocations and to repeat one that is planned to be repeated."""

    def call(call: Call) -> Answer:
        if call.function_name != function_name:
            return invoker(call)
        number = faults.invocation_begins()
        answer = invoker(call)
        if faults.take("invocation", number):
            invoker(call)  # the service ignores the second response
        return answer

    return call

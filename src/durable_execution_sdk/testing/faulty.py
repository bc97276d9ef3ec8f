"""The wrappers that inject faults: around the data plane, invocations and step bodies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from datetime import timedelta
from typing import Any

import msgspec

from durable_execution_sdk.aws.backoff import Backoff
from durable_execution_sdk.emulator.clock import Clock, VirtualClock
from durable_execution_sdk.emulator.invokers import Answer, Call, Invoker
from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.model.api import (
    CheckpointRequest,
    CheckpointResponse,
    StatePage,
    StateRequest,
)
from durable_execution_sdk.model.operation import TERMINAL_STATUSES, Operation
from durable_execution_sdk.runtime.delivery import Completion
from durable_execution_sdk.runtime.workflow import Attempting
from durable_execution_sdk.service import DataPlane, ForwardingDataPlane
from durable_execution_sdk.testing.faults import BodyRun, Faults
from durable_execution_sdk.testing.flowing import FlowingWorkflow

__all__ = ["FaultyPlane", "FaultyWorkflow", "faulty_invoker"]

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


async def dawdle(faults: Faults, clock: Clock) -> None:
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
        self, plane: DataPlane, faults: Faults, clock: Clock, is_mine: Callable[[str], bool]
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
        await dawdle(faults, self._clock)
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
            await dawdle(self._faults, self._clock)
        return await self._plane.get_state(request)

    async def _answer(self, number: int, request: CheckpointRequest) -> CheckpointResponse:
        response = await self._plane.checkpoint(request)
        if self._faults.take("repeated request", number):
            response = await self._plane.checkpoint(request)
        repeated, self._earlier = self._earlier, []
        if self._faults.take("repeated response", number):
            # All operations twice in this response, and the ended ones again in the next.
            repeated = [*response.operations, *repeated]
            self._earlier = [op for op in response.operations if op.status in TERMINAL_STATUSES]
        await dawdle(self._faults, self._clock)
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


def faulty_invoker(invoker: Invoker, faults: Faults, function_name: str) -> Invoker:
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


class FaultyWorkflow(FlowingWorkflow):
    """The state of an invocation whose step bodies are counted, interrupted and delayed."""

    def __init__(
        self, faults: Faults, clock: Clock, is_mine: Callable[[str], bool], *args: Any
    ) -> None:
        super().__init__(clock, *args)
        self._faults = faults if is_mine(self.invoked.arn) else Faults()
        self._clock = clock
        if self._faults.most_updates is not None:
            self.checkpointer.most_updates = self._faults.most_updates
        if self._faults.arguments is not None:
            self._faults.arguments.begin()

    def claim(self, claimant: Completion[Any]) -> Operation | None:
        """Record the operation's arguments, if arguments are compared."""
        if self._faults.arguments is not None:
            self._faults.arguments.take(claimant)
        return super().claim(claimant)

    def start_body(
        self, operation: Attempting[Any], body: Coroutine[Any, Any, None]
    ) -> asyncio.Task[None]:
        """Start a step's body with its planned faults."""
        run = BodyRun(
            operation.operation_id,
            operation.name,
            operation.attempt_number,
            at_most_once=operation.at_most_once,
            invocation=self._faults.invocations,
        )
        cut_at = self._faults.body_begins(run)
        chance, awaits = self._faults.chance, self._faults.awaits
        if cut_at is not None or (chance is None and awaits is not None):
            body = _CountedBody(body, self._faults, run, cut_at)
        elif chance is not None:
            body = self._delayed(body)
        return super().start_body(operation, body)

    async def _delayed(self, body: Coroutine[Any, Any, None]) -> None:
        try:
            await dawdle(self._faults, self._clock)
        except BaseException:
            body.close()
            raise
        await body


class _CountedBody(Coroutine[Any, Any, None]):
    """A body whose awaits are counted, and which crashes the process at one of them."""

    def __init__(
        self, body: Coroutine[Any, Any, None], faults: Faults, run: BodyRun, cut_at: int | None
    ) -> None:
        self._body = body
        self._faults = faults
        self._run = run
        self._cut_at = cut_at
        self._awaits = 0

    def send(self, value: Any) -> Any:
        """Run to the next await."""
        return self._resume(self._body.send, value)

    def throw(self, *exception: Any) -> Any:
        """Run to the next await, from an exception."""
        return self._resume(self._body.throw, *exception)

    def close(self) -> None:
        """Close the body."""
        self._body.close()

    def __await__(self) -> Generator[Any, Any, None]:
        """Delegate to the body, as ``yield from`` would, but through ``send`` and ``throw`` above."""
        try:
            blocked_on = self.send(None)
            while True:
                try:
                    value = yield blocked_on
                except GeneratorExit:
                    self.close()
                    raise
                except BaseException as error:
                    blocked_on = self.throw(error)
                else:
                    blocked_on = self.send(value)
        except StopIteration:
            return

    def _resume(self, step: Callable[..., Any], *args: Any) -> Any:
        try:
            blocked_on = step(*args)
        except StopIteration:
            if self._cut_at == 1:  # the body awaits nothing
                raise self._faults.die() from None
            if self._cut_at is not None:
                self._faults.cut_missed(self._run, self._cut_at)
            raise
        self._awaits += 1
        self._faults.body_awaits(self._run, self._awaits)
        if self._awaits == self._cut_at:
            end = self._faults.die()
            self._body.close()
            raise end
        return blocked_on

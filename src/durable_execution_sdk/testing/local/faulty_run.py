"""The wrappers that inject faults: around the data plane, invocations and step bodies."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import suppress
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any, cast

from durable_execution_sdk.emulator.clock import Clock
from durable_execution_sdk.emulator.faults.injection import delay_at_random
from durable_execution_sdk.emulator.faults.plan import BodyRun
from durable_execution_sdk.ports import DataPlane
from durable_execution_sdk.protocol.operations import Operation
from durable_execution_sdk.runtime.bodies import Attempting
from durable_execution_sdk.runtime.completions.completion import Completion
from durable_execution_sdk.runtime.event_loop.environment import Environment
from durable_execution_sdk.runtime.settings import Invoked
from durable_execution_sdk.runtime.tasks.kept_for_good import keep_for_good
from durable_execution_sdk.testing.faults import Faults
from durable_execution_sdk.testing.local.slow_bodies import CountedBodies, FlowingRun

__all__ = ["FaultyRun"]


class FaultyRun(FlowingRun):
    """The state of an invocation whose step bodies are counted, interrupted and delayed."""

    def __init__(
        self,
        faults: Faults,
        clock: Clock,
        is_mine: Callable[[str], bool],
        function_left: Callable[[], float | None],
        environment: Environment,
        plane: DataPlane,
        invoked: Invoked,
        *args: Any,
    ) -> None:
        self._faults = faults if is_mine(invoked.arn) else Faults()
        self._clock = clock
        if self._faults.most_updates is not None:
            self.most_updates = self._faults.most_updates
        super().__init__(clock, function_left, environment, plane, invoked, *args)
        if self._faults.arguments is not None:
            self._faults.arguments.begin()

    def make_bodies(self, loop: asyncio.AbstractEventLoop) -> CountedBodies:
        """Make the object that injects the planned faults into bodies."""
        return _FaultyBodies(loop, self._faults, self._clock)

    def claim(self, claimant: Completion[Any]) -> Operation | None:
        """Record the operation's arguments, if arguments are compared."""
        if self._faults.arguments is not None:
            self._faults.arguments.take(claimant)
        return super().claim(claimant)


class _FaultyBodies(CountedBodies):
    """Bodies that are interrupted and delayed as planned."""

    def __init__(self, loop: asyncio.AbstractEventLoop, faults: Faults, clock: Clock) -> None:
        super().__init__(loop)
        self._faults = faults
        self._clock = clock

    def start(
        self, operation: Attempting[Any], body: Coroutine[object, object, None]
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
        return super().start(operation, body)

    async def _delayed(self, body: Coroutine[object, object, None]) -> None:
        try:
            await delay_at_random(self._faults, self._clock)
        except BaseException:
            body.close()
            raise
        await body


class _CountedBody(Coroutine[object, object, None]):
    """A body whose awaits are counted, and which crashes the process at one of them."""

    def __init__(
        self,
        body: Coroutine[object, object, None],
        faults: Faults,
        run: BodyRun,
        cut_at: int | None,
    ) -> None:
        self._body = body
        self._faults = faults
        self._run = run
        self._cut_at = cut_at
        self._awaits = 0

    def send(self, value: object) -> object:
        """Run to the next await."""
        return self._resume(self._body.send, value)

    def throw(self, *exception: object) -> object:
        """Run to the next await, from an exception."""
        return self._resume(self._body.throw, *exception)

    def close(self) -> None:
        """Close the body."""
        self._body.close()

    def __await__(self) -> Generator[object, object, None]:
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

    def _resume(self, step: Callable[..., object], *args: object) -> object:
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
            _let_die(self._body)
            if isinstance(blocked_on, asyncio.Future):
                cast("asyncio.Future[object]", blocked_on).add_done_callback(_retrieve_error)
            raise end
        return blocked_on


def _let_die(body: Coroutine[object, object, None]) -> None:
    """Close a body, so that it holds no lock, and keep what it leaves open.

    A coroutine that waits for an async generator does not close it, and to be destroyed would run the generator's clean-up
    outside of any loop, where it fails, and is told as a warning of no test in particular.
    """
    chain = list(_waiting(body))
    with suppress(RuntimeError):  # it awaits something in its clean-up
        body.close()
    for each in chain:
        if getattr(each, "cr_suspended", True):  # also an async generator, which does not tell
            keep_for_good(each)


def _waiting(code: object) -> Iterator[object]:
    """Yield a coroutine and all that it waits for, down to the innermost."""
    seen: set[int] = set()
    inner: Any = code
    while inner is not None and id(inner) not in seen:
        seen.add(id(inner))
        if _may_be_suspended(inner):
            yield inner
        awaited = [getattr(inner, name, None) for name in ("cr_await", "ag_await", "gi_yieldfrom")]
        # Iterators over coroutines and async generators have no such attribute.
        awaited += filter(_may_be_suspended, gc.get_referents(inner))
        inner = next((each for each in awaited if each is not None and id(each) not in seen), None)


def _may_be_suspended(code: object) -> bool:
    return isinstance(code, (CoroutineType, AsyncGeneratorType, GeneratorType))


def _retrieve_error(future: asyncio.Future[object]) -> None:
    """Mark the error of a future that no body awaits any more as retrieved, so that asyncio does not log it."""
    if not future.cancelled():
        future.exception()

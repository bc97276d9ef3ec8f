"""Drive an emulator: call the functions that are due, and wait for the next deadline.

Functions run in the driving thread. Several threads or processes may drive one store: a lease for each
invocation keeps two from running the same one. An open invocation whose lease is free lost its process.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from enum import Enum, StrEnum, auto
from functools import partial
from typing import TypeVar

import msgspec

from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.function_caller import FunctionCaller, Wrappers
from durable_execution_sdk.emulator.functions.invokers import Answer, Call, exit_error
from durable_execution_sdk.emulator.functions.registry import LATEST, Function, Resolved
from durable_execution_sdk.emulator.steering.execution_times import move_time
from durable_execution_sdk.engine.commands import (
    FinishChainedInvoke,
    FinishInvocation,
    StartInvocation,
)
from durable_execution_sdk.engine.effects import CallFunction
from durable_execution_sdk.engine.state import is_pending
from durable_execution_sdk.engine.views.handler_view import invocation_event
from durable_execution_sdk.protocol import codec
from durable_execution_sdk.protocol.control_plane import InvokeRequest
from durable_execution_sdk.protocol.error_codes import INVALID_PARAMETER
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.ids import ExecutionArn
from durable_execution_sdk.protocol.operations import OperationStatus

_T = TypeVar("_T")


class _Turn(Enum):
    DONE = auto()
    ELSEWHERE = auto()
    NOTHING = auto()


class Ending(StrEnum):
    """Reasons why ``run_until`` returned."""

    DONE = "done"
    IDLE = "idle"
    LATE = "late"
    STOPPED = "stopped"


class Driver:
    """Calls the functions of an emulator when they are due. Thread-safe."""

    def __init__(self, emulator: Emulator, *, wrappers: Wrappers | None = None) -> None:
        self.emulator = emulator
        self._coordinator = emulator.coordinator
        self._functions = emulator.functions
        self._schedule = emulator.coordinator.schedule
        self._clock = emulator.clock
        self.caller = FunctionCaller(emulator, wrappers or Wrappers())
        self._later: deque[tuple[Function, Call]] = deque()
        self._unlisted = 0

    def run_until_closed(
        self,
        arn: str,
        *,
        until: int | None = None,
        patient: bool = False,
        stop: threading.Event | None = None,
    ) -> Ending:
        """Drive an execution and those that it invokes until it has ended; see ``run_until``."""
        return self.run_until(
            lambda: self.emulator.is_closed(arn),
            family=arn,
            until=until,
            patient=patient,
            stop=stop,
        )

    def run_until(
        self,
        done: Callable[[], bool],
        *,
        family: str | None = None,
        until: int | None = None,
        patient: bool = False,
        wait: bool = True,
        stop: threading.Event | None = None,
    ) -> Ending:
        """Do all due work and wait for deadlines until ``done()`` is true.

        Args:
            done: Checked between two pieces of work.
            family: Drive only this execution and those that it invoked.
            until: Return ``LATE`` at this time of the emulator's clock.
            patient: Wait also when only an external event can change anything; otherwise return
                ``IDLE`` then.
            wait: With ``False``, do the work that is due now and return ``IDLE``.
            stop: Return ``STOPPED`` soon after this event is set.
        """
        with self._coordinator.sleeper() as woken:
            while True:
                woken.clear()
                self._coordinator.refresh()
                if done():
                    return Ending.DONE
                if stop is not None and stop.is_set():
                    return Ending.STOPPED
                if until is not None and self._clock.now() >= until:
                    return Ending.LATE
                if move_time(self._coordinator, family):
                    continue
                turn = self._take_turn(family)
                if turn is _Turn.DONE:
                    continue
                busy = turn is _Turn.ELSEWHERE or self._unlisted > 0
                with self._coordinator.holding():
                    deadline = self._schedule.next_deadline(family)
                if not wait or (deadline is None and not busy and not patient):
                    return Ending.IDLE
                waited_from = self._clock.now()
                self._clock.wait(_earlier(deadline, until), woken, busy=busy)
                if busy and not woken.is_set() and self._clock.now() == waited_from:
                    # A virtual clock stands still while a function runs. That function may wait for one
                    # that is held back, whose start delay would then never pass.
                    self._schedule.dispatch()

    def call(self, target: Resolved, payload: bytes, request: InvokeRequest) -> Answer:
        """Call a function once in this thread; a response after its timeout becomes an error."""
        with self._at_work():
            return self.caller.answer(*self.caller.prepared(target, payload, request))

    def call_later(self, target: Resolved, payload: bytes, request: InvokeRequest) -> None:
        """Queue a call for the next run of the driver; its response is discarded."""
        self._later.append(self.caller.prepared(target, payload, request))
        self._coordinator.wake()

    @contextmanager
    def _at_work(self) -> Generator[None]:
        """Keep other threads from skipping time while a function runs that is not on the schedule."""
        with self._coordinator.holding():
            self._unlisted += 1
        self._coordinator.wake()
        try:
            yield
        finally:
            with self._coordinator.holding():
                self._unlisted -= 1
            self._coordinator.wake()

    def _take_turn(self, family: str | None) -> _Turn:
        """Do one piece of due work that no other worker holds."""
        with self._coordinator.holding():
            is_dispatching = self._schedule.is_dispatching(family, self._clock.now())
        turn = _Turn.ELSEWHERE if is_dispatching else _Turn.NOTHING
        for key, work in self._work(family):
            if self._under_lease(key, work):
                return _Turn.DONE
            turn = _Turn.ELSEWHERE
        if family is None and self._later:
            with suppress(IndexError), self._at_work():
                self.caller.answer(*self._later.popleft())
            return _Turn.DONE
        return turn

    def _work(self, family: str | None) -> Iterator[tuple[str, Callable[[], None]]]:
        """Yield (lease key, action) of the due work, reading the schedule in portions under the lock."""
        now = self._clock.now()
        for arns in self._portions(self._schedule.ready(family, now)):
            for arn in arns:
                owner = ExecutionArn.parse(arn)
                function = self._functions.get(owner.function_name, owner.version)
                if function is not None and function.durable:
                    yield arn, partial(self._invoke, arn, function)
        for calls in self._portions(self._schedule.calls(family, now)):
            for call in calls:
                name, version = self._functions.parse(call.function_arn)
                function = self._functions.get(name, version or LATEST)
                if function is not None:
                    key = f"{call.parent_arn}#{call.operation_id}"
                    yield key, partial(self._call_plain, call, function, version or LATEST)
        with self._coordinator.holding():
            running = self._schedule.running(family)
        for arn in running:
            yield arn, partial(self._fail_lost_invocation, arn)

    def _portions(self, source: Iterator[list[_T]]) -> Iterator[list[_T]]:
        while True:
            with self._coordinator.holding():
                portion = next(source, None)
            if portion is None:
                return
            yield portion

    def _under_lease(self, key: str, work: Callable[[], None]) -> bool:
        release = self.emulator.store.leases.acquire(key)
        if release is None:
            return False
        try:
            work()
        finally:
            release()
            self._coordinator.wake()
        return True

    def _fail_lost_invocation(self, arn: str) -> None:
        """Record the failure of an invocation whose worker is gone."""
        with self._coordinator.holding():
            state = self._coordinator.find(arn)
            if state is None or state.invocation is None:
                self._schedule.note_or_forget(arn, state)
                return
            request_id = state.invocation.request_id
            self._finish(arn, FinishInvocation(request_id=request_id, error=exit_error(request_id)))

    def _invoke(self, arn: str, function: Function) -> None:
        request_id = self.emulator.ids()
        with self._coordinator.holding():
            state = self._coordinator.find(arn)
            if state is None or not state.wants_invocation:
                # Another worker, in this process or another, invoked it first.
                self._schedule.note_or_forget(arn, state)
                return
            if not self.emulator.holds.admits(state, code := function.code):
                return
            start = StartInvocation(request_id=request_id, secret=self.emulator.secret, code=code)
            if (state := self._coordinator.attempt(arn, start)) is None:
                return
            clock = self._clock.now()
            invocation = invocation_event(
                state, self.emulator.limits, state.time.now(clock) - clock
            )
            version = ExecutionArn.parse(arn).version
            tenant_id, header = state.tenant_id, state.trace_id
        payload = codec.encode_invocation_event(invocation)
        call = self.caller.prepare(function, version, payload, tenant_id, request_id, header)
        self._finish(arn, _finished(request_id, self.caller.answer(function, call)))

    def _finish(self, arn: str, command: FinishInvocation) -> None:
        # The execution may have been stopped, or even deleted, while its handler ran.
        self._coordinator.attempt(arn, command)

    def _call_plain(self, effect: CallFunction, function: Function, version: str) -> None:
        arn, operation_id = effect.parent_arn, effect.operation_id
        with self._coordinator.holding():
            state = self._coordinator.find(arn)
            operation = None if state is None else state.operations.get(operation_id)
            if operation is None or not is_pending(operation):
                self._schedule.drop_call((arn, operation_id))
                return
        call = self.caller.prepare(
            function,
            version,
            effect.input.encode(),
            effect.tenant_id,
            trace_header=effect.trace_id,
        )
        answer = self.caller.answer(function, call)
        if answer.is_interrupted:
            return
        command = FinishChainedInvoke(
            operation_id=operation_id,
            status=OperationStatus.FAILED if answer.error else OperationStatus.SUCCEEDED,
            result=None if answer.error else answer.payload.decode(),
            error=answer.error,
        )
        with self._coordinator.holding():
            self._schedule.drop_call((arn, operation_id))
            self._coordinator.attempt(arn, command)


def _finished(request_id: str, answer: Answer) -> FinishInvocation:
    if answer.is_interrupted:
        return FinishInvocation(request_id=request_id, interrupted=True)
    if answer.error is not None:
        return FinishInvocation(request_id=request_id, error=answer.error)
    try:
        outcome = codec.decode_outcome(msgspec.json.decode(answer.payload))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        return FinishInvocation(
            request_id=request_id,
            error=ErrorObject(
                error_type=INVALID_PARAMETER,
                error_message=f"Invalid invocation output: {error}",
            ),
            fatal=True,
        )
    return FinishInvocation(request_id=request_id, outcome=outcome)


def _earlier(first: int | None, second: int | None) -> int | None:
    return min((at for at in (first, second) if at is not None), default=None)

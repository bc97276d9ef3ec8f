"""The embedded engine of a local test runner, with its clock and functions. All methods block the calling thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Generic, TypeVar

from durable_execution_sdk.client.callbacks import Failure, as_error_object
from durable_execution_sdk.emulator.clock import RealClock, VirtualClock
from durable_execution_sdk.emulator.driver import Driver
from durable_execution_sdk.emulator.durations import seconds_allowed
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.faults.injection import FaultyPlane, faulty_invoker
from durable_execution_sdk.emulator.function_caller import Wrappers
from durable_execution_sdk.emulator.functions.registry import LATEST
from durable_execution_sdk.emulator.stores.memory import MemoryStore
from durable_execution_sdk.engine.views.history import history
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.ports import DataPlane
from durable_execution_sdk.protocol.continuation import continuation_of
from durable_execution_sdk.protocol.control_plane import InvocationType, InvokeRequest
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.rendering.family import family, family_later
from durable_execution_sdk.rendering.wording import brief
from durable_execution_sdk.runtime.event_loop.threads import left_running
from durable_execution_sdk.serdes import JsonSerDes, ValueContext
from durable_execution_sdk.testing.errors import (
    DurableTestError,
    NoSuchOperationError,
    RunTimeoutError,
    StuckError,
    UnusedFaultError,
    is_told,
)
from durable_execution_sdk.testing.faults import Faults
from durable_execution_sdk.testing.local.drive import HOPELESS_FAILURES, Drives, Halt
from durable_execution_sdk.testing.local.faulty_run import FaultyRun
from durable_execution_sdk.testing.local.handler_calls import Calls
from durable_execution_sdk.testing.local.logs import LogCatcher
from durable_execution_sdk.testing.local.options import RunnerOptions
from durable_execution_sdk.testing.local.paging import with_options
from durable_execution_sdk.testing.local.registry import CountedIds, functions_of
from durable_execution_sdk.testing.pending_callbacks import Awaiting, callbacks_of
from durable_execution_sdk.testing.results.printing import what_it_waits_for
from durable_execution_sdk.testing.results.result import DurableTestResult
from durable_execution_sdk.testing.worker import Watch, blocked

__all__ = ["NO_EVENT", "LocalService", "invocation_type"]

__tracebackhide__ = is_told

NO_EVENT: object = object()
"""The default event: the function gets ``{}``, as from the Lambda console."""

_T = TypeVar("_T")
_R_co = TypeVar("_R_co", covariant=True)

_END_OF_TIME = datetime.max.replace(tzinfo=UTC).timestamp() * 1000


class LocalService(Generic[_R_co]):
    """An emulator in memory, and the execution that was started last."""

    def __init__(self, options: RunnerOptions) -> None:
        self.options = options
        self.clock = VirtualClock(options.started_at) if options.skip_time else RealClock()
        self.faults = Faults()
        calls = self._calls = Calls(options.environment, options.overrides)
        make = partial(FaultyRun, self.faults, self.clock, self._is_current, calls.function_left)
        functions = functions_of(options, options.handler.made_by(make), self._calls, self.clock)
        store, limits, ids = MemoryStore(), options.limits, CountedIds()
        self.emulator = Emulator(store, self.clock, functions, limits=limits, ids=ids, secret="")
        self.arn: str | None = None
        self.arns: dict[str, None] = {}
        self._logs = LogCatcher(options.log_level, options.handler.settings.logger)
        self.driver = Driver(
            self.emulator,
            wrappers=Wrappers(
                data_plane=lambda plane: options.wrappers.data_plane(self._faulty(plane)),
                invoker=lambda invoker: options.wrappers.invoker(
                    faulty_invoker(self._calls.bounded(invoker), self.faults, options.function_name)
                ),
            ),
        )
        patient = not options.skip_time
        self.drive = Drives(self.driver, self.clock, calls, self._logs, patient=patient)

    def alone(
        self, work: Callable[[Watch], _T], timeout: float | None
    ) -> tuple[Callable[[Watch], _T], float]:
        """Claim the runner for a piece of work; return the work and its time limit in real seconds."""
        seconds = self.options.timeout if timeout is None else seconds_allowed(timeout)
        return self.drive.alone(work), seconds

    def start(self, event: object, name: str | None, invocation_type: InvocationType) -> str:
        """Start an execution, or find the one with this name; return its ARN."""
        with self.drive.claimed():
            return self._start(event, name, invocation_type)

    def run(
        self, event: object, name: str | None, kind: InvocationType, watch: Watch, *, follow: bool
    ) -> DurableTestResult[_R_co]:
        """Start an execution, and run it until it has ended."""
        self._start(event, name, kind)
        return self.complete(watch, follow=follow)

    def _start(self, event: object, name: str | None, invocation_type: InvocationType) -> str:
        request = InvokeRequest(
            function_name=f"{self.options.function_name}:{LATEST}",
            payload=b"" if event is NO_EVENT else self._payload_of(event),
            invocation_type=invocation_type,
            durable_execution_name=name or f"test-{len(self.arns) + 1}",
        )
        return self.started(self.emulator.start(request))

    def started(self, arn: str) -> str:
        """Take an execution for the one that was started last; return its ARN."""
        if arn != self.arn:
            self.faults.execution_begins()
        self.arn = arn
        self.arns.setdefault(arn)
        return arn

    def complete(self, watch: Watch, *, follow: bool = True) -> DurableTestResult[_R_co]:
        """Run the execution until it has ended; with ``follow`` also those as which it goes on."""
        otherwise = "nothing will ever end this execution"
        self.run_until(watch, self._is_closed, otherwise)
        while follow and self.has_moved_on():
            self.run_until(watch, self._is_closed, otherwise)
        if self.faults.left:
            raise UnusedFaultError(
                f"the execution ended without these faults: {', '.join(self.faults.left)}. It had"
                f" {self.faults.checkpoints} checkpoints in {self.faults.invocations} invocations:\n"
                f"{self.result()}"
            )
        return self.result()

    def _is_closed(self) -> bool:
        return self.emulator.is_closed(self.current)

    def has_moved_on(self) -> bool:
        """Take the next execution for the current one, if that went on as a new one; faults are counted on.

        Checks that compare arguments look at one execution.
        """
        if self.faults.arguments is not None:
            return False
        described = self.emulator.describe(self.current)
        continuation = continuation_of(described.durable_execution_arn, described.result)
        if continuation is None or continuation.arn is None:
            return False
        self.arn = continuation.arn
        self.arns.setdefault(continuation.arn)
        return True

    def run_until_suspended(self, watch: Watch) -> DurableTestResult[_R_co]:
        """Run what is due now; no time passes, except until an invocation that a fault crashed is repeated."""
        self._run_due(watch, repeats=True)
        return self.result()

    def wait_for_callback(self, name: str | None, watch: Watch) -> Awaiting:
        """Run the execution until a callback waits for an answer."""
        label = "a callback" if name is None else f"the callback {name!r}"

        def is_over() -> bool:
            return bool(self._answerable(name)) or self._is_closed()

        self.run_until(watch, is_over, f"the execution waits, but not for {label}")
        while not self._answerable(name) and self.has_moved_on():
            self.run_until(watch, is_over, f"the execution waits, but not for {label}")
        for callback in self._answerable(name):
            return callback
        raise NoSuchOperationError(
            f"the execution ended before {label} waited for an answer:\n{self.result()}"
        )

    def callbacks(self, name: str | None) -> list[Awaiting]:
        """Return the callbacks that wait for an answer now."""
        return list(callbacks_of(family(self.emulator, self.current), name))

    def _answerable(self, name: str | None) -> list[Awaiting]:
        """Return the callbacks whose submitter has succeeded; others may still be submitted again."""
        executions = family(self.emulator, self.current)
        return list(callbacks_of(executions, name, after_submitter=True))

    def advance(self, by: timedelta, watch: Watch) -> DurableTestResult[_R_co]:
        """Advance the clock by this duration, and run everything that is due meanwhile, at its time."""
        # Run what is due now first, so that the timeouts of new callbacks start before time passes.
        self._run_due(watch)
        until = self.clock.now() + by // timedelta(milliseconds=1)
        if until >= _END_OF_TIME:
            raise ConfigError(
                f"advance by {by} would lead beyond the year 9999, where times cannot be written"
            )
        while self.clock.now() < until and not self._is_closed():
            deadline = self.emulator.coordinator.schedule.next_deadline(self.current)
            self.clock.jump_to(until if deadline is None else min(deadline, until))
            self._run_due(watch)
        self.clock.jump_to(until)
        return self.result()

    def stop(self, error: Failure) -> DurableTestResult[_R_co]:
        """Stop the execution; its status becomes STOPPED."""
        self.emulator.stop(self.current, as_error_object(error))
        return self.result()

    def result(self, arn: str | None = None) -> DurableTestResult[_R_co]:
        """Return the current state of an execution, by default of the one started last."""
        arn = arn or self.current
        recording = self.emulator.recording(arn)
        return DurableTestResult(
            self.emulator.describe(arn),
            family_later(self.emulator, arn),
            lambda: history(recording()),
            now=self.clock.now(),
            serdes=self.options.handler.result_serdes,
            logs=self._logs.of(arn),
        )

    def _run_due(self, watch: Watch, *, repeats: bool = False) -> None:
        """Run what is due now, also of following executions; with ``repeats`` what a fault crashed too, when it is due."""
        while True:
            halt = self.drive(self.current, watch, self._is_closed, wait=False)
            if halt is not Halt.IDLE:
                self._check(halt, watch, "")
            if repeats and self.faults.has_crashed and self.drive.will_repeat(self.current):
                self.run_until(watch, lambda: not self.drive.will_repeat(self.current), "")
            elif not self.has_moved_on():
                return

    def run_until(self, watch: Watch, done: Callable[[], bool], otherwise: str) -> None:
        """Run until ``done()`` holds; otherwise raise an error that gives the reason."""
        self._check(self.drive(self.current, watch, done), watch, otherwise)

    def _check(self, halt: Halt, watch: Watch, otherwise: str) -> None:
        match halt:
            case Halt.DONE:
                return
            case Halt.IDLE:
                raise self._stuck_error(otherwise)
            case Halt.HOPELESS:
                raise self._hopeless_error()
            case Halt.LATE:
                raise self._late_error(watch)

    def _late_error(self, watch: Watch) -> RunTimeoutError:
        if left_running(self.current):
            return blocked(watch, threading.current_thread())
        result = self.result()
        failed = [
            invocation.error for invocation in result.invocations if invocation.error is not None
        ]
        lines = [
            f"the test allows {watch.seconds:g} s, and the execution goes on after that:",
            str(result),
            *(f"the last invocation failed: {brief(error)}" for error in failed[-1:]),
        ]
        return RunTimeoutError("\n".join(lines))

    def _stuck_error(self, problem: str) -> StuckError:
        waits = what_it_waits_for(family(self.emulator, self.current), self.clock.now())
        return StuckError(
            f"{problem}; it waits, and nothing else will happen:\n{waits}\n{self.result()}"
        )

    @property
    def current(self) -> str:
        """The ARN of the execution that was started last, or that it went on as."""
        if self.arn is None:
            raise DurableTestError("nothing was started: call start(event) or run(event) first")
        return self.arn

    def _hopeless_error(self) -> StuckError:
        [*_, last] = self.result().invocations
        return StuckError(
            f"the last {HOPELESS_FAILURES} invocations failed one after the other, and the service"
            f" would go on for a year; the error of the last is"
            f" {brief(last.error or ErrorObject())}\n{self.result()}"
        )

    def _payload_of(self, event: object) -> bytes:
        context = ValueContext(operation_id="event", subject="the event of the test")
        serdes = self.options.handler.settings.serdes or JsonSerDes[object]()
        return serdes.serialize(event, context).encode()

    def _is_current(self, arn: str) -> bool:
        return arn == self.arn

    def _faulty(self, plane: DataPlane) -> DataPlane:
        return FaultyPlane(
            with_options(plane, self.options, self.clock), self.faults, self.clock, self._is_current
        )


def invocation_type(*, synchronous: bool) -> InvocationType:
    """Return the invocation type of a synchronous or an asynchronous start."""
    return InvocationType.REQUEST_RESPONSE if synchronous else InvocationType.EVENT

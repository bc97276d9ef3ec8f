"""Drive an execution for a test, for one caller at a time, until a condition holds or nothing is left to do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from enum import Enum, auto
from typing import TypeVar

from durable_execution_sdk.emulator.clock import RealClock, VirtualClock
from durable_execution_sdk.emulator.driver import Driver, Ending
from durable_execution_sdk.protocol.control_plane import ExecutionStatus
from durable_execution_sdk.runtime.event_loop.threads import left_running
from durable_execution_sdk.testing.errors import DurableTestError
from durable_execution_sdk.testing.local.handler_calls import Calls
from durable_execution_sdk.testing.local.logs import LogCatcher
from durable_execution_sdk.testing.worker import Watch

__all__ = ["HOPELESS_FAILURES", "Drives", "Halt"]

_T = TypeVar("_T")

HOPELESS_FAILURES = 100
"""The number of consecutive failed invocations after which a test gives up."""

# The time, in real seconds, that other tasks and threads of the test have to answer a callback before the
# execution counts as stuck.
_MOMENT_SECONDS = 0.1


class Halt(Enum):
    """The reason why driving ended: done, nothing left to do, too many failures, or out of time."""

    DONE = auto()
    IDLE = auto()
    HOPELESS = auto()
    LATE = auto()


class Drives:
    """The driver of one runner's executions; ``patient``: time is real, so answers may come later."""

    def __init__(
        self,
        driver: Driver,
        clock: VirtualClock | RealClock,
        calls: Calls,
        logs: LogCatcher,
        *,
        patient: bool,
    ) -> None:
        self._driver = driver
        self._emulator = driver.emulator
        self._clock = clock
        self._calls = calls
        self._logs = logs
        self._patient = patient
        self._at_work = threading.Lock()
        # The execution of a call that ran out of time: its code may still block a thread.
        self._late: str | None = None

    @property
    def is_at_work(self) -> bool:
        """True while a call of the runner is under way."""
        return self._at_work.locked()

    def alone(self, work: Callable[[Watch], _T]) -> Callable[[Watch], _T]:
        """Claim the runner now, and release it when the returned function has ended."""
        self._claim()

        def done_alone(watch: Watch) -> _T:
            try:
                return work(watch)
            finally:
                self._at_work.release()

        return done_alone

    @contextmanager
    def claimed(self) -> Generator[None]:
        """Claim the runner while the context is open."""
        self._claim()
        try:
            yield
        finally:
            self._at_work.release()

    def _claim(self) -> None:
        """Claim the runner. Raises ``DurableTestError`` if another call of it is under way."""
        is_blocked = self._late is not None and bool(left_running(self._late))
        if is_blocked or not self._at_work.acquire(blocking=False):
            raise DurableTestError(
                "this runner is at work already: await that call first, or start(event) and answer"
                " callbacks before complete(); several runners may be at work at once"
            )

    def __call__(
        self, arn: str, watch: Watch, done: Callable[[], bool], *, wait: bool = True
    ) -> Halt:
        """Run what is due until ``done()`` holds; without ``wait`` only what is due now."""
        self._calls.watch = watch
        try:
            with self._logs.catching():
                ending = self._run(arn, watch, done, wait=wait)
        finally:
            self._calls.watch = None
        self._calls.raise_verdict()
        if done():
            return Halt.DONE
        if ending is Ending.IDLE:
            return Halt.IDLE
        if self._is_hopeless(arn):
            return Halt.HOPELESS
        self._late = arn
        return Halt.LATE

    def _run(self, arn: str, watch: Watch, done: Callable[[], bool], *, wait: bool) -> Ending:
        """Run what is due; when nothing is left, give other tasks of the test a moment to answer."""

        def is_over() -> bool:
            judged = self._calls.verdict is not None
            return judged or watch.left <= 0 or self._is_hopeless(arn) or done()

        with self._emulator.coordinator.sleeper() as woken:
            while True:
                woken.clear()
                ending = self._driver.run_until(
                    is_over,
                    family=arn,
                    wait=wait,
                    patient=wait and self._patient,
                    stop=watch.stop,
                )
                if ending is not Ending.IDLE or not wait:
                    return ending
                if not woken.is_set() and not woken.wait(min(_MOMENT_SECONDS, watch.left)):
                    return ending

    def will_repeat(self, arn: str) -> bool:
        """Tell if the last invocation has failed, and is repeated later."""
        state = self._emulator.coordinator.recorded(arn)
        return state.retry_at is not None and state.status == ExecutionStatus.RUNNING

    def _is_hopeless(self, arn: str) -> bool:
        return self._emulator.coordinator.recorded(arn).failures >= HOPELESS_FAILURES

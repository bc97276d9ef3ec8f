"""Drives an execution for a test: for one caller at a time, and never longer than makes sense."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from enum import Enum, auto
from typing import TypeVar

from durable_execution_sdk.emulator.clock import RealClock, VirtualClock
from durable_execution_sdk.emulator.driver import Driver, Ending
from durable_execution_sdk.runtime.threads import are_left_running
from durable_execution_sdk.testing.calls import Calls
from durable_execution_sdk.testing.errors import DurableTestError
from durable_execution_sdk.testing.logs import LogCatcher
from durable_execution_sdk.testing.worker import Watch

__all__ = ["HOPELESS_FAILURES", "Drives", "Halt"]

_T = TypeVar("_T")

HOPELESS_FAILURES = 100
"""After so many failed invocations in a row a test has seen enough."""

# How long to wait, in real seconds, for somebody else in the test to answer what is waited for.
_MOMENT_SECONDS = 0.1


class Halt(Enum):
    """Why driving came to an end: it was done, or nobody would do anything any more, or too late."""

    DONE = auto()
    IDLE = auto()
    HOPELESS = auto()
    LATE = auto()


class Drives:
    """Drives the executions of one runner; ``patient`` where time is real and somebody may come."""

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
        # The execution that a call was too late for, if code of it may block a thread for good.
        self._late: str | None = None

    def alone(self, work: Callable[[Watch], _T]) -> Callable[[Watch], _T]:
        """Have the runner for one call of it, from now until this work has ended."""
        self._claim()

        def done_alone(watch: Watch) -> _T:
            try:
                return work(watch)
            finally:
                self._at_work.release()

        return done_alone

    @contextmanager
    def claimed(self) -> Generator[None]:
        """Have the runner for a moment."""
        self._claim()
        try:
            yield
        finally:
            self._at_work.release()

    def _claim(self) -> None:
        """Take the runner, which does one thing at a time, or say that it has something to do."""
        is_blocked = self._late is not None and are_left_running(self._late)
        if is_blocked or not self._at_work.acquire(blocking=False):
            raise DurableTestError(
                "this runner is at work already: await that call first, or start(event) and answer"
                " callbacks before complete(); several runners may be at work at once"
            )

    def __call__(
        self, arn: str, watch: Watch, done: Callable[[], bool], *, wait: bool = True
    ) -> Halt:
        """Call what is due until ``done``; without ``wait`` do only what is due now."""
        self._calls.watch = watch
        try:
            with self._logs.catching():
                ending = self._go_on(arn, watch, done, wait=wait)
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

    def _go_on(self, arn: str, watch: Watch, done: Callable[[], bool], *, wait: bool) -> Ending:
        """Before nothing can happen any more, other tasks and threads of the test have a moment."""

        def is_over() -> bool:
            judged = self._calls.verdict is not None
            return judged or watch.left <= 0 or self._is_hopeless(arn) or done()

        with self._emulator.conductor.sleeper() as woken:
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

    def _is_hopeless(self, arn: str) -> bool:
        return self._emulator.conductor.recorded(arn).failures >= HOPELESS_FAILURES

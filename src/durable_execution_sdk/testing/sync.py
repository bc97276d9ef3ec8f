"""The local runner for tests that are plain functions."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any, Generic, TypeVar

from durable_execution_sdk.testing.callbacks import Failure, SyncPendingCallback
from durable_execution_sdk.testing.errors import is_told
from durable_execution_sdk.testing.lengths import lapse
from durable_execution_sdk.testing.operations import at
from durable_execution_sdk.testing.result import DurableTestResult
from durable_execution_sdk.testing.stage import NO_EVENT, Stage, invocation_type
from durable_execution_sdk.testing.worker import in_thread

__all__ = ["SyncTestRunner"]

__tracebackhide__ = is_told

_R = TypeVar("_R")


class SyncTestRunner(Generic[_R]):
    """What a ``LocalDurableTestRunner`` does, without ``await``: ``runner.sync.run(event)``."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def run(
        self,
        event: Any = NO_EVENT,
        *,
        name: str | None = None,
        synchronous: bool = False,
        timeout: float | None = None,
    ) -> DurableTestResult[_R]:
        """Run the workflow to its end."""
        run = partial(self._stage.run, event, name, invocation_type(synchronous=synchronous))
        return in_thread(*self._stage.alone(run, timeout))

    def start(
        self, event: Any = NO_EVENT, *, name: str | None = None, synchronous: bool = False
    ) -> str:
        """Start an execution without running anything of it yet; returns its ARN."""
        return self._stage.start(event, name, invocation_type(synchronous=synchronous))

    def complete(self, *, timeout: float | None = None) -> DurableTestResult[_R]:
        """Go on until the execution has ended."""
        return in_thread(*self._stage.alone(self._stage.complete, timeout))

    def run_until_suspended(self, *, timeout: float | None = None) -> DurableTestResult[_R]:
        """Go on until nothing is due now; no time passes."""
        return in_thread(*self._stage.alone(self._stage.run_until_suspended, timeout))

    def wait_for_callback(
        self, name: str | None = None, *, timeout: float | None = None
    ) -> SyncPendingCallback:
        """Go on until a callback waits for an answer, and give it."""
        wait = partial(self._stage.wait_for_callback, name)
        found = in_thread(*self._stage.alone(wait, timeout))
        return SyncPendingCallback(self._stage.emulator, *found)

    def callbacks(self, name: str | None = None) -> list[SyncPendingCallback]:
        """The callbacks that wait for an answer now, in the order in which they began."""
        return [
            SyncPendingCallback(self._stage.emulator, *each) for each in self._stage.callbacks(name)
        ]

    def callback(self, callback_id: str) -> SyncPendingCallback:
        """The callback with this id, as somebody outside knows it."""
        return SyncPendingCallback(self._stage.emulator, callback_id, None)

    def advance(
        self,
        *,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
        timeout: float | None = None,
    ) -> DurableTestResult[_R]:
        """Let time pass, and do whatever falls due meanwhile, at its time."""
        by = lapse(days=days, hours=hours, minutes=minutes, seconds=seconds)
        return in_thread(*self._stage.alone(partial(self._stage.advance, by), timeout))

    def stop(self, error: Failure = None) -> DurableTestResult[_R]:
        """End the execution as STOPPED, from outside."""
        return self._stage.stop(error)

    def result(self) -> DurableTestResult[_R]:
        """What there is of the execution as of now."""
        return self._stage.result()

    def results(self) -> list[DurableTestResult[_R]]:
        """What there is of each execution that was started here, in their order."""
        return [self._stage.result(arn) for arn in self._stage.arns]

    @property
    def now(self) -> datetime:
        """What time it is on the runner's clock."""
        return at(self._stage.clock.now())

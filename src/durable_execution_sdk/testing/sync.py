"""The local runner for tests that are plain functions."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from durable_execution_sdk.testing.result import DurableTestResult
from durable_execution_sdk.testing.stage import NO_EVENT, Stage
from durable_execution_sdk.testing.worker import in_thread

__all__ = ["SyncTestRunner"]

_R = TypeVar("_R")


class SyncTestRunner(Generic[_R]):
    """What a ``LocalDurableTestRunner`` does, without ``await``: ``runner.sync.run(event)``."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def run(
        self, event: Any = NO_EVENT, *, name: str | None = None, timeout: float | None = None
    ) -> DurableTestResult[_R]:
        """Run the workflow to its end."""
        self.start(event, name=name)
        return self.complete(timeout=timeout)

    def start(self, event: Any = NO_EVENT, *, name: str | None = None) -> str:
        """Start an execution without running anything of it yet; returns its ARN."""
        return self._stage.start(event, name)

    def complete(self, *, timeout: float | None = None) -> DurableTestResult[_R]:
        """Go on until the execution has ended."""
        return in_thread(self._stage.complete, self._stage.seconds(timeout))

    def run_until_suspended(self, *, timeout: float | None = None) -> DurableTestResult[_R]:
        """Go on until nothing is due now; no time passes."""
        return in_thread(self._stage.run_until_suspended, self._stage.seconds(timeout))

    def result(self) -> DurableTestResult[_R]:
        """What there is of the execution as of now."""
        return self._stage.result()

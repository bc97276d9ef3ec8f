"""The factory of test runners behind the pytest fixture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from durable_execution_sdk.handler import DurableHandler
from durable_execution_sdk.testing.local.runner import LocalDurableTestRunner

__all__ = ["RunnerFactory"]

_R = TypeVar("_R")


class RunnerFactory:
    """The value of the pytest fixture ``durable_runner``: call it with a handler to get a runner."""

    def __init__(
        self,
        options: Mapping[str, Any],
        remember: Callable[[LocalDurableTestRunner[object]], object],
    ) -> None:
        self._options = options
        self._remember = remember

    def __call__(
        self, handler: DurableHandler[Any, _R], **options: Any
    ) -> LocalDurableTestRunner[_R]:
        """Make a runner; the options are those of ``LocalDurableTestRunner``."""
        runner: LocalDurableTestRunner[_R] = LocalDurableTestRunner(
            handler, **{**self._options, **options}
        )
        self._remember(runner)
        return runner

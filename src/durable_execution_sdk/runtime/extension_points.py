"""Types of the extensions of a handler, its plugins and its middleware, as the runtime sees them.

Only annotations use them, so modules import them for type checkers, and no handler loads this module.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Container, Iterable, Sequence
from typing import Any, Protocol

from durable_execution_sdk.execution_limits import ExecutionLimits
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.operations import Operation
from durable_execution_sdk.protocol.updates import OperationUpdate
from durable_execution_sdk.serdes import SerDes

__all__ = ["Chain", "Interceptor", "Observers", "Plugin", "Reporter"]


class Reporter(Protocol):
    """The receiver of one invocation's reports: see ``plugins``."""

    @property
    def wants_calls(self) -> bool:
        """True if checkpoint calls are to be measured."""
        ...

    @property
    def wants_attempts(self) -> bool:
        """True if the runs of the user's functions are to be reported."""
        ...

    def invocation_started(self) -> None:
        """Report the start: no code of the handler has run yet."""
        ...

    def invocation_ended(
        self, status: str, result: str | None = None, error: ErrorObject | None = None
    ) -> None:
        """Report the end: no code of the invocation runs any more."""
        ...

    def claimed(self, operation_id: str) -> None:
        """Report that the workflow has asked for this operation."""
        ...

    def submitted(self, update: OperationUpdate) -> OperationUpdate:
        """Report an update that is about to be recorded; return it, or another one to record instead."""
        ...

    def learned(self, operation: Operation) -> None:
        """Report the new state of an operation in the log."""
        ...

    def attempt_started(
        self, operation: Operation, attempt: int | None, *, is_replaying: bool, is_virtual: bool
    ) -> object:
        """Report that a function of this operation is about to run; return a value for ``attempt_ended``."""
        ...

    def attempt_ended(
        self, started: Any, outcome: str, error: ErrorObject | None, *, is_replay: bool
    ) -> None:
        """Report that the function has returned, has raised or was cut off."""
        ...

    def called(
        self, updates: int, size: int, began_at: float, seconds: float, error: ErrorObject | None
    ) -> None:
        """Report that a checkpoint call has returned or failed."""
        ...


class Observers(Protocol):
    """The plugins of a handler, as the runtime sees them."""

    def reporter(
        self,
        execution: Operation,
        operations: Iterable[Operation],
        updated_ids: Container[str],
        *,
        arn: str,
        request_id: str,
        trace_header: str | None,
        now: Callable[[], float],
        limits: ExecutionLimits | None,
    ) -> Reporter:
        """Make the reporter of one invocation; ``limits`` are those that the handler states."""
        ...


class Plugin(Protocol):
    """An element of ``durable_execution(plugins=...)``: see ``plugins.DurablePlugin``.

    The plugin makes the observers, so that a handler without plugins does not load their module.
    """

    @staticmethod
    def make_observers(plugins: Sequence[object], logger: logging.Logger) -> Observers:
        """Make the observers of a handler with these plugins."""
        ...


class Chain(Protocol):
    """The middleware of a handler, as the runtime sees it."""

    async def handler(
        self, context_state: Any, event: object, run: Callable[..., Awaitable[object]]
    ) -> Any:
        """Run the handler."""
        ...

    async def context(self, context_state: Any, run: Callable[[], Awaitable[Any]]) -> Any:
        """Run the function of a context."""
        ...

    async def step(self, info: Any, run: Callable[[], Awaitable[Any]]) -> Any:
        """Run the body of a step."""
        ...

    def serdes(self, serdes: SerDes[Any], kind: str, sub_type: str | None) -> SerDes[Any]:
        """Wrap the middleware around a serdes."""
        ...


class Interceptor(Protocol):
    """An element of ``durable_execution(middleware=...)``: see ``middleware.Middleware``."""

    @staticmethod
    def make_chain(stack: Sequence[object]) -> Chain:
        """Make the chain of a handler with these interceptors."""
        ...

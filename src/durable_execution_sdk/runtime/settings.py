"""What a handler is configured with, for every operation in it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from enum import StrEnum
from typing import Any, Protocol

from msgspec import Struct, field

from durable_execution_sdk.model.failure import ErrorObject
from durable_execution_sdk.model.operation import Operation
from durable_execution_sdk.model.update import OperationUpdate
from durable_execution_sdk.retry import ExponentialBackoff, RetryStrategy
from durable_execution_sdk.serdes import SerDes, serdes_for_return, serdes_for_type

__all__ = [
    "DEFAULT_MAX_THREADS",
    "Chain",
    "CheckpointingMode",
    "Interceptor",
    "Observers",
    "Plugin",
    "ReplayLogging",
    "Reporter",
    "Settings",
]


# So many plain functions run at once, unless ``durable_execution(max_threads=...)`` says otherwise.
DEFAULT_MAX_THREADS = 128


class CheckpointingMode(StrEnum):
    """When updates are sent, and when a step's result reaches the workflow.

    ``BATCHED`` (the default): updates form the next batch while a call is in flight, and the START of
    a quick step shares the call of its completion. ``EAGER``: every update is sent at once, and
    a step's body runs when its START is acknowledged, so that the history shows where a crash came,
    whatever the body does; a step costs two calls, one after the other. ``OPTIMISTIC``: in a
    workflow that runs one thing at a time, the result of an at-least-once step is handed on before it
    is acknowledged. What is given up: after a crash, steps whose results were handed on may run
    again, and code that has acted on such a result outside a step has acted on something that the log
    may never hold. The START of an at-most-once step still waits for everything before it.
    """

    EAGER = "EAGER"
    BATCHED = "BATCHED"
    OPTIMISTIC = "OPTIMISTIC"


class ReplayLogging(StrEnum):
    """Which log lines of replayed code are written: none (the default), errors only, or all."""

    NONE = "NONE"
    ERRORS = "ERRORS"
    ALL = "ALL"


class Reporter(Protocol):
    """Whom one invocation of an observed workflow reports to."""

    @property
    def wants_calls(self) -> bool:
        """Whether checkpoint calls are to be measured."""
        ...

    @property
    def wants_attempts(self) -> bool:
        """Whether functions of the user's are to be watched."""
        ...

    def invocation_started(self) -> None:
        """No code of the handler has run yet."""
        ...

    def invocation_ended(
        self, status: str, result: str | None = None, error: ErrorObject | None = None
    ) -> None:
        """Nothing of the invocation runs any more."""
        ...

    def claimed(self, operation_id: str) -> None:
        """The workflow asked for this operation."""
        ...

    def submitted(self, update: OperationUpdate) -> OperationUpdate:
        """This update is about to be recorded, or what it returns instead."""
        ...

    def learned(self, operation: Operation) -> None:
        """The log holds this now."""
        ...

    def attempt_started(
        self, operation: Operation, attempt: int | None, *, in_place: bool, is_replaying: bool
    ) -> Any:
        """A function of this operation is about to run; returns what its end is reported with."""
        ...

    def attempt_ended(
        self, started: Any, outcome: str, error: ErrorObject | None, *, in_place: bool
    ) -> None:
        """The function has returned, raised or been cut off."""
        ...

    def called(
        self, updates: int, size: int, began_at: float, seconds: float, error: ErrorObject | None
    ) -> None:
        """A checkpoint call has returned, or failed."""
        ...


class Observers(Protocol):
    """The plugins of a handler, as the runtime sees them."""

    def reporter(
        self,
        execution: Operation,
        operations: Iterable[Operation],
        updated_ids: Iterable[str],
        *,
        arn: str,
        request_id: str,
        trace_header: str | None,
        now: Callable[[], float],
    ) -> Reporter:
        """Whom one invocation reports to."""
        ...


class Plugin(Protocol):
    """What ``durable_execution(plugins=...)`` takes: see ``hooks.DurablePlugin``.

    A plugin brings its observers along, so that a handler without plugins loads none of them.
    """

    @staticmethod
    def __observe__(plugins: Sequence[Any], logger: logging.Logger) -> Observers:
        """What the handler reports to."""
        ...


class Chain(Protocol):
    """The middleware of a handler, as the runtime sees it."""

    async def handler(self, frame: Any, event: Any, run: Callable[..., Awaitable[Any]]) -> Any:
        """Run the handler."""
        ...

    async def context(self, frame: Any, run: Callable[[], Awaitable[Any]]) -> Any:
        """Run the function of a context."""
        ...

    async def step(self, info: Any, run: Callable[[], Awaitable[Any]]) -> Any:
        """Run the body of a step."""
        ...

    def serdes(self, serdes: SerDes[Any], kind: str, sub_type: str | None) -> SerDes[Any]:
        """A serdes with the middleware around it."""
        ...


class Interceptor(Protocol):
    """What ``durable_execution(middleware=...)`` takes: see ``middleware.Middleware``."""

    @staticmethod
    def __compose__(stack: Sequence[Any]) -> Chain:
        """What the handler runs through."""
        ...


class Settings(Struct, frozen=True, kw_only=True):
    """The options of ``durable_execution`` that operations look at."""

    default_retry: RetryStrategy = field(default_factory=ExponentialBackoff)
    serdes: SerDes[Any] | None = None
    checkpointing: CheckpointingMode = CheckpointingMode.BATCHED
    replay_logging: ReplayLogging = ReplayLogging.NONE
    deadline_margin: float | None = None
    foreign_wait: float = 30.0
    max_threads: int = DEFAULT_MAX_THREADS
    observers: Observers | None = None
    middleware: Chain | None = None
    logger: logging.Logger = field(default_factory=lambda: logging.getLogger("durable_execution"))

    def serdes_for(self, function: Callable[..., Any]) -> SerDes[Any]:
        """How the result of this function is written, unless its operation says otherwise."""
        return self.serdes or serdes_for_return(function)

    def serdes_for_type(self, result_type: Any) -> SerDes[Any]:
        """How a value of this type is written, or of any type (``None``)."""
        if result_type is not None:
            return serdes_for_type(result_type)
        return self.serdes or serdes_for_type(Any)

    def margin_of(self, remaining: float) -> float:
        """How many seconds before the end of its time an invocation leaves.

        By default a tenth of the time, from 0.3 s to 2 s, so that a function with a timeout of 3 s
        still has most of it.
        """
        if self.deadline_margin is not None:
            return self.deadline_margin
        return min(2.0, max(0.3, remaining * 0.1))

"""The settings of a handler, which apply to every operation in it, and the parameters of an invocation."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Container, Iterable, Sequence
from enum import StrEnum
from typing import Any, Protocol

from msgspec import Struct, field

from durable_execution_sdk import retry
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.first_use import OptionEnum
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.operations import Operation
from durable_execution_sdk.protocol.updates import OperationUpdate
from durable_execution_sdk.serdes import SerDes, serdes_for_return, serdes_for_type

__all__ = [
    "DEFAULT_MAX_THREADS",
    "GRACE_SECONDS",
    "Chain",
    "CheckpointingMode",
    "Interceptor",
    "Invoked",
    "Observers",
    "Plugin",
    "ReplayLogging",
    "Reporter",
    "Settings",
    "check_settings",
]


# Default of ``durable_execution(max_threads=...)``: the most plain functions that run at once.
DEFAULT_MAX_THREADS = 128

# Seconds that all clean-up together may take.
GRACE_SECONDS = 5.0


class CheckpointingMode(StrEnum, metaclass=OptionEnum):
    """The times at which updates are sent, and at which a step's result reaches the workflow.

    ``BATCHED`` (the default): updates form the next batch while a call is in flight, and the START of a quick
    step shares the call of its completion, so that such a step costs one call.

    ``EAGER``: every update is sent at once, and a step's body runs only when its START is acknowledged. The
    history then shows during which step a crash came. A step costs two calls, one after the other.

    ``OPTIMISTIC``: in a workflow that runs one thing at a time, the workflow gets the result of an
    at-least-once step before it is acknowledged. After a crash, such steps may run again, and code outside of
    steps may have acted on a result that the log never holds. The START of an at-most-once step still waits
    for everything before it.
    """

    EAGER = "EAGER"
    BATCHED = "BATCHED"
    OPTIMISTIC = "OPTIMISTIC"


class ReplayLogging(StrEnum, metaclass=OptionEnum):
    """The log lines of replayed code that are written: none (the default), errors only, or all."""

    NONE = "NONE"
    ERRORS = "ERRORS"
    ALL = "ALL"


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
        self, operation: Operation, attempt: int | None, *, in_place: bool, is_replaying: bool
    ) -> object:
        """Report that a function of this operation is about to run; return a value for ``attempt_ended``."""
        ...

    def attempt_ended(
        self, started: Any, outcome: str, error: ErrorObject | None, *, in_place: bool
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
    ) -> Reporter:
        """Make the reporter of one invocation."""
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


class Settings(Struct, frozen=True, kw_only=True):
    """The options of ``durable_execution`` that the runtime and operations use."""

    default_retry: retry.RetryStrategy | None = None
    serdes: SerDes[Any] | None = None
    checkpointing: CheckpointingMode = CheckpointingMode.BATCHED
    replay_logging: ReplayLogging = ReplayLogging.NONE
    deadline_margin: float | None = None
    foreign_wait: float = 30.0
    max_threads: int = DEFAULT_MAX_THREADS
    observers: Observers | None = None
    middleware: Chain | None = None
    logger: logging.Logger = field(default_factory=lambda: logging.getLogger("durable_execution"))

    def retry_by(self, strategy: retry.RetryStrategy | None) -> retry.RetryStrategy:
        """Return an operation's retry strategy; that of the handler if it has none of its own."""
        return strategy or self.default_retry or retry.ExponentialBackoff()

    def serdes_for(self, function: Callable[..., object]) -> SerDes[Any]:
        """Return the serdes for the result of this function, if its operation has none of its own."""
        return self.serdes or serdes_for_return(function)

    def serdes_for_type(self, result_type: object) -> SerDes[Any]:
        """Return the serdes for a value of this type; for values of any type if it is ``None``."""
        if result_type is not None:
            return serdes_for_type(result_type)
        return self.serdes or serdes_for_type(Any)


def check_settings(settings: Settings) -> None:
    """Check the values of options that have one of a few forms. Raises ``ConfigError``."""
    margin, wait = settings.deadline_margin, settings.foreign_wait
    fits = {
        "checkpointing": isinstance(settings.checkpointing, CheckpointingMode),
        "replay_logging": isinstance(settings.replay_logging, ReplayLogging),
        "deadline_margin": margin is None or (isinstance(margin, (int, float)) and margin >= 0),
        "foreign_wait": isinstance(wait, (int, float)) and wait >= 0,
        "max_threads": type(settings.max_threads) is int and settings.max_threads > 0,
        "logger": _is_logger(settings.logger),
    }
    wanted = {
        "checkpointing": "a CheckpointingMode",
        "replay_logging": "a ReplayLogging",
        "deadline_margin": "a number of seconds, 0 or more",
        "foreign_wait": "a number of seconds, 0 or more",
        "max_threads": "a number of threads, 1 or more",
        "logger": "a logger with the methods of logging.Logger (log, isEnabledFor, info ...)",
    }
    for option, is_fit in fits.items():
        if not is_fit:
            value = getattr(settings, option)
            raise ConfigError(
                f"durable_execution({option}=...) takes {wanted[option]}, not {value!r}"
            )


def _is_logger(logger: object) -> bool:
    """Return ``True`` if an object has the methods of a logger."""
    names = ("log", "isEnabledFor", "debug", "info", "warning", "error", "exception")
    return all(callable(getattr(logger, name, None)) for name in names)


class Invoked(Struct, frozen=True):
    """The parameters of an invocation. ``ends_at`` is its end on the monotonic clock, if it has a limit."""

    arn: str
    token: str
    request_id: str
    lambda_context: Any
    ends_at: float | None

    def time_to_leave(self, seconds: float, margin: float) -> float:
        """Return the monotonic time at which work of at most so many seconds has to be over.

        It is no later than the beginning of the margin or, within the margin, half of the time that is left.
        """
        now = time.monotonic()
        if self.ends_at is None:
            return now + seconds
        return min(now + seconds, max(self.ends_at - margin, now + (self.ends_at - now) / 2))

    def clean_up_end(self) -> float:
        """Return the monotonic time until which the tasks that a context has left may clean up.

        That is no more than half of the time that is left, so that the workflow gets on in any case.
        """
        now = time.monotonic()
        if self.ends_at is None:
            return now + GRACE_SECONDS
        return now + min(GRACE_SECONDS, max(0.0, self.ends_at - now) / 2)

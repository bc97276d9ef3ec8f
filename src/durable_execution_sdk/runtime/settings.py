"""The settings of a handler, which apply to every operation in it, and the parameters of an invocation."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from durable_execution_sdk import retry
from durable_execution_sdk.errors import ConfigError, DeterminismError
from durable_execution_sdk.protocol.limits import MAX_OPERATIONS, MAX_STORAGE_BYTES
from durable_execution_sdk.serdes import SerDes, serdes_for_return, serdes_for_type

if TYPE_CHECKING:
    from durable_execution_sdk.execution_limits import ExecutionLimits
    from durable_execution_sdk.handler_modes import CheckpointingMode, OnDivergence, ReplayLogging
    from durable_execution_sdk.runtime.extension_points import Chain, Observers

__all__ = [
    "DEFAULT_MAX_THREADS",
    "GRACE_SECONDS",
    "MOST_CACHED_FUNCTIONS",
    "SHORTEST_GRACE",
    "WARNS_AT",
    "Invoked",
    "Settings",
    "check_settings",
]


# Default of ``durable_execution(max_threads=...)``: the most plain functions that run at once.
DEFAULT_MAX_THREADS = 128

# Seconds for a call in flight even when the time is up: most answers take milliseconds.
SHORTEST_GRACE = 0.05

# Seconds that all clean-up together may take.
GRACE_SECONDS = 5.0

# The share of a quota from which the log has a warning.
WARNS_AT = 0.8

# Upper bound of caches by function. Code that makes a function for each operation would fill the memory.
MOST_CACHED_FUNCTIONS = 256


class Settings(Struct, frozen=True, kw_only=True):
    """The options of ``durable_execution`` that the runtime and operations use.

    A mode is ``None`` where the handler names none; so the enums are loaded only by handlers that do.
    """

    default_retry: retry.RetryStrategy | None = None
    serdes: SerDes[Any] | None = None
    checkpointing: CheckpointingMode | None = None
    replay_logging: ReplayLogging | None = None
    on_divergence: OnDivergence | None = None
    deadline_margin: float | None = None
    foreign_wait: float = 30.0
    max_threads: int = DEFAULT_MAX_THREADS
    warn_of_blocking: bool = True
    limits: ExecutionLimits | None = None
    observers: Observers | None = None
    middleware: Chain | None = None
    logger: logging.Logger = field(default_factory=lambda: logging.getLogger("durable_execution"))

    def fails_for(self, error: BaseException) -> bool:
        """Return ``True`` if this error fails the execution, and not only the invocation."""
        return not (self.retries_divergence and isinstance(error, DeterminismError))

    @property
    def retries_divergence(self) -> bool:
        """True if Lambda invokes again where the code does not fit the log."""
        return self.on_divergence is not None and self.on_divergence.value == "RETRY"

    def checkpoints(self, mode: str) -> bool:
        """Return ``True`` if this is the handler's ``CheckpointingMode``, and not the default."""
        return self.checkpointing is not None and self.checkpointing.value == mode

    def warning_marks(self) -> tuple[float, float]:
        """Return the numbers of operations and of bytes from which the log has a warning."""
        limits = self.limits
        if limits is None:
            return WARNS_AT * MAX_OPERATIONS, WARNS_AT * MAX_STORAGE_BYTES
        return WARNS_AT * limits.operations, WARNS_AT * limits.bytes

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
        "checkpointing": _is_mode(settings.checkpointing, "CheckpointingMode"),
        "replay_logging": _is_mode(settings.replay_logging, "ReplayLogging"),
        "on_divergence": _is_mode(settings.on_divergence, "OnDivergence"),
        "deadline_margin": margin is None or (isinstance(margin, (int, float)) and margin >= 0),
        "foreign_wait": isinstance(wait, (int, float)) and wait >= 0,
        "max_threads": type(settings.max_threads) is int and settings.max_threads > 0,
        "warn_of_blocking": isinstance(settings.warn_of_blocking, bool),
        "logger": _is_logger(settings.logger),
    }
    wanted = {
        "checkpointing": "a CheckpointingMode",
        "replay_logging": "a ReplayLogging",
        "on_divergence": "an OnDivergence",
        "deadline_margin": "a number of seconds, 0 or more",
        "foreign_wait": "a number of seconds, 0 or more",
        "max_threads": "a number of threads, 1 or more",
        "warn_of_blocking": "True or False",
        "logger": "a logger with the methods of logging.Logger (log, isEnabledFor, info ...)",
    }
    for option, is_fit in fits.items():
        if not is_fit:
            value = getattr(settings, option)
            raise ConfigError(
                f"durable_execution({option}=...) takes {wanted[option]}, not {value!r}"
            )


def _is_mode(mode: object, enum: str) -> bool:
    """Return ``True`` if a mode is a member of the enum with this name, or none was given."""
    if mode is None:
        return True
    from durable_execution_sdk import handler_modes  # noqa: PLC0415 - loaded, if the mode is a member

    return isinstance(mode, getattr(handler_modes, enum))


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

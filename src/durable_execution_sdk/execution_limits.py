"""The limits of an execution as the handler states them: quotas that AWS may have raised, and the function's timeout."""

from __future__ import annotations

from durable_execution_sdk.duration import Duration, DurationLike
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.first_use import Options
from durable_execution_sdk.protocol.limits import (
    LONGEST_TIMER_SECONDS,
    MAX_OPERATIONS,
    MAX_STORAGE_BYTES,
)

__all__ = ["ExecutionLimits", "check_limits"]


class ExecutionLimits(Options, frozen=True, kw_only=True):
    """The limits of each execution of a handler: ``durable_execution(limits=ExecutionLimits(...))``.

    ``operations`` and ``bytes`` are quotas of the account: 3,000 operations and 100 MiB, unless AWS has raised them.

    ``duration`` is the ``ExecutionTimeout`` of the function. The service does not tell it to the function, so it is
    known only if it is given here.

    With ``limits``, a map whose items cannot fit is refused at the call.
    """

    operations: int = MAX_OPERATIONS
    bytes: int = MAX_STORAGE_BYTES
    duration: DurationLike | None = None

    def __post_init__(self) -> None:
        """Check the limits. Raises ``ConfigError``."""
        for option in ("operations", "bytes"):
            limit = getattr(self, option)
            if type(limit) is not int or limit < 1:
                raise ConfigError(
                    f"ExecutionLimits.{option} is a whole number, 1 or more, not {limit!r}"
                )
        if self.duration is not None:
            what = "ExecutionLimits.duration"
            Duration.of(self.duration, what).checked(what, 1, LONGEST_TIMER_SECONDS)


def check_limits(limits: object) -> None:
    """Check the option of a handler. Raises ``ConfigError``."""
    if not isinstance(limits, ExecutionLimits):
        raise ConfigError(
            "durable_execution(limits=...) takes an ExecutionLimits, as in ExecutionLimits(operations=10_000), not"
            f" {limits!r}"
        )

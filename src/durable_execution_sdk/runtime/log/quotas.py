"""Words about quotas: the warning at 80 % of one, and the way on when one is reached. Loaded near a quota only.

The warning is not seen by code, so it takes all that this process knows: all records that it was told of, and what
contexts had that have ended (``operations.lifecycle.context_totals``). It is logged once: by the invocation in which the log passes the mark.
"""

from __future__ import annotations

import math

from durable_execution_sdk.execution_limits import ExecutionLimits
from durable_execution_sdk.protocol.error_codes import (
    OPERATIONS_CURE,
    STORAGE_CURE,
    too_many_bytes,
    too_many_operations,
)
from durable_execution_sdk.runtime.settings import WARNS_AT, Settings

__all__ = ["cure_at_quota", "next_marks"]

_DEFAULT = ExecutionLimits()


def next_marks(
    settings: Settings, used: tuple[int, int], marks: tuple[float, float], *, is_news: bool
) -> tuple[float, float]:
    """Log a warning for each quota of which 80 % are used, if that is news.

    ``used`` and ``marks`` are of operations and of bytes; a mark is infinite once there was a warning. Returns the
    marks at which to look again. Operations may still be few there: not every claim of code is one in the log.
    """
    limits = settings.limits or _DEFAULT
    quotas = (
        (limits.operations, "durable operations", OPERATIONS_CURE),
        (limits.bytes, "bytes of storage", STORAGE_CURE),
    )
    at = list(marks)
    for number, (limit, what, cure) in enumerate(quotas):
        if marks[number] == math.inf or used[number] < WARNS_AT * limit:
            continue
        at[number] = math.inf
        if is_news:
            settings.logger.warning(
                "The execution has used %s of %s %s. At the limit it fails. %s",
                f"{used[number]:,}",
                f"{limit:,}",
                what,
                cure,
            )
    return at[0], at[1]


def cure_at_quota(settings: Settings, used: tuple[int, int], more: int) -> str:
    """Return the end of a message about a refused checkpoint of so many updates, if a quota may be the reason."""
    limits = settings.limits or _DEFAULT
    if used[0] + more >= limits.operations:
        return f". {too_many_operations(limits.operations)}"
    if used[1] >= limits.bytes:
        return f". {too_many_bytes(limits.bytes)}"
    return ""

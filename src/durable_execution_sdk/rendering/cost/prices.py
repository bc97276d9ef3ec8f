"""The public prices of durable functions, and what they make of an execution's work."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from durable_execution_sdk.protocol.limits import DEFAULT_RETENTION_DAYS
from durable_execution_sdk.rendering.cost.metering import ExecutionCost

__all__ = ["SOURCE", "Prices", "amounts_of"]

SOURCE = "the example on https://aws.amazon.com/lambda/pricing/ for US East (N. Virginia), as read in September 2026"

_MILLION = 1_000_000
_GB = 1_000_000_000
_DAY = 86_400_000.0
_DAYS_OF_MONTH = 30.0


class Prices(msgspec.Struct, frozen=True, kw_only=True):
    """Prices in US dollars: a million operations, a GB written, a GB kept for a month, a million requests, a GB-second.

    Time has no price unless one is given: it depends on the architecture, and on ``memory_mb`` of the function.
    """

    operations: float = 8.00
    written: float = 0.25
    kept: float = 0.15
    requests: float = 0.20
    gb_second: float | None = None
    memory_mb: int | None = None
    retention_days: float = float(DEFAULT_RETENTION_DAYS)

    @property
    def are_public(self) -> bool:
        """True if none of the public prices was replaced."""
        public = Prices()
        return (self.operations, self.written, self.kept, self.requests) == (
            public.operations,
            public.written,
            public.kept,
            public.requests,
        )


def amounts_of(cost: ExecutionCost, prices: Prices) -> Mapping[str, float | None]:
    """Return the amount in dollars for each thing that is charged; ``None`` for time without a price."""
    gigabytes = cost.bytes_written / _GB
    months = (cost.age / _DAY + prices.retention_days) / _DAYS_OF_MONTH
    time = None
    if prices.gb_second is not None and prices.memory_mb is not None:
        time = prices.gb_second * prices.memory_mb / 1024 * cost.running_time / 1000
    return {
        "operations": prices.operations * cost.metered_operations / _MILLION,
        "written": prices.written * gigabytes,
        "kept": prices.kept * gigabytes * months,
        "requests": prices.requests * cost.invocations / _MILLION,
        "time": time,
    }

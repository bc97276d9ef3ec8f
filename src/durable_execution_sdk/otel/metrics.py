"""The metric instruments of executions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opentelemetry.metrics import Meter

from durable_execution_sdk.telemetry.measurements import (
    METRICS,
    Attributes,
    Measurements,
    Metric,
)

__all__ = ["Metrics"]


class Metrics(Measurements):
    """The metrics, recorded on instruments of a meter."""

    def __init__(self, meter: Meter) -> None:
        self._instruments = {metric.name: _instrument(meter, metric) for metric in METRICS}

    def record(self, metric: Metric, value: float, attributes: Attributes) -> None:
        """Record a value on the metric's instrument."""
        self._instruments[metric.name](value, attributes)


def _instrument(meter: Meter, metric: Metric) -> Callable[[float, Any], None]:
    if metric.kind == "counter":
        return meter.create_counter(metric.name, metric.unit, metric.description).add
    return meter.create_histogram(metric.name, metric.unit, metric.description).record

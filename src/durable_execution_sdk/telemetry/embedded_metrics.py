"""The plugin that writes metrics in CloudWatch's embedded metric format."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from itertools import islice
from typing import cast

from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.plugins import (
    AttemptInfo,
    CheckpointInfo,
    DurablePlugin,
    InvocationEndInfo,
    InvocationInfo,
    InvocationStatus,
    OperationInfo,
)
from durable_execution_sdk.protocol.ids import ExecutionArn
from durable_execution_sdk.telemetry.lines import checked_writer, json_line, write_line
from durable_execution_sdk.telemetry.measurements import Attributes, Measurements, Metric
from durable_execution_sdk.telemetry.reported_ends import ReportedEnds

__all__ = ["EmbeddedMetricsPlugin"]

# The format allows so many values of a metric in a line, and so many dimensions.
_MOST_VALUES = 100
_MOST_DIMENSIONS = 30
# Of them, a metric's attributes and the function's name take four at most.
_MOST_OWN_DIMENSIONS = _MOST_DIMENSIONS - 4
_LONGEST_NAME = 1024
_FUNCTION = "FunctionName"
_TAKEN = frozenset({_FUNCTION, "_aws", "executionArn", "requestId"})
_UNITS = {"s": "Seconds", "By": "Bytes", "1": "None"}


class EmbeddedMetricsPlugin(DurablePlugin):
    """Metrics of executions as lines of JSON, which CloudWatch reads from the function's log group.

    The metrics are those of ``durable_execution_sdk.otel``, with their attributes and ``FunctionName`` as
    dimensions. An invocation writes its lines at its end. Each has the members ``executionArn`` and
    ``requestId``, which are no dimensions, so queries of the log group can find them.

    Args:
        namespace: the namespace of the metrics in CloudWatch.
        dimensions: further dimensions of each metric, such as ``{"stage": "prod"}``. CloudWatch keeps, and
            prices, one metric for each combination of values.
        write: a function that takes a line, by default one that writes it to standard output.

    Raises:
        ConfigError: the namespace or a dimension is one that CloudWatch refuses, a dimension has a name that is
            taken, or ``write`` is no function.
    """

    def __init__(
        self,
        *,
        namespace: str = "DurableExecutions",
        dimensions: Mapping[str, str] | None = None,
        write: Callable[[str], object] = write_line,
    ) -> None:
        self._namespace = _checked("namespace", namespace)
        self._dimensions = _checked_dimensions({} if dimensions is None else dimensions)
        self._write = checked_writer("EmbeddedMetricsPlugin", write)
        self._live: dict[str, _InvocationMetrics] = {}
        self._reported = ReportedEnds()

    def on_invocation_start(self, info: InvocationInfo) -> None:
        """Begin the metrics of an invocation."""
        self._reported.invocation_started(info)
        self._live[info.execution_arn] = _InvocationMetrics()

    def on_operation_start(self, info: OperationInfo) -> None:
        """Count an operation that has started."""
        if not info.is_replay:
            self._live[info.execution_arn].started += 1

    def on_operation_replay(self, info: OperationInfo) -> None:
        """Count a replayed operation."""
        self._live[info.execution_arn].replayed += 1

    def on_operation_end(self, info: OperationInfo) -> None:
        """Measure an operation that has ended."""
        if self._reported.is_first(info.execution_arn, info.id):
            self._live[info.execution_arn].operation_ended(info)

    def on_attempt_start(self, info: AttemptInfo) -> None:
        """Note the time at which a step's body, or a poll's check, starts."""
        if info.attempt is not None:
            self._live[info.execution_arn].clocks[info.id] = time.perf_counter()

    def on_attempt_end(self, info: AttemptInfo) -> None:
        """Measure a run of a step's body, or of a poll's check."""
        live = self._live[info.execution_arn]
        began = live.clocks.pop(info.id, None)
        if began is not None:
            live.attempt_ended(info, time.perf_counter() - began)

    def on_checkpoint(self, info: CheckpointInfo) -> None:
        """Measure a checkpoint call."""
        self._live[info.execution_arn].called(info)

    def on_invocation_end(self, info: InvocationEndInfo) -> None:
        """Write the lines of the invocation."""
        live = self._live.pop(info.execution_arn)
        is_over = info.status in (InvocationStatus.SUCCEEDED, InvocationStatus.FAILED)
        is_last = is_over and self._reported.is_first_end(info.execution_arn)
        live.invocation_ended(info, live.replayed, live.started, is_last=is_last)
        arn = ExecutionArn.read(info.execution_arn)
        base = {_FUNCTION: arn.function_name if arn else "unknown", **self._dimensions}
        about = {"executionArn": info.execution_arn, "requestId": info.request_id}
        for attributes, metrics in live.groups.items():
            dimensions = {**base, **{name: _text(value) for name, value in attributes}}
            while metrics:
                values = _take(metrics)
                self._write(
                    json_line(
                        {
                            **self._directive(info.end_timestamp, dimensions, values),
                            **about,
                            **dimensions,
                            **{metric.name: value for metric, value in values.items()},
                        }
                    )
                )

    def _directive(
        self, at: datetime, dimensions: Mapping[str, str], metrics: Mapping[Metric, object]
    ) -> dict[str, object]:
        directive = {
            "Namespace": self._namespace,
            "Dimensions": [list(dimensions)],
            "Metrics": [
                {"Name": metric.name, "Unit": _UNITS.get(metric.unit, "Count")}
                for metric in metrics
            ],
        }
        return {"_aws": {"Timestamp": int(at.timestamp() * 1000), "CloudWatchMetrics": [directive]}}


class _InvocationMetrics(Measurements):
    """The values of one invocation, by their attributes."""

    def __init__(self) -> None:
        self.groups: dict[tuple[tuple[str, str | bool], ...], dict[Metric, list[float]]] = {}
        self.clocks: dict[str, float] = {}
        self.started = 0
        self.replayed = 0

    def record(self, metric: Metric, value: float, attributes: Attributes) -> None:
        """Keep a value; those of a counter are added up."""
        values = self.groups.setdefault(tuple(attributes.items()), {}).setdefault(metric, [])
        if metric.kind == "counter" and values:
            values[0] += value
        else:
            values.append(value)


def _take(metrics: dict[Metric, list[float]]) -> dict[Metric, float | list[float]]:
    """Remove and return the values of one line."""
    taken: dict[Metric, float | list[float]] = {}
    for metric, values in list(metrics.items()):
        part = list(islice(values, _MOST_VALUES))
        taken[metric] = part[0] if len(part) == 1 else part
        if len(values) > _MOST_VALUES:
            metrics[metric] = values[_MOST_VALUES:]
        else:
            del metrics[metric]
    return taken


def _text(value: object) -> str:
    return value if isinstance(value, str) else str(value).lower()  # true, false


def _checked(what: str, text: object) -> str:
    if (
        not isinstance(text, str)
        or not text.strip()
        or len(text) > _LONGEST_NAME
        or not text.isascii()
    ):
        raise ConfigError(
            f"EmbeddedMetricsPlugin: a {what} is 1 to {_LONGEST_NAME} ASCII characters, not {text!r}"
        )
    return text


def _checked_dimensions(given: object) -> dict[str, str]:
    if not isinstance(given, Mapping):
        raise ConfigError(
            'EmbeddedMetricsPlugin: dimensions maps names to values, as {"stage": "prod"} does, not'
            f" {given!r}"
        )
    dimensions: dict[str, str] = {}
    for each, value in cast("Mapping[object, object]", given).items():
        name = _checked("name of a dimension", each)
        if name in _TAKEN or name.startswith((":", "durable.")):
            raise ConfigError(
                f"EmbeddedMetricsPlugin: {name!r} is the name of a member of each line, or begins as those of the"
                " plugin's metrics and dimensions do, or with a colon: give the dimension another name"
            )
        dimensions[name] = _checked(f"value of the dimension {name!r}", value)
    if len(dimensions) > _MOST_OWN_DIMENSIONS:
        raise ConfigError(
            f"EmbeddedMetricsPlugin takes {_MOST_OWN_DIMENSIONS} dimensions at most, not"
            f" {len(dimensions)}: CloudWatch allows {_MOST_DIMENSIONS}, and some are the plugin's"
        )
    return dimensions

"""Records and metrics of executions, written as lines of JSON without further dependencies.

Use them as ``durable_execution(plugins=[TelemetryRecordPlugin(), EmbeddedMetricsPlugin()])``. Handlers without
them do not import this package. ``durable_execution_sdk.otel`` has the same metrics for OpenTelemetry.
"""

from durable_execution_sdk.telemetry.embedded_metrics import EmbeddedMetricsPlugin
from durable_execution_sdk.telemetry.records import TelemetryRecordPlugin

__all__ = ["EmbeddedMetricsPlugin", "TelemetryRecordPlugin"]

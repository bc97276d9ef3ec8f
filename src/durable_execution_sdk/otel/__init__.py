"""OpenTelemetry traces and metrics of executions: ``pip install durable-execution-sdk[otel]``.

``durable_execution(plugins=[OpenTelemetryPlugin()])``. It is a plugin like any other, and a handler
without it loads nothing of this.
"""

from durable_execution_sdk.otel.plugin import OpenTelemetryPlugin

__all__ = ["OpenTelemetryPlugin"]

"""OpenTelemetry traces and metrics of executions: ``pip install durable-execution-sdk[otel]``.

Use it as ``durable_execution(plugins=[OpenTelemetryPlugin()])``. Handlers without the plugin do not
import this package.
"""

try:
    from durable_execution_sdk.otel.plugin import OpenTelemetryPlugin
    from durable_execution_sdk.otel.upstream import ParentReader, Upstream, w3c_parent, xray_parent
    from durable_execution_sdk.otel.views import TraceView
except ModuleNotFoundError as _missing:
    if (_missing.name or "").partition(".")[0] != "opentelemetry":
        raise
    raise ModuleNotFoundError(
        "durable_execution_sdk.otel needs OpenTelemetry: pip install 'durable-execution-sdk[otel]'",
        name=_missing.name,
    ) from _missing

__all__ = [
    "OpenTelemetryPlugin",
    "ParentReader",
    "TraceView",
    "Upstream",
    "w3c_parent",
    "xray_parent",
]

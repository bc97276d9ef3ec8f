"""The OpenTelemetry SDK with exporters in memory, in one process or in a new one for each invocation."""

from __future__ import annotations

from collections import Counter
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tests.plugins.recorder import HOOKS

from durable_execution_sdk.otel import OpenTelemetryPlugin, TraceView
from durable_execution_sdk.plugins import DurablePlugin


class Spans:
    """The exported spans."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self.all: list[ReadableSpan] = list(exporter.get_finished_spans())

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.all if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        (span,) = self.named(name)
        return span

    def operations(self) -> Counter[str]:
        """Count the spans of each operation."""
        return Counter(
            attributes_of(span)["durable.operation.id"]
            for span in self.all
            if "durable.operation.status" in attributes_of(span)
        )

    def ended(self) -> Counter[str]:
        """Count the spans in which operations have ended."""
        return Counter(
            attributes_of(span)["durable.operation.id"]
            for span in self.all
            if attributes_of(span).get("durable.operation.status", "STARTED") != "STARTED"
        )

    def ids(self) -> Counter[int]:
        return Counter(id_of(span) for span in self.all)


def attributes_of(span: ReadableSpan) -> Any:
    return span.attributes or {}


def id_of(span: ReadableSpan) -> int:
    assert span.context is not None
    return span.context.span_id


def parent_of(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent else None


def warm(
    plugin: dict[str, Any] | None = None, **options: Any
) -> tuple[InMemorySpanExporter, OpenTelemetryPlugin]:
    """Make a plugin that lives through all invocations; ``plugin`` has options of it."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False, resource=Resource.get_empty(), **options)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return exporter, OpenTelemetryPlugin(tracer_provider=provider, **(plugin or {}))


class _Buffer(SpanExporter):
    """A span processor that keeps spans until they are flushed."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self.spans: list[ReadableSpan] = []
        self.exporter = exporter

    def export(self, spans: Any) -> Any:
        self.spans += spans

    def force_flush(self, timeout_millis: int = 0) -> bool:
        self.exporter.export(self.spans)
        self.spans = []
        return True


class Cold(DurablePlugin):
    """A new process, with a new plugin, for each invocation; killed ones never flush."""

    def __init__(
        self, exporter: InMemorySpanExporter, view: TraceView = TraceView.EXECUTION
    ) -> None:
        self.exporter = exporter
        self.view = view
        self.plugins: dict[str, tuple[_Buffer, OpenTelemetryPlugin]] = {}

    def hear(self, hook: str, info: Any) -> Any:
        if hook == "on_invocation_start":
            buffer = _Buffer(self.exporter)
            provider = TracerProvider(shutdown_on_exit=False, resource=Resource.get_empty())
            provider.add_span_processor(SimpleSpanProcessor(buffer))
            plugin = OpenTelemetryPlugin(view=self.view, tracer_provider=provider, flush_seconds=0)
            self.plugins[info.execution_arn] = buffer, plugin
        buffer, plugin = self.plugins[info.execution_arn]
        if hook == "on_invocation_end":
            error = info.execution_error
            if error is not None and error.error_type in ("SystemExit", "CancelledError"):
                return None
            plugin.on_invocation_end(info)
            buffer.force_flush()
            return None
        return getattr(plugin, hook)(info)


def _hears(hook: str) -> Any:
    def hear(self: Cold, info: Any) -> Any:
        return self.hear(hook, info)

    return hear


for _hook in HOOKS:
    setattr(Cold, _hook, _hears(_hook))

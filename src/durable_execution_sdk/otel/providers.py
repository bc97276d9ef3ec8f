"""The providers of OpenTelemetry that a plugin uses: given ones, one that exports to an endpoint, or the global ones."""

from __future__ import annotations

import logging
import math
import os
import re
import threading
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, cast

from opentelemetry import metrics, trace
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider

from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.otel.identity import PinnedIds
from durable_execution_sdk.otel.sampling import PinnedSampler
from durable_execution_sdk.version import __version__

__all__ = ["SCOPE", "Providers"]

SCOPE = "durable_execution_sdk"
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")

# Spans that wait for the exporter: an operation and an attempt for each one of the 3,000 that an execution may have,
# and as many of the user's.
_MOST_WAITING_SPANS = 12_000

_logger = logging.getLogger("durable_execution")

# A provider gives the same tracer to all threads, and what has been replaced once would pin nothing any more.
_replacing = threading.Lock()


class Providers:
    """The providers, and a flush of both that waits for a limited time.

    Without a provider, an ``endpoint`` or a global provider, the variables ``OTEL_EXPORTER_OTLP_ENDPOINT`` and
    ``OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`` name the endpoint.
    """

    def __init__(
        self,
        tracers: TracerProvider | None,
        meters: MeterProvider | None,
        endpoint: str | None,
        flush_seconds: float,
    ) -> None:
        _check_seconds(flush_seconds)
        if endpoint is not None:
            if tracers is not None:
                raise ConfigError(
                    "OpenTelemetryPlugin takes a tracer_provider or an endpoint, not both"
                )
            if not re.match(r"https?://[^/]", str(endpoint)):
                raise ConfigError(
                    "OpenTelemetryPlugin: endpoint is the URL of a collector, such as http://localhost:4318, not"
                    f" {endpoint!r}"
                )
            tracers = _exporting(endpoint)
        elif tracers is not None:
            _pinnable(tracers)
        self._tracers = tracers
        self._meters = meters
        self._flush_seconds = flush_seconds
        self._flush: threading.Thread | None = None
        self._has_tried = False

    def tracer(self) -> Any:
        """Return a tracer that takes ids and decisions; ``None`` if no spans are recorded."""
        provider = self._tracers or trace.get_tracer_provider()
        if isinstance(provider, trace.ProxyTracerProvider) and not self._has_tried:
            self._has_tried = True
            if any(map(os.environ.get, _ENDPOINTS)):
                try:
                    provider = self._tracers = _exporting(None)
                except ModuleNotFoundError as missing:
                    _logger.warning("no traces are exported: %s", missing)
        return _pinnable(provider)

    def flush(self) -> None:
        """Flush both providers in a thread, and wait at most ``flush_seconds``: a flush may hang."""
        providers = (
            self._tracers or trace.get_tracer_provider(),
            self._meters or metrics.get_meter_provider(),
        )
        flushes: list[Callable[[int], object]] = [
            flush
            for provider in providers
            if (flush := getattr(provider, "force_flush", None)) is not None
        ]
        if not self._flush_seconds or not flushes:
            return
        ends_at = time.monotonic() + self._flush_seconds
        flush = self._flush
        if flush is not None:
            flush.join(self._flush_seconds)  # an earlier one, which may miss the last spans
        if flush is None or not flush.is_alive():
            flush = threading.Thread(
                target=_flush,
                args=(flushes, round(self._flush_seconds * 1000)),
                name="durable-otel-flush",
                daemon=True,
            )
            flush.start()
            self._flush = flush  # now that it runs, other threads may wait for it
            flush.join(max(0.0, ends_at - time.monotonic()))
        if flush.is_alive():
            _logger.warning(
                "OpenTelemetry did not export within %s s of the end of an invocation; what is left goes"
                " with the next one, or is lost",
                self._flush_seconds,
            )


def _check_seconds(flush_seconds: object) -> None:
    if not isinstance(flush_seconds, (int, float)) or not 0 <= flush_seconds < math.inf:
        raise ConfigError(f"flush_seconds must be 0 or more, and finite, not {flush_seconds!r}")


def _exporting(endpoint: str | None) -> TracerProvider:
    """Return a provider that exports by OTLP over HTTP; without an endpoint, to that of the environment."""
    try:
        exporter = import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
        sdk, processors, resources = (
            import_module(f"opentelemetry.sdk.{name}")
            for name in ("trace", "trace.export", "resources")
        )
    except ModuleNotFoundError as missing:
        raise ModuleNotFoundError(
            "an OTLP endpoint needs an exporter: pip install 'durable-execution-sdk[otlp]'",
            name=missing.name,
        ) from missing
    function = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
    is_named = "OTEL_SERVICE_NAME" in os.environ or not function
    resource = resources.Resource.create({} if is_named else {"service.name": function})
    traces = None if endpoint is None else f"{endpoint.rstrip('/')}/v1/traces"
    provider: Any = sdk.TracerProvider(resource=resource)
    # The default, 2,048, would drop spans of a large invocation if the collector takes its time.
    most = None if "OTEL_BSP_MAX_QUEUE_SIZE" in os.environ else _MOST_WAITING_SPANS
    provider.add_span_processor(
        processors.BatchSpanProcessor(
            exporter.OTLPSpanExporter(endpoint=traces), max_queue_size=most
        )
    )
    return cast("TracerProvider", provider)


def _pinnable(provider: TracerProvider) -> Any:
    """Return the provider's tracer, with ``PinnedIds`` and a ``PinnedSampler``; ``None`` if it records no spans."""
    tracer: Any = provider.get_tracer(SCOPE, __version__)
    if isinstance(tracer, (trace.NoOpTracer, trace.ProxyTracer)):
        return None
    if not (hasattr(tracer, "id_generator") and hasattr(tracer, "sampler")):
        raise ConfigError(
            f"OpenTelemetryPlugin needs a TracerProvider of the OpenTelemetry SDK, whose tracers take"
            f" ids; {type(provider).__qualname__} makes a {type(tracer).__qualname__}"
        )
    with _replacing:
        if not isinstance(tracer.id_generator, PinnedIds):
            tracer.id_generator = PinnedIds(tracer.id_generator)
        if not isinstance(tracer.sampler, PinnedSampler):
            tracer.sampler = PinnedSampler(tracer.sampler)
    return tracer


def _flush(flushes: Sequence[Callable[[int], object]], timeout: int) -> None:
    for flush in flushes:
        try:
            flush(timeout)
        except Exception:
            _logger.warning("OpenTelemetry could not export", exc_info=True)

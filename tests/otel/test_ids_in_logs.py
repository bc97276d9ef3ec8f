"""Lines of an execution have the ids of its trace, and of the span in which they were written."""

from __future__ import annotations

import gc
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import NoOpTracerProvider
from tests.otel.tracing import Spans, warm
from tests.rig import rig_of

from durable_execution_sdk import DurableContext, Duration, JsonFormatter, structlog_renderer
from durable_execution_sdk.otel import OpenTelemetryPlugin
from durable_execution_sdk.runtime.logging import TRACERS

SECOND = Duration.from_seconds(1)
LOGGER = logging.getLogger("tests.ids_in_logs")


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    written: list[dict[str, Any]] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(json.loads(self.format(record)))

    handler = Keeping()
    handler.setFormatter(JsonFormatter())
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False
    yield written
    LOGGER.removeHandler(handler)


def ids(span: Any) -> tuple[str, str]:
    context = span.get_span_context()
    return f"{context.trace_id:032x}", f"{context.span_id:016x}"


def test_a_line_has_the_ids_of_the_span_around_it(lines: list[dict[str, Any]]) -> None:
    exporter, plugin = warm()
    around: list[tuple[str, str]] = []

    def charge() -> None:
        around.append(ids(trace.get_current_span()))
        LOGGER.info("charging")

    async def workflow(event: Any, ctx: DurableContext) -> None:
        LOGGER.info("first")
        await ctx.step(charge, name="charge")
        await ctx.wait(SECOND)
        LOGGER.info("second")

    rig_of(workflow, options={"plugins": [plugin]}).run()
    first, charging, second = [(line["traceId"], line["spanId"]) for line in lines]
    emitted = {ids(span): span.name for span in Spans(exporter).all}
    assert [charging] == around
    assert "charge" in emitted[charging]
    assert emitted[first].lower().startswith("invocation")
    assert emitted[second].lower().startswith("invocation")
    assert first != second
    assert first[0] == charging[0] == second[0]


def test_a_span_of_a_library_counts_and_one_of_another_trace_does_not(
    lines: list[dict[str, Any]],
) -> None:
    exporter, plugin = warm()
    other = TracerProvider(shutdown_on_exit=False).get_tracer("other")

    def fetch() -> None:
        with other.start_as_current_span("GET"):
            LOGGER.info("inner")
        with other.start_as_current_span("apart", context=Context()):
            LOGGER.info("apart")

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(fetch, name="fetch")

    rig_of(workflow, options={"plugins": [plugin]}).run()
    inner, apart = lines
    emitted = {ids(span) for span in Spans(exporter).all}
    assert inner["traceId"] == apart["traceId"]
    assert (inner["traceId"], inner["spanId"]) not in emitted  # the library exports elsewhere
    assert (apart["traceId"], apart["spanId"]) in emitted


def test_lines_of_other_loggers_have_them_too() -> None:
    exporter, plugin = warm()
    written: list[Any] = []

    async def workflow(event: Any, ctx: DurableContext) -> None:
        render = structlog_renderer(
            lambda _logger, _method, event: written.append(dict(event)) or ""
        )
        structlog.wrap_logger(structlog.PrintLogger(), processors=[render]).info("x")

    rig_of(workflow, options={"plugins": [plugin]}).run()
    emitted = {ids(span) for span in Spans(exporter).all}
    assert {(line["trace_id"], line["span_id"]) for line in written} <= emitted


def test_without_a_trace_there_are_no_ids(lines: list[dict[str, Any]]) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        LOGGER.info("line")

    nothing = OpenTelemetryPlugin(tracer_provider=NoOpTracerProvider())
    for plugins in ([], [nothing]):
        rig_of(workflow, options={"plugins": plugins}).run()
    assert len(lines) == 2
    assert not any({"traceId", "spanId"} & line.keys() for line in lines)


def test_plugins_that_are_gone_are_not_asked() -> None:
    before = len(TRACERS)
    plugin = OpenTelemetryPlugin()
    assert len(TRACERS) == before + 1
    del plugin
    gc.collect()
    assert len(TRACERS) <= before

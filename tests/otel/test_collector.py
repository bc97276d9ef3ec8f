"""Traces go to a collector that the handler, an environment variable or `durable dev` names."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.trace import NoOpTracerProvider
from tests.cli.process import running
from tests.otel.receiver import Receiver, receiving
from tests.rig import rig_of

from durable_execution_sdk import ConfigError, DurableContext
from durable_execution_sdk.otel import OpenTelemetryPlugin
from durable_execution_sdk.otel.providers import _exporting

EXPORTER = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"

APP = """
from durable_execution_sdk import Duration, durable_execution
from durable_execution_sdk.otel import OpenTelemetryPlugin

@durable_execution(plugins=[OpenTelemetryPlugin(flush_seconds=30)])
async def order(event, ctx):
    await ctx.step(lambda: "ok", name="charge")
    await ctx.wait(Duration.from_seconds(1), name="pause")
"""


async def workflow(event: Any, ctx: DurableContext) -> str:
    return await ctx.step(lambda: "ok", name="work")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def received(receiver: Receiver) -> dict[str, list[Any]]:
    """Return the spans by the name of the service."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    spans: dict[str, list[Any]] = {}
    for body in receiver.bodies:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            named = {each.key: each.value.string_value for each in resource.resource.attributes}
            for scope in resource.scope_spans:
                spans.setdefault(named["service.name"], []).extend(scope.spans)
    return spans


@pytest.mark.otel
@pytest.mark.parametrize("is_argument", [True, False], ids=["argument", "variable"])
def test_a_collector_gets_the_traces_without_a_provider(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, *, is_argument: bool
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "orders")
    if not is_argument:
        monkeypatch.setenv(ENDPOINT, receiver.url)
    endpoint = receiver.url + "/" if is_argument else None
    plugin = OpenTelemetryPlugin(endpoint=endpoint, flush_seconds=30)
    try:
        assert rig_of(workflow, options={"plugins": [plugin]}).run().result == "ok"
    finally:
        provider: Any = plugin._providers._tracers
        provider.shutdown()
    names = {span.name for span in received(receiver)["orders"]}
    assert names == {"work attempt 1", "work", "Invocation", "Workflow"}


@pytest.mark.otel
@pytest.mark.parametrize("most", [None, "600"])
def test_a_slow_collector_loses_no_span_of_a_large_invocation(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, most: str | None
) -> None:
    """An execution may have 3,000 operations, each with a span and one for its attempt."""
    if most is not None:
        monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", most)
    provider: Any = _exporting(receiver.url)
    receiver.answers.clear()
    tracer = provider.get_tracer("orders")
    for _ in range(7_000):
        tracer.start_span("work").end()
    receiver.answers.set()
    provider.shutdown()
    (spans,) = received(receiver).values()
    assert len(spans) == 7_000 if most is None else len(spans) < 2_000


@pytest.mark.otel
def test_durable_dev_names_the_collector_to_its_functions(
    receiver: Receiver, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text(APP)
    words = ("dev", "app.py", "--port", "0", "--otlp-endpoint", receiver.url)
    with running(tmp_path, *words) as server:
        server.until("start one with")
        with running(tmp_path, "start", "order", "--name", "first") as start:
            start.until("first")
        server.until("ExecutionSucceeded")
    spans = received(receiver)["order"]
    assert sorted(span.name for span in spans) == [
        "Invocation",
        "Invocation",
        "Workflow",
        "charge",
        "charge attempt 1",
        "pause",
    ]
    assert len({span.trace_id for span in spans}) == 1


def test_a_missing_exporter_is_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, EXPORTER, None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'durable-execution-sdk\[otlp\]'"):
        OpenTelemetryPlugin(endpoint="http://localhost:4318")
    # A variable may be there for other code: the execution goes on, and one line says it.
    monkeypatch.setenv(ENDPOINT, "http://localhost:4318")
    options = {"plugins": [OpenTelemetryPlugin()]}
    for _ in range(2):
        assert rig_of(workflow, options=options).run().result == "ok"
    assert caplog.text.count("no traces are exported: an OTLP endpoint needs an exporter") == 1


def test_a_provider_and_an_endpoint_are_too_many() -> None:
    with pytest.raises(ConfigError, match="a tracer_provider or an endpoint, not both"):
        OpenTelemetryPlugin(tracer_provider=NoOpTracerProvider(), endpoint="http://localhost:4318")

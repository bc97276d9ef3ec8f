"""An execution that a client starts is in the trace of the code that starts it."""

from __future__ import annotations

import asyncio
from typing import Any

from opentelemetry.sdk.trace import TracerProvider
from tests.otel.tracing import Spans, parent_of, warm

from durable_execution_sdk import DurableContext, durable_execution
from durable_execution_sdk.client import SyncDurableClient
from durable_execution_sdk.emulator.clock import RealClock
from durable_execution_sdk.emulator.driver import Driver
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.functions.registry import Functions
from durable_execution_sdk.emulator.stores.memory import MemoryStore
from durable_execution_sdk.server.http_server import serve
from durable_execution_sdk.testing import LocalDurableTestRunner

TRACER = TracerProvider().get_tracer("web")


async def order(event: Any, ctx: DurableContext) -> str:
    return await ctx.step(lambda: "done", name="work")


def test_the_workflow_is_below_the_span_that_starts_it() -> None:
    exporter, plugin = warm()
    handler = durable_execution(plugins=[plugin])(order)
    runner = LocalDurableTestRunner(handler)

    async def start() -> int:
        async with runner.client() as client:
            with TRACER.start_as_current_span("POST /orders") as span:
                handle = await client.start(handler, "A-1", name="a")
            with TRACER.start_as_current_span("POST /orders, again"):
                again = await client.start(handler, "A-1", name="a")
            assert again.arn == handle.arn
            assert await handle.result() == "done"
            return span.get_span_context().span_id

    web = asyncio.run(start())
    spans = Spans(exporter)
    assert parent_of(spans.one("Workflow")) == web
    assert parent_of(spans.one("Invocation")) == web


def test_without_a_span_the_execution_has_a_trace_of_its_own() -> None:
    exporter, plugin = warm()
    handler = durable_execution(plugins=[plugin])(order)
    runner = LocalDurableTestRunner(handler).sync
    with runner.client() as client:
        client.start(handler, "A-1")
    runner.complete()
    assert parent_of(Spans(exporter).one("Workflow")) is not None


def test_the_trace_goes_over_http_and_from_a_thread_of_the_synchronous_client() -> None:
    exporter, plugin = warm()
    handler = durable_execution(plugins=[plugin])(order)
    functions = Functions()
    functions.add_durable("order", handler.bind)
    with (
        serve(Driver(Emulator(MemoryStore(), RealClock(), functions))) as server,
        SyncDurableClient(server.url, region="us-east-1") as client,
    ):
        starts = []
        for number in range(2):
            with TRACER.start_as_current_span(f"request {number}") as span:
                handle = client.start("order:$LATEST", number)
            assert handle.result(timeout=20) == "done"
            starts.append(span.get_span_context().span_id)
    assert [parent_of(span) for span in Spans(exporter).named("Workflow")] == starts

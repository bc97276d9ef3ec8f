"""In the invocation view, an operation has a span in each invocation that had it open."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from tests.otel.tracing import Cold, Spans, attributes_of, id_of, parent_of, warm
from tests.plugins.recorder import Recorder
from tests.replay.corpus import BY_NAME, CORPUS, Shape
from tests.replay.play import Play
from tests.replay.test_crash_everywhere import WAYS, crashed
from tests.rig import Ran, rig_of
from tests.sampling import thinned

from durable_execution_sdk import (
    ChildConfig,
    ConfigError,
    DurableContext,
    Duration,
    InvocationError,
    MapConfig,
    NestingType,
)
from durable_execution_sdk.emulator.faults.plan import When
from durable_execution_sdk.otel import OpenTelemetryPlugin, TraceView

SECOND = Duration.from_seconds(1)


def traced(workflow: Any, view: TraceView = TraceView.INVOCATION) -> tuple[Spans, Ran]:
    exporter, plugin = warm({"view": view})
    ran = rig_of(workflow, options={"plugins": [plugin]}).run()
    return Spans(exporter), ran


def status_of(span: ReadableSpan) -> str:
    return str(attributes_of(span)["durable.operation.status"])


def links_of(span: ReadableSpan) -> list[int]:
    return [link.context.span_id for link in span.links]


@pytest.mark.parametrize("shape", thinned(CORPUS), ids=lambda each: each.name)
def test_each_operation_ends_in_one_span_and_each_parent_is_there(shape: Shape) -> None:
    exporter, recorder = InMemorySpanExporter(), Recorder()
    cold = Cold(exporter, TraceView.INVOCATION)
    ran = Play(shape, keeps_states=False, options={"plugins": [cold, recorder]}).run()
    spans = Spans(exporter)
    assert spans.ended() == recorder.ends()
    assert set(spans.ids().values()) == {1}
    workflow = spans.one("Workflow")
    assert len(spans.named("Invocation")) == ran.invocations
    assert {parent_of(span) for span in spans.all} - set(spans.ids()) == {parent_of(workflow)}
    assert {attributes_of(span)["durable.execution.arn"] for span in spans.all} == {ran.arn}
    by_id = {id_of(span): span for span in spans.all}
    for span in spans.all:
        parent = by_id.get(parent_of(span) or 0)
        assert span.start_time is not None and span.end_time is not None
        assert span.start_time <= span.end_time
        if parent is not None:
            assert parent.start_time is not None and parent.start_time <= span.start_time
        if "durable.operation.id" in attributes_of(span):
            assert links_of(span)[-1] == id_of(workflow)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["steps", "children", "retries"])
def test_a_crash_repeats_no_span(name: str, way: When) -> None:
    for at in range(1, 20):
        exporter, plugin = warm({"view": TraceView.INVOCATION})
        play, _ = crashed(BY_NAME[name], at, way, options={"plugins": [plugin]})
        spans = Spans(exporter)
        assert set(spans.ids().values()) == {1}
        assert set(spans.ended().values()) <= {1}
        if play.calls < at:
            return


def test_a_suspended_operation_has_a_span_in_each_invocation_linked_to_the_first() -> None:
    async def item(ctx: DurableContext, item: int, index: int) -> None:
        await ctx.wait(Duration.from_hours(item), name=f"wait {item}")

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.map([1, 2], item, name="all")

    spans, _ = traced(workflow)
    invocations = spans.named("Invocation")
    statuses = [attributes_of(span)["durable.invocation.status"] for span in invocations]
    assert statuses == ["PENDING", "PENDING", "SUCCEEDED"]
    for name, seen in (
        ("wait 1", ["STARTED", "SUCCEEDED"]),
        ("wait 2", ["STARTED", "STARTED", "SUCCEEDED"]),
        ("map-item-1", ["STARTED", "STARTED", "SUCCEEDED"]),
        ("all", ["STARTED", "STARTED", "SUCCEEDED"]),
    ):
        segments = spans.named(name)
        assert [status_of(span) for span in segments] == seen
        codes = [StatusCode.OK if each == "SUCCEEDED" else StatusCode.UNSET for each in seen]
        assert [span.status.status_code for span in segments] == codes
        first, workflow_id = id_of(segments[0]), id_of(spans.one("Workflow"))
        assert [links_of(span) for span in segments] == [
            [workflow_id],
            *[[first, workflow_id] for _ in segments[1:]],
        ]
    parents = [parent_of(span) for span in spans.named("all")]
    assert parents == [id_of(span) for span in invocations]
    parents = [parent_of(span) for span in spans.named("map-item-1")]
    assert parents == [id_of(span) for span in spans.named("all")]


def test_an_operation_that_ended_between_invocations_takes_no_time_in_the_next() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.wait(Duration.from_hours(1), name="pause")

    spans, _ = traced(workflow)
    first, second = spans.named("pause")
    resumed = spans.named("Invocation")[1]
    assert parent_of(second) == id_of(resumed)
    assert second.start_time == second.end_time == resumed.start_time
    assert first.end_time is not None and second.start_time is not None
    assert second.start_time - first.end_time == pytest.approx(3600e9, rel=1e-4)


@pytest.mark.parametrize("view", TraceView)
def test_a_virtual_context_has_one_span_whatever_replays(view: TraceView) -> None:
    async def child(ctx: DurableContext) -> str:
        await ctx.wait(SECOND)
        return "done"

    async def item(ctx: DurableContext, item: int, index: int) -> int:
        return await ctx.step(lambda: item)

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.run_in_child_context(child, name="virtual", config=ChildConfig(virtual=True))
        await ctx.map([1, 2], item, name="all", config=MapConfig(nesting=NestingType.FLAT))
        await ctx.wait(SECOND)
        await ctx.wait(SECOND)

    exporter = InMemorySpanExporter()
    ran = rig_of(workflow, options={"plugins": [Cold(exporter, view)]}).run()
    assert ran.invocations == 4
    spans = Spans(exporter)
    for name, sub_type in (
        ("virtual", "RunInChildContext"),
        ("map-item-0", "MapIteration"),
        ("map-item-1", "MapIteration"),
    ):
        span = spans.one(name)
        assert attributes_of(span)["durable.operation.subtype"] == sub_type
        assert span.status.status_code is StatusCode.OK
    around = "Workflow" if view is TraceView.EXECUTION else "Invocation"
    assert parent_of(spans.one("virtual")) in {id_of(span) for span in spans.named(around)}


def test_an_unknown_view_is_refused() -> None:
    view: Any = "lambda"
    with pytest.raises(ConfigError, match=r"one of TraceView\.EXECUTION, TraceView\.INVOCATION"):
        OpenTelemetryPlugin(view=view)


@pytest.mark.parametrize("view", TraceView)
@pytest.mark.parametrize("end", ["suspended", "stopped", "timed out", "crashed"])
def test_an_execution_without_an_end_of_its_own_is_found_by_its_arn(
    view: TraceView, end: str
) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(lambda: None, name="work")
        if end == "crashed":
            raise InvocationError("out of reach")
        await ctx.wait(Duration.from_days(9), name="pause")

    exporter, plugin = warm({"view": view})
    rig = rig_of(workflow, options={"plugins": [plugin]}, execution_timeout=86_400)
    arn = rig.start()
    rig.drive(arn, until=rig.clock.now() + (90_000_000 if end == "timed out" else 1_000))
    if end == "stopped":
        rig.emulator.stop(arn)
    spans = Spans(exporter)
    assert {attributes_of(span)["durable.execution.arn"] for span in spans.all} == {arn}
    assert {"Invocation", "work", "work attempt 1"} <= {span.name for span in spans.all}
    assert spans.named("Workflow") == []
    invocations = spans.named("Invocation")
    status = "RETRYING" if end == "crashed" else "PENDING"
    assert {attributes_of(each)["durable.invocation.status"] for each in invocations} == {status}
    if end == "crashed":
        assert {each.status.status_code for each in invocations} == {StatusCode.UNSET}
        assert [event.name for event in invocations[0].events] == ["exception"]

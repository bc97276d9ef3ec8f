"""An execution continues the trace that the header of its invocation, or its input, names."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest
from opentelemetry import context
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
    set_span_in_context,
)
from tests.otel.tracing import Spans, parent_of, warm
from tests.rig import Rig, rig_of

from durable_execution_sdk import DurableContext, Duration
from durable_execution_sdk.otel import Upstream, w3c_parent, xray_parent
from durable_execution_sdk.otel.upstream import read_header, read_traceparent
from durable_execution_sdk.plugins import InvocationInfo
from durable_execution_sdk.protocol.control_plane import InvocationType, InvokeRequest

TRACE, PARENT = 0x5759E988BD862E3FE1BE46A994272793, 0x53995C3F42CD8AD8
HEADER = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
W3C = Upstream(0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7, is_sampled=True)


async def workflow(event: Any, ctx: DurableContext) -> None:
    await ctx.wait(Duration.from_seconds(1), name="pause")
    await ctx.step(lambda: None, name="work")


def started(rig: Rig, event: Any, header: str | None) -> str:
    return rig.emulator.start(
        InvokeRequest(
            function_name="workflow:$LATEST",
            payload=json.dumps(event).encode(),
            invocation_type=InvocationType.EVENT,
            trace_header=header,
        )
    )


def traced(
    event: Any = None, header: str | None = None, sampler: Sampler | None = None, **options: Any
) -> Spans:
    exporter, plugin = warm(options, **({} if sampler is None else {"sampler": sampler}))
    rig = rig_of(workflow, options={"plugins": [plugin]})
    assert rig.drive(started(rig, event, header)).status == "SUCCEEDED"
    return Spans(exporter)


def traces_of(spans: Spans) -> set[int]:
    return {span.context.trace_id for span in spans.all if span.context}


def parents_of_roots(spans: Spans) -> set[int | None]:
    return {parent_of(span) for span in spans.all if span.name in ("Workflow", "Invocation")}


def test_the_header_of_the_invocation_names_the_trace_and_the_parent() -> None:
    spans = traced(header=HEADER)
    assert traces_of(spans) == {TRACE}
    assert parents_of_roots(spans) == {PARENT}
    assert len(spans.all) == 6


def test_a_header_without_a_parent_names_the_trace() -> None:
    spans = traced(header=HEADER.replace(";Parent=53995c3f42cd8ad8", ""))
    assert traces_of(spans) == {TRACE}
    assert len(parents_of_roots(spans)) == 1
    assert parents_of_roots(spans).isdisjoint({None, PARENT, *spans.ids()})


def test_each_execution_has_a_trace_of_its_own_without_headers() -> None:
    first, second = traced(), traced(header="Root=1-zz-zz")
    assert traces_of(first).isdisjoint(traces_of(second))
    assert len(traces_of(first)) == len(parents_of_roots(first)) == 1
    assert traces_of(traced(header=HEADER, parents=())).isdisjoint({TRACE})


@pytest.mark.parametrize(
    "event", [{"traceparent": TRACEPARENT}, {"headers": {"Traceparent": TRACEPARENT, "a": "b"}}]
)
def test_w3c_headers_in_the_input_name_the_trace_and_come_first(event: Any) -> None:
    for spans in (traced(event), traced(event, HEADER)):
        assert traces_of(spans) == {W3C.trace_id}
        assert parents_of_roots(spans) == {W3C.span_id}
    assert traces_of(traced(event, HEADER, parents=[xray_parent, w3c_parent])) == {TRACE}


@pytest.mark.parametrize("event", [None, '"traceparent"', ["traceparent"], {"traceparent": 1}])
def test_an_input_without_w3c_headers_names_no_trace(event: Any) -> None:
    assert traces_of(traced(event, HEADER)) == {TRACE}


def test_an_input_with_a_number_of_any_length_names_its_trace() -> None:
    rest = '"n": ' + "1" * 5_000  # more digits than an int of Python is read from
    info = SimpleNamespace(execution_input=f'{{"traceparent": "{TRACEPARENT}", {rest}}}')
    assert w3c_parent(cast("Any", info)) == W3C


def test_a_reader_that_raises_names_no_trace(caplog: pytest.LogCaptureFixture) -> None:
    def broken(info: InvocationInfo) -> Upstream | None:
        raise RecursionError("too deep")

    assert traces_of(traced(None, HEADER, parents=[broken, xray_parent])) == {TRACE}
    assert "could not read the trace above" in caplog.text


def test_the_tracestate_goes_along() -> None:
    event = {"headers": {"traceparent": TRACEPARENT, "tracestate": "vendor=value"}}
    states = [span.context.trace_state for span in traced(event).all if span.context]
    assert {state.get("vendor") for state in states} == {"value"}


@pytest.mark.parametrize(
    ("decision", "sampler", "count"),
    [
        ("Sampled=0", ParentBased(ALWAYS_ON), 0),
        ("Sampled=0", ALWAYS_ON, 6),
        ("Sampled=1", ParentBased(ALWAYS_OFF), 6),
        ("Sampled=1", ALWAYS_OFF, 0),
        # Undecided: the sampler decides as for a trace that begins here.
        ("Sampled=?", ParentBased(ALWAYS_OFF), 0),
        ("Sampled=?", ParentBased(ALWAYS_ON), 6),
    ],
)
def test_the_sampler_gets_to_know_what_the_caller_decided(
    decision: str, sampler: Sampler, count: int
) -> None:
    assert len(traced(None, HEADER.replace("Sampled=1", decision), sampler).all) == count


def test_the_current_span_is_the_parent_of_an_invocation_if_it_is_of_the_trace() -> None:
    exporter, plugin = warm()
    rig = rig_of(workflow, options={"plugins": [plugin]})
    for trace_id, expected in ((TRACE, 0xABC), (TRACE + 1, PARENT)):
        ambient = SpanContext(trace_id, 0xABC, is_remote=False, trace_flags=TraceFlags(1))
        token = context.attach(set_span_in_context(NonRecordingSpan(ambient)))
        try:
            rig.drive(started(rig, trace_id, HEADER))
        finally:
            context.detach(token)
        spans = Spans(exporter)
        exporter.clear()
        assert {parent_of(span) for span in spans.named("Invocation")} == {expected}
        assert parent_of(spans.one("Workflow")) == PARENT


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Root=1-zz-zz;Parent=53995c3f42cd8ad8",
        "Root=2-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8",
        "Root=1-5759e988-bd862e3fe1be46a9942727;Parent=53995c3f42cd8ad8",
        "Root=1-00000000-000000000000000000000000;Parent=53995c3f42cd8ad8",
        "Parent=53995c3f42cd8ad8;Sampled=1",
    ],
)
def test_a_header_without_a_trace_is_none(header: str | None) -> None:
    assert read_header(header) is None


def test_the_parent_that_an_invoke_writes_gives_way_to_what_is_around() -> None:
    around = 0x1234
    upstream = Upstream(TRACE, PARENT, is_sampled=False)
    header = upstream.header(around)
    assert header.startswith(HEADER.replace("Sampled=1", "Sampled=0"))
    assert read_header(header) == Upstream(TRACE, around, is_sampled=False)
    assert read_header(f"Self=1-2; {header};Lineage=a:1|b:2") == read_header(header)
    # Lambda puts a parent of its own there.
    changed = header.replace("Parent=53995c3f42cd8ad8", "Parent=0000000000000001")
    assert read_header(changed) == Upstream(TRACE, 1, is_sampled=False)
    assert read_header(Upstream(TRACE, None, None).header()) == Upstream(TRACE, None, None)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (TRACEPARENT, W3C),
        (TRACEPARENT[:-1] + "0", W3C._replace(is_sampled=False)),
        ("01" + TRACEPARENT[2:] + "-later", W3C),
        (TRACEPARENT + "-more", None),
        ("ff" + TRACEPARENT[2:], None),
        (TRACEPARENT.upper(), None),
        ("00-" + "0" * 32 + "-00f067aa0ba902b7-01", None),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-" + "0" * 16 + "-01", None),
        ("", None),
        (None, None),
        (["00"], None),
    ],
)
def test_a_traceparent_is_read_as_the_recommendation_says(value: Any, expected: Any) -> None:
    assert read_traceparent(value) == expected

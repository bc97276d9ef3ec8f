"""Each operation, attempt and invocation has one span in one trace, after any replays and crashes."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased, TraceIdRatioBased
from opentelemetry.trace import NoOpTracerProvider, SpanKind, StatusCode
from tests.memory_service import MemoryService
from tests.otel.tracing import Cold, Spans, attributes_of, id_of, parent_of, warm
from tests.plugins.recorder import Recorder
from tests.replay.corpus import BY_NAME, CORPUS, Shape
from tests.replay.play import Play, Watched
from tests.replay.test_crash_everywhere import WAYS, crashed
from tests.rig import Ran, rig_of
from tests.virtual_time import virtual_time

from durable_execution_sdk import (
    CompletionConfig,
    ConfigError,
    DurableContext,
    DurableError,
    Duration,
    FixedDelay,
    InvokeError,
    MapConfig,
    NoRetry,
    ParallelConfig,
    StepConfig,
    durable_execution,
)
from durable_execution_sdk.emulator.faults.plan import When
from durable_execution_sdk.emulator.function_caller import Wrappers
from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.otel import OpenTelemetryPlugin, TraceView, Upstream
from durable_execution_sdk.otel.providers import Providers
from durable_execution_sdk.otel.upstream import read_header, w3c_parent
from durable_execution_sdk.testing import LocalDurableTestRunner
from durable_execution_sdk.version import __version__

SECOND = Duration.from_seconds(1)
TWICE = StepConfig(retry_strategy=FixedDelay(max_attempts=2, delay=Duration.from_seconds(5)))


def traced(workflow: Any, event: Any = None, **options: Any) -> tuple[Spans, Ran]:
    exporter, plugin = warm(**options)
    ran = rig_of(workflow, options={"plugins": [plugin]}).run(event)
    return Spans(exporter), ran


@pytest.mark.parametrize("shape", CORPUS, ids=lambda each: each.name)
def test_each_operation_has_one_span_in_one_tree_whichever_processes_replay(shape: Shape) -> None:
    exporter, recorder = InMemorySpanExporter(), Recorder()
    play = Play(shape, keeps_states=False, options={"plugins": [Cold(exporter), recorder]})
    ran = play.run()
    spans = Spans(exporter)
    assert set(spans.ids().values()) == {1}
    assert spans.ended() == recorder.ends()
    started = {info.id for info in recorder.infos("on_operation_start")}
    assert spans.operations().keys() - spans.ended().keys() <= started
    assert len({span.context.trace_id for span in spans.all if span.context}) == 1
    workflow = spans.one("Workflow")
    assert attributes_of(workflow)["durable.execution.status"] == ran.status
    assert {attributes_of(span)["durable.execution.arn"] for span in spans.all} == {ran.arn}
    # That of Workflow and Invocation is not emitted.
    around = parent_of(workflow)
    assert {parent_of(span) for span in spans.named("Invocation")} == {around}
    assert {parent_of(span) for span in spans.all} - set(spans.ids()) == {around}
    assert len(spans.named("Invocation")) == ran.invocations


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["steps", "children", "retries"])
def test_a_crash_adds_no_span_and_loses_none_of_an_operation(name: str, way: When) -> None:
    shape = BY_NAME[name]
    for at in range(1, 20):
        exporter, plugin = warm()
        cold = InMemorySpanExporter()
        play, ran = crashed(shape, at, way, options={"plugins": [plugin, Cold(cold)]})
        recorded = {
            event.id
            for event in ran.events
            if event.id and event.event_type.endswith(("Started", "Failed", "Succeeded"))
            if not event.event_type.startswith("Execution")
        }
        spans = Spans(exporter)
        assert spans.operations() == dict.fromkeys(recorded, 1)
        # A killed process loses spans. The next one emits them again if it can tell, that is if it was
        # invoked without a changed operation.
        again = Spans(cold)
        if name == "steps":
            assert set(again.operations()) == recorded
        for each in again.all:
            twins = [span for span in again.all if id_of(span) == id_of(each)]
            assert len({(span.name, span.end_time) for span in twins}) == 1
        if play.calls < at:
            return


def test_spans_have_the_times_and_the_parents_of_the_log() -> None:
    async def item(ctx: DurableContext, item: int, index: int) -> int:
        await ctx.wait(SECOND)
        return await ctx.step(lambda: item, name="inner")

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        await ctx.map([1, 2], item, name="all", config=MapConfig(max_concurrency=1))
        await ctx.wait(Duration.from_hours(1), name="pause")

    spans, ran = traced(workflow)
    root, batch = spans.one("Workflow"), spans.one("all")
    assert parent_of(batch) == id_of(root)
    for index, inner in enumerate(spans.named("inner")):
        assert parent_of(inner) == id_of(spans.one(f"map-item-{index}"))
        assert parent_of(spans.one(f"map-item-{index}")) == id_of(batch)
    pause = spans.one("pause")
    assert pause.start_time is not None and pause.end_time is not None
    assert pause.end_time - pause.start_time == pytest.approx(3600e9, rel=1e-4)
    first, last = ran.events[0], ran.events[-1]
    assert root.start_time == first.event_timestamp * 1_000_000
    assert root.end_time is not None and root.end_time <= last.event_timestamp * 1_000_000
    for span in spans.all:
        assert span.start_time is not None and span.end_time is not None
        assert span.start_time <= span.end_time
    invocations = spans.named("Invocation")
    assert {parent_of(span) for span in invocations} == {parent_of(root)}
    assert {span.kind for span in spans.all} == {SpanKind.INTERNAL}
    firsts = [attributes_of(span)["durable.invocation.first"] for span in invocations]
    assert (firsts[0], set(firsts[1:])) == (True, {False})
    assert {attributes_of(span)["durable.execution.arn"] for span in spans.all} == {ran.arn}


def test_attempts_are_spans_of_their_own_with_errors_and_retries_as_events() -> None:
    attempts = 0

    async def flaky() -> str:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            raise ValueError("not yet")
        return "ok"

    async def workflow(event: Any, ctx: DurableContext) -> str:
        return await ctx.step(flaky, name="flaky", config=TWICE)

    spans, _ = traced(workflow)
    step = spans.one("flaky")
    assert (step.status.status_code, attributes_of(step)["durable.attempt.number"]) == (
        StatusCode.OK,
        2,
    )
    first, second = (spans.one(f"flaky attempt {n}") for n in (1, 2))
    assert parent_of(first) == parent_of(second) == id_of(step)
    assert first.status.status_code is StatusCode.ERROR
    error, retry = first.events
    assert error.name == "exception"
    assert error.attributes is not None and retry.attributes is not None
    assert error.attributes["exception.type"] == "ValueError"
    assert error.attributes["exception.message"] == "not yet"
    assert "in flaky" in str(error.attributes["exception.stacktrace"])
    assert retry.name == "retry"
    assert retry.attributes["durable.attempt.next"] == 2
    assert retry.attributes["durable.retry.delay_seconds"] == pytest.approx(5, abs=0.1)
    assert not second.events
    invocations = {id_of(span) for span in spans.named("Invocation")}
    assert {link.context.span_id for span in (first, second) for link in span.links} == invocations


def test_an_attempt_that_a_step_timeout_ended_has_that_as_its_exception() -> None:
    async def slow() -> None:
        await asyncio.Event().wait()

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(slow, config=StepConfig(timeout=SECOND, retry_strategy=NoRetry()))

    with virtual_time():
        spans, _ = traced(workflow)
    for name in ("slow attempt 1", "slow"):
        (error,) = spans.one(name).events
        assert error.attributes is not None
        assert error.attributes["exception.type"] == "StepTimeoutError"


def test_failures_are_seen_from_the_operation_up_to_the_execution() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        def fails() -> None:
            raise LookupError("gone")

        await ctx.step(fails, name="fails", config=TWICE)

    spans, _ = traced(workflow)
    for name in ("fails", "Workflow"):
        assert spans.one(name).status.status_code is StatusCode.ERROR
        assert [event.name for event in spans.one(name).events] == ["exception"]
    codes = [span.status.status_code for span in spans.named("Invocation")]
    assert codes == [StatusCode.OK, StatusCode.ERROR]


def test_what_libraries_do_in_a_body_is_part_of_its_attempt() -> None:
    exporter, plugin = warm()
    provider: Any = plugin._providers._tracers
    library = provider.get_tracer("library")
    outside: list[Any] = []

    async def calls() -> None:
        with library.start_as_current_span("GET async"):
            pass

    def plain() -> None:
        with library.start_as_current_span("GET plain"):
            pass

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(calls)
        await ctx.step(plain)
        outside.append(trace.get_current_span().get_span_context().is_valid)

    rig_of(workflow, options={"plugins": [plugin]}).run()
    spans = Spans(exporter)
    assert parent_of(spans.one("GET async")) == id_of(spans.one("calls attempt 1"))
    assert parent_of(spans.one("GET plain")) == id_of(spans.one("plain attempt 1"))
    assert outside == [False]
    # Only spans of the plugin have pinned ids.
    assert id_of(spans.one("GET async")) not in {0, id_of(spans.one("calls"))}


def test_an_invoked_execution_continues_the_trace_and_its_own_invokes_do_too() -> None:
    exporter, plugin = warm()

    @durable_execution(plugins=[plugin])
    async def leaf(event: Any, ctx: DurableContext) -> Any:
        await ctx.wait(SECOND)
        return await ctx.step(lambda: event + 1, name="add")

    @durable_execution(plugins=[plugin])
    async def middle(event: Any, ctx: DurableContext) -> Any:
        await ctx.wait(SECOND)
        return await ctx.invoke("leaf:$LATEST", event, name="down")

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        return await ctx.invoke("middle:$LATEST", event, name="down")

    others = {"leaf": leaf, "middle": middle}
    rig = rig_of(workflow, options={"plugins": [plugin]}, others=others)
    assert rig.run(1).result == 2
    spans = Spans(exporter)
    assert len({span.context.trace_id for span in spans.all if span.context}) == 1
    assert set(spans.ids().values()) == {1}
    # Their workflows are side by side, below what is around the first.
    workflows = spans.named("Workflow")
    assert len(workflows) == 3
    assert len({parent_of(span) for span in workflows}) == 1
    assert {parent_of(span) for span in spans.named("down")} == {
        id_of(each) for each in workflows[1:]
    }


def test_a_plain_function_gets_the_header_too() -> None:
    exporter, plugin = warm()
    headers: list[str] = []

    def plain(event: Any, context: Any) -> None:
        headers.append(context.trace_header)

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.invoke("plain", name="call")

    rig_of(workflow, options={"plugins": [plugin]}, plain={"plain": plain}).run()
    call = Spans(exporter).one("call")
    assert call.context is not None
    (header,) = headers
    assert f";Parent={id_of(call):016x};" in header
    workflow = Spans(exporter).one("Workflow")
    assert read_header(header) == Upstream(
        call.context.trace_id, parent_of(workflow), is_sampled=True
    )


def test_a_wait_that_is_ended_early_is_no_error() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        pause = ctx.wait(SECOND, name="pause")
        await ctx.step(lambda: None)
        pause.cancel()
        await pause

    spans, ran = traced(workflow)
    assert ran.status == "SUCCEEDED"
    pause = spans.one("pause")
    assert attributes_of(pause)["durable.operation.status"] == "CANCELLED"
    assert pause.status.status_code is StatusCode.UNSET


def test_spans_that_a_processor_starts_within_ours_have_ids_of_their_own() -> None:
    exporter, plugin = warm()
    provider: Any = plugin._providers._tracers

    class Nosy(SpanProcessor):
        def on_start(self, span: Any, parent_context: Any = None) -> None:
            if not span.name.startswith("nosy"):
                tracer = provider.get_tracer("durable_execution_sdk", __version__)
                tracer.start_span(f"nosy about {span.name}").end()

    provider.add_span_processor(Nosy())

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(lambda: None, name="s")

    rig_of(workflow, options={"plugins": [plugin]}).run()
    spans = Spans(exporter)
    assert set(spans.ids().values()) == {1}
    assert len(spans.all) == 8


def test_a_provider_that_cannot_flush_fails_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(SpanProcessor):
        def force_flush(self, timeout_millis: int = 0) -> bool:
            raise OSError("no route")

    _, plugin = warm()
    provider: Any = plugin._providers._tracers
    provider.add_span_processor(Broken())

    async def workflow(event: Any, ctx: DurableContext) -> str:
        return "done"

    assert rig_of(workflow, options={"plugins": [plugin]}).run().result == "done"
    assert "OpenTelemetry could not export" in caplog.text


def test_an_execution_that_is_invoked_again_after_its_end_has_one_span() -> None:
    exporter, plugin = warm()

    async def workflow(event: Any, ctx: DurableContext) -> str:
        ctx.wait(SECOND, name="never awaited")
        return await ctx.step(lambda: "done", name="s")

    service = MemoryService()
    handler = durable_execution(plugins=[plugin])(workflow).bind(service)
    for _ in range(2):
        assert handler(service.event("1"), None)["Status"] == "SUCCEEDED"
    spans = Spans(exporter)
    for name in ("Workflow", "s", "never awaited"):
        assert len(spans.named(name)) == 1
    assert len(spans.named("Invocation")) == 2


def test_a_failed_invoke_is_an_error() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        try:
            await ctx.invoke("nowhere", name="call")
        except InvokeError:
            return "handled"
        return "unexpected"

    spans, ran = traced(workflow)
    assert ran.result == "handled"
    assert spans.one("call").status.status_code is StatusCode.ERROR
    assert spans.one("Workflow").status.status_code is StatusCode.OK


def test_a_trace_is_sampled_as_a_whole_or_not_at_all() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.wait(SECOND)
        await ctx.step(lambda: None, name="s")

    assert traced(workflow, sampler=ALWAYS_OFF)[0].all == []
    sizes = set()
    for _ in range(12):
        spans, _ = traced(workflow, sampler=ParentBased(TraceIdRatioBased(0.5)))
        sizes.add(len(spans.all))
    assert sizes <= {0, 6}


class _Stuck(SpanExporter):
    """An exporter that blocks until it is released."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.exported: list[ReadableSpan] = []

    def export(self, spans: Any) -> Any:
        self.go.wait(10)
        self.exported += spans


def test_an_exporter_that_hangs_does_not_hold_the_invocation(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        await ctx.wait(SECOND)
        return "done"

    stuck = _Stuck()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(stuck, schedule_delay_millis=600_000))
    plugin = OpenTelemetryPlugin(tracer_provider=provider, flush_seconds=0.01)
    with caplog.at_level(logging.WARNING):
        assert rig_of(workflow, options={"plugins": [plugin]}).run().result == "done"
    # Older versions of the OpenTelemetry SDK check this themselves.
    assert "did not export within 0.01 s" in caplog.text or "Timeout was exceeded" in caplog.text
    stuck.go.set()
    provider.shutdown()
    assert {span.name for span in stuck.exported} == {"Invocation", "WAIT", "Workflow"}


def test_a_flush_that_began_before_is_followed_by_another() -> None:
    """The one that runs may have passed the spans that have ended meanwhile."""
    begun, go = threading.Event(), threading.Event()
    flushes: list[int] = []

    class Slow(TracerProvider):
        def force_flush(self, timeout_millis: int = 30_000) -> bool:
            flushes.append(timeout_millis)
            begun.set()
            return go.wait(10)

    providers = Providers(Slow(shutdown_on_exit=False), None, None, 30)
    first, second = (threading.Thread(target=providers.flush) for _ in range(2))
    first.start()
    assert begun.wait(10)
    second.start()
    threading.Timer(0.1, go.set).start()
    for each in (first, second):
        each.join(10)
    assert len(flushes) == 2


def test_executions_that_end_at_the_same_time_flush_side_by_side() -> None:
    providers = Providers(TracerProvider(shutdown_on_exit=False), None, None, 30)
    failures: list[Exception] = []

    def flush_often() -> None:
        try:
            for _ in range(50):
                providers.flush()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=flush_often) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(30)
    assert failures == []


def test_spans_are_flushed_before_the_execution_is_suspended() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=600_000))
    exported: list[int] = []

    async def workflow(event: Any, ctx: DurableContext) -> None:
        exported.append(len(exporter.get_finished_spans()))
        await ctx.step(lambda: None, name="s")
        await ctx.wait(SECOND)

    plugin = OpenTelemetryPlugin(tracer_provider=provider, flush_seconds=30)
    rig_of(workflow, options={"plugins": [plugin]}).run()
    assert exported == [0, 3]
    provider.shutdown()


def points_of(reader: InMemoryMetricReader) -> dict[str, list[Any]]:
    data: Any = reader.get_metrics_data()
    measured = data.resource_metrics[0].scope_metrics[0].metrics
    return {metric.name: list(metric.data.data_points) for metric in measured}


def test_calls_that_failed_are_counted_apart() -> None:
    class Losing(Watched):
        calls = 0

        async def checkpoint(self, request: Any) -> Any:
            Losing.calls += 1
            if Losing.calls == 1:
                raise ServiceError("connection reset", status=None)
            return await self.plane.checkpoint(request)

    async def workflow(event: Any, ctx: DurableContext) -> str:
        return await ctx.step(lambda: "ok", name="s")

    reader = InMemoryMetricReader()
    meters = MeterProvider([reader], shutdown_on_exit=False)
    plugin = OpenTelemetryPlugin(tracer_provider=NoOpTracerProvider(), meter_provider=meters)
    wrappers = Wrappers(data_plane=Losing)
    assert rig_of(workflow, options={"plugins": [plugin]}, wrappers=wrappers).run().result == "ok"
    for name in ("calls", "updates", "bytes"):
        counted = {
            point.attributes["durable.checkpoint.failed"]: point.value
            for point in points_of(reader)[f"durable.checkpoint.{name}"]
        }
        assert counted.keys() == {True, False}
        assert name != "calls" or counted == {True: 1, False: 1}
    meters.shutdown()


def test_metrics_count_operations_calls_bytes_replays_and_attempts() -> None:
    reader = InMemoryMetricReader()
    meters = MeterProvider([reader], shutdown_on_exit=False)
    plugin = OpenTelemetryPlugin(tracer_provider=NoOpTracerProvider(), meter_provider=meters)

    async def workflow(event: Any, ctx: DurableContext) -> None:
        for i in range(3):
            await ctx.step(lambda: None, name=f"s{i}")
        await ctx.wait(SECOND)

    ran = rig_of(workflow, options={"plugins": [plugin]}).run()
    assert ran.status == "SUCCEEDED"
    points = points_of(reader)
    by_type = {
        point.attributes["durable.operation.type"]: point.value
        for point in points["durable.operations"]
    }
    assert by_type == {"STEP": 3, "WAIT": 1}
    kinds = {
        point.attributes["durable.operation.subtype"] for point in points["durable.operations"]
    }
    assert kinds == {"Step", "Wait"}
    assert points["durable.checkpoint.duration"][0].count == 4
    assert [point.value for point in points["durable.checkpoint.calls"]] == [4]
    assert [point.value for point in points["durable.checkpoint.updates"]] == [7]
    assert points["durable.checkpoint.bytes"][0].value > 500
    assert points["durable.attempt.duration"][0].count == 3
    assert [point.value for point in points["durable.operations.replayed"]] == [3]
    (share,) = points["durable.replay.share"]
    assert (share.min, share.max) == (0, 1)
    ends = {
        point.attributes["durable.invocation.status"]: point.value
        for point in points["durable.invocations"]
    }
    assert ends == {"PENDING": 1, "SUCCEEDED": 1}
    meters.shutdown()


def test_without_an_sdk_nothing_is_recorded_and_nothing_fails(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        return await ctx.step(lambda: "done")

    ran = rig_of(workflow, options={"plugins": [OpenTelemetryPlugin()]}).run()
    assert ran.result == "done"
    assert caplog.records == []


def test_a_provider_whose_tracers_take_no_ids_is_refused() -> None:
    class Tracer:
        pass

    class Foreign:
        def get_tracer(self, *_: Any) -> Any:
            return Tracer()

    foreign: Any = Foreign()
    with pytest.raises(ConfigError, match=r"TracerProvider of the OpenTelemetry SDK.*Foreign"):
        OpenTelemetryPlugin(tracer_provider=foreign)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"flush_seconds": -1}, "flush_seconds must be 0 or more"),
        ({"flush_seconds": float("inf")}, "flush_seconds must be 0 or more, and finite, not inf"),
        ({"flush_seconds": float("nan")}, "not nan"),
        ({"flush_seconds": "2"}, "not '2'"),
        ({"parents": ("w3c",)}, "parents is a sequence of functions"),
        ({"parents": "w3c"}, "parents is a sequence of functions"),
        ({"parents": w3c_parent}, "parents is a sequence of functions"),
        ({"endpoint": ""}, "endpoint is the URL of a collector"),
        ({"endpoint": "localhost:4318"}, "such as http://localhost:4318, not 'localhost:4318'"),
    ],
)
def test_options_that_cannot_be_are_refused(options: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        OpenTelemetryPlugin(**options)


def test_an_invocation_that_is_repeated_makes_no_other_spans() -> None:
    exporter, has_raised = InMemorySpanExporter(), False

    async def endless(child: DurableContext) -> None:
        await child.wait(SECOND, name="inner")

    async def workflow(event: Any, ctx: DurableContext) -> str:
        nonlocal has_raised
        ctx.set_status("packing")
        given_up = ctx.run_in_child_context(endless, name="given up")
        await ctx.step(lambda: None, name="s")
        given_up.cancel()
        await ctx.step(lambda: None, name="last")
        if not has_raised:
            has_raised = True
            raise DurableError.invocation("once more")
        return "done"

    ran = rig_of(workflow, options={"plugins": [Cold(exporter)]}).run()
    assert (ran.result, ran.invocations) == ("done", 2)
    spans = Spans(exporter)
    statuses = {
        (span.name, attributes_of(span)["durable.operation.status"])
        for span in spans.all
        if id_of(span) in spans.ids() and "durable.operation.status" in attributes_of(span)
    }
    assert statuses == {
        ("s", "SUCCEEDED"),
        ("last", "SUCCEEDED"),
        ("given up", "STARTED"),
        ("inner", "STARTED"),
    }
    assert len({id_of(span) for span in spans.all if span.name == "given up"}) == 1


@pytest.mark.parametrize("view", list(TraceView))
def test_what_ends_without_the_code_has_a_span_for_what_is_inside(view: TraceView) -> None:
    """A branch that a parallel leaves behind, a loser that is given up, and a wait that nothing awaits any more."""

    async def slow(ctx: DurableContext) -> None:
        await ctx.step(lambda: 1, name="in slow")
        await ctx.wait(Duration.from_hours(1), name="slow wait")

    async def quick(ctx: DurableContext) -> None:
        await ctx.wait(Duration.from_seconds(10), name="quick wait")

    def fail() -> None:
        raise ValueError("not yet")

    async def workflow(event: Any, ctx: DurableContext) -> None:
        first = ParallelConfig(completion=CompletionConfig.first_successful())
        await ctx.parallel({"slow": slow, "quick": quick}, name="both", config=first)
        later = ctx.wait(Duration.from_hours(2), name="never awaited")
        polls = ctx.step(fail, name="poll", config=TWICE)
        await ctx.race(polls, ctx.wait(SECOND, name="soon"), cancel_losers=True)
        await ctx.wait(SECOND, name="last")
        assert not later.done()

    exporter = InMemorySpanExporter()
    ran = rig_of(workflow, options={"plugins": [Cold(exporter, view)]}).run()
    assert ran.status == "SUCCEEDED"
    spans = Spans(exporter)
    assert set(spans.ids().values()) == {1}
    assert {parent_of(span) for span in spans.all} - {parent_of(spans.one("Workflow"))} <= set(
        spans.ids()
    )
    by_id = {id_of(span): span for span in spans.all}
    for span in spans.all:
        around = by_id.get(parent_of(span) or 0)
        assert around is None or (around.end_time or 0) >= (span.end_time or 0)
    if view is TraceView.EXECUTION:
        left = ("slow", "slow wait", "poll", "never awaited")
        for span in map(spans.one, left):
            assert attributes_of(span)["durable.operation.status"] == "STARTED"
            assert span.status.status_code is StatusCode.UNSET
        assert spans.one("slow").end_time == spans.one("both").end_time
        assert spans.one("never awaited").end_time == spans.one("Workflow").end_time


@pytest.mark.parametrize("where", ["on_start", "on_end"])
def test_a_processor_that_raises_costs_no_metric_and_no_flush(
    where: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(SpanProcessor):
        def force_flush(self, timeout_millis: int = 0) -> bool:
            flushes.append(timeout_millis)
            return True

    def broken(*_: Any, **__: Any) -> None:
        raise OSError("no disk")

    flushes: list[int] = []
    processor, reader = Broken(), InMemoryMetricReader()
    setattr(processor, where, broken)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    plugin = OpenTelemetryPlugin(
        tracer_provider=provider, meter_provider=MeterProvider([reader], shutdown_on_exit=False)
    )

    async def workflow(event: Any, ctx: DurableContext) -> str:
        await ctx.step(lambda: None)
        await ctx.wait(SECOND)
        return "done"

    ran = rig_of(workflow, options={"plugins": [plugin]}).run()
    assert ran.result == "done"
    assert len(flushes) == ran.invocations
    assert {"durable.operations", "durable.invocations", "durable.executions"} <= set(
        points_of(reader)
    )
    assert caplog.text.count("OpenTelemetry could not record a span") == ran.invocations
    assert "hook" not in caplog.text


@pytest.mark.parametrize("has_operations", [True, False])
def test_each_test_runner_has_its_spans_with_a_plugin_of_the_handler(has_operations: bool) -> None:
    """Each runner gives its first execution the same ARN."""
    exporter, plugin = warm()

    @durable_execution(plugins=[plugin])
    async def order(event: Any, ctx: DurableContext) -> None:
        if has_operations:
            await ctx.step(lambda: None, name="charge")
            await ctx.wait(SECOND, name="delivery")

    names: list[list[str]] = []
    for _ in range(2):
        assert LocalDurableTestRunner(order).run_sync(None).status == "SUCCEEDED"
        names.append([span.name for span in exporter.get_finished_spans()])
        exporter.clear()
    assert names[0] == names[1]
    expected = {"charge", "delivery", "Workflow"} if has_operations else {"Workflow"}
    assert expected <= set(names[0])

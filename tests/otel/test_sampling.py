"""A sampler decides once in an invocation, and its decision holds for all spans of the execution."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from tests.otel.tracing import Spans, attributes_of, parent_of, warm
from tests.rig import rig_of

from durable_execution_sdk import DurableContext, Duration
from durable_execution_sdk.otel import TraceView
from durable_execution_sdk.otel.identity import PinnedIds
from durable_execution_sdk.otel.providers import Providers


class Deciding(Sampler):
    """Decides as a function of the number of the question and of the name says."""

    def __init__(self, decide: Any) -> None:
        self.asked: list[str] = []
        self.decide = decide

    def should_sample(
        self,
        parent_context: Any,
        trace_id: int,
        name: str,
        kind: Any = None,
        attributes: Any = None,
        links: Any = None,
        trace_state: Any = None,
    ) -> SamplingResult:
        self.asked.append(name)
        return SamplingResult(
            self.decide(len(self.asked), name), {"sampled.by": "rule 7"}, trace_state
        )

    def get_description(self) -> str:
        return "deciding"


async def shop(event: Any, ctx: DurableContext) -> None:
    async def pack(inner: DurableContext) -> int:
        return await inner.step(lambda: 1, name="box")

    await ctx.step(lambda: 1, name="charge")
    await ctx.run_in_child_context(pack, name="pack")
    await ctx.wait(Duration.from_seconds(5), name="rest")


def keep(is_kept: bool) -> Decision:
    return Decision.RECORD_AND_SAMPLE if is_kept else Decision.DROP


@pytest.mark.parametrize("view", list(TraceView))
def test_a_sampler_that_counts_or_looks_at_names_leaves_no_gaps(view: TraceView) -> None:
    samplers = [
        Deciding(lambda number, _: keep(number < 3)),  # a limit of a rate
        Deciding(lambda _, name: keep(name != "charge")),
    ]
    for sampler in samplers:
        exporter, plugin = warm({"view": view}, sampler=sampler)
        rig_of(shop, options={"plugins": [plugin]}).run()
        spans = Spans(exporter)
        assert {"charge", "charge attempt 1", "pack", "box", "rest"} <= {
            span.name for span in spans.all
        }
        around = parent_of(spans.one("Workflow"))
        assert {parent_of(span) for span in spans.all} - {around} <= spans.ids().keys()
        assert sampler.asked == ["Workflow"] * 2
        assert {attributes_of(span)["sampled.by"] for span in spans.all} == {"rule 7"}


def test_a_sampler_that_drops_the_workflow_drops_all() -> None:
    current: list[Any] = []

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(lambda: current.append(trace.get_current_span()), name="step")

    exporter, plugin = warm(sampler=Deciding(lambda _, name: keep(name != "Workflow")))
    assert rig_of(workflow, options={"plugins": [plugin]}).run().status == "SUCCEEDED"
    assert Spans(exporter).all == []
    # What libraries record in a body knows that the trace is not sampled.
    (span,) = current
    assert span.get_span_context().is_valid
    assert not span.get_span_context().trace_flags.sampled


def test_spans_of_others_are_sampled_apart() -> None:
    class Nosy(SpanProcessor):
        def on_start(self, span: Any, parent_context: Any = None) -> None:
            if span.name == "charge":
                provider.get_tracer("nosy").start_span("noted").end()

    sampler = Deciding(lambda _, name: keep(name != "noted"))
    exporter, plugin = warm(sampler=sampler)
    provider: Any = plugin._providers._tracers
    provider.add_span_processor(Nosy())
    rig_of(shop, options={"plugins": [plugin]}).run()
    assert "noted" in sampler.asked
    assert "noted" not in {span.name for span in Spans(exporter).all}


@pytest.mark.parametrize("view", list(TraceView))
def test_only_the_parent_of_the_whole_is_remote(view: TraceView) -> None:
    exporter, plugin = warm({"view": view})
    rig_of(shop, options={"plugins": [plugin]}).run()
    remote = {span.name for span in Spans(exporter).all if span.parent and span.parent.is_remote}
    assert remote == {"Workflow", "Invocation"}


def test_threads_that_take_the_first_tracer_together_pin_the_same_ids() -> None:
    """A provider has one tracer for all, so what a slower thread replaced would be lost for a quicker one."""
    provider = TracerProvider(shutdown_on_exit=False)
    providers = [Providers(None, None, None, 0) for _ in range(2)]
    for each in providers:
        each._tracers = provider
    tracer: Any = provider.get_tracer("durable_execution_sdk", "")
    arrived = threading.Barrier(2)

    class Slow(type(tracer)):  # type: ignore[misc]
        """A tracer that lets both threads see the generator of the provider."""

        @property
        def id_generator(self) -> Any:
            generator = vars(self)["ids"]
            if not isinstance(generator, PinnedIds):
                try:
                    arrived.wait(0.2)
                except threading.BrokenBarrierError:
                    pass
            return generator

        @id_generator.setter
        def id_generator(self, generator: Any) -> None:
            vars(self)["ids"] = generator

    generator = vars(tracer).pop("id_generator")
    tracer.__class__ = Slow
    tracer.id_generator = generator
    provider.get_tracer = lambda *_: tracer  # type: ignore[method-assign]
    seen: list[Any] = []
    threads = [
        threading.Thread(target=lambda each=each: seen.append(each.tracer().id_generator))
        for each in providers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [type(each) for each in seen] == [PinnedIds, PinnedIds]
    assert seen[0] is seen[1]

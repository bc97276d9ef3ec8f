"""Random trees of maps and parallels: all invocations of an execution observe the same sequence."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.replay.corpus import ONE_TRY, RETRY, Probe, Shape, Workflow, seconds
from tests.replay.play import Play, extends, replay
from tests.replay.test_crash_everywhere import WAYS, crashed
from tests.replay.test_schedules import Schedule, fuzzed, schedules
from tests.rig import Ran
from tests.sampling import whole_or_sample

from durable_execution_sdk import (
    BatchResult,
    CheckpointingMode,
    CompletionConfig,
    DurableContext,
    ItemBatcher,
    MapConfig,
    NestingType,
    OperationError,
    ParallelConfig,
    StepConfig,
)
from durable_execution_sdk.protocol.operations import TERMINAL_STATUSES
from durable_execution_sdk.protocol.updates import OperationAction

Node = Any

leaves = st.one_of(
    st.just(("step",)),
    st.just(("retried",)),
    st.just(("fails",)),
    st.just(("raises",)),
    st.just(("callback",)),
    st.just(("left",)),
    st.just(("big",)),
    st.builds(lambda n: ("wait", n), st.integers(1, 9)),
)

rules = st.sampled_from(
    [
        None,
        CompletionConfig.all_completed(),
        CompletionConfig.first_successful(),
        CompletionConfig(min_successful=2),
        CompletionConfig(tolerated_failure_count=1),
        CompletionConfig(tolerated_failure_percentage=50),
    ]
)

options = st.fixed_dictionaries(
    {
        "completion": rules,
        "max_concurrency": st.sampled_from([None, 1, 2, 3]),
        "nesting": st.sampled_from(NestingType),
    }
)


def nested(nodes: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    bodies = st.lists(nodes, min_size=1, max_size=4)
    return st.one_of(
        st.builds(
            lambda body, chosen, source, batched: ("map", body, chosen, source, batched),
            bodies,
            options,
            st.sampled_from([list, iter, "async", "durable"]),
            st.sampled_from([None, 2]),
        ),
        st.builds(lambda body, chosen: ("parallel", body, chosen), bodies, options),
        st.builds(lambda body: ("child", body), bodies),
        st.builds(lambda body: ("gather", body), bodies),
    )


programs = st.lists(st.recursive(leaves, nested, max_leaves=9), min_size=1, max_size=3)


class Interpreter:
    """Runs a program as a workflow, and records its observations."""

    def __init__(self, probe: Probe) -> None:
        self.probe = probe

    async def run(
        self, nodes: list[Node], ctx: DurableContext, place: str, inside: str = ""
    ) -> Any:
        """Run nodes in sequence at a place in a context; a context is named after its place."""
        value = None
        for n, node in enumerate(nodes):
            here = f"{place}.{n}"
            try:
                value = await self.one(node, ctx, here, inside)
            except OperationError as error:
                value = self.probe.see(here, [error.error_type, str(error)], inside=inside)
            self.probe.see(here, value, inside=inside)
        return value

    async def one(self, node: Node, ctx: DurableContext, here: str, inside: str) -> Any:
        probe = self.probe
        match node:
            case ("step",):
                return await ctx.step(probe.body, here)
            case ("retried",):
                config = StepConfig(retry_strategy=RETRY)
                return await ctx.step(probe.fails, here, 2, config=config)
            case ("fails",):
                return await ctx.step(probe.fails, here, config=ONE_TRY)
            case ("raises",):
                if inside:
                    raise LookupError(here)
                return None
            case ("callback",):
                return await ctx.wait_for_callback(probe.gives, here.encode())
            case ("left",):
                ctx.wait(seconds(10_000))
                ctx.run_in_child_context(functools.partial(self.late, here))
                return "left"
            case ("big",):
                return await ctx.step(probe.body, here, "x" * 270_000)
            case ("wait", length):
                return await ctx.wait(seconds(length))
            case ("child", body):

                async def child(inner: DurableContext) -> Any:
                    return await self.run(body, inner, f"{here}c", f"{here}c")

                return await ctx.run_in_child_context(child)
            case ("gather", body):
                runs = (self.run([each], ctx, f"{here}g{i}", inside) for i, each in enumerate(body))
                return list(await asyncio.gather(*runs))
            case ("map", body, chosen, source, batched):
                return self.seen(await self.map(body, chosen, source, batched, ctx, here))
            case ("parallel", body, chosen):
                return self.seen(await self.parallel(body, chosen, ctx, here))
        raise AssertionError(node)

    async def late(self, here: str, ctx: DurableContext) -> None:
        await ctx.step(self.probe.body, f"{here} late")
        await ctx.wait(seconds(10_000))

    def map(
        self,
        body: list[Node],
        chosen: dict[str, Any],
        source: Any,
        batched: int | None,
        ctx: DurableContext,
        here: str,
    ) -> Any:
        async def item(inner: DurableContext, node: Node, index: int) -> Any:
            return await self.run([node], inner, f"{here}m{index}", f"{here}m{index}")

        async def batch(inner: DurableContext, nodes: list[Node], index: int) -> list[Any]:
            me = f"{here}b{index}"
            return [await self.run([node], inner, f"{me}.{n}", me) for n, node in enumerate(nodes)]

        async def slowly() -> AsyncIterator[Node]:
            for node in body:
                await asyncio.sleep(0)
                yield node

        async def durably() -> AsyncIterator[Node]:
            for n, node in enumerate(body):
                await ctx.step(self.probe.body, f"{here} source {n}")
                yield node

        sources: dict[Any, Any] = {"async": slowly, "durable": durably}
        items: Iterable[Node] | Iterator[Node] | AsyncIterator[Node]
        items = sources[source]() if source in sources else source(body)
        completion = _that_fits(chosen["completion"], len(body))
        if batched is None:
            config = MapConfig(**{**chosen, "completion": completion})
            return ctx.map(items, item, config=config)
        batcher = ItemBatcher(max_items=batched)
        config = MapConfig(**{**chosen, "completion": completion}, item_batcher=batcher)
        return ctx.map(items, batch, config=config)

    def parallel(
        self, body: list[Node], chosen: dict[str, Any], ctx: DurableContext, here: str
    ) -> Any:
        def branch(node: Node, n: int) -> Any:
            async def run(inner: DurableContext) -> Any:
                return await self.run([node], inner, f"{here}p{n}", f"{here}p{n}")

            return run

        completion = _that_fits(chosen["completion"], len(body))
        config = ParallelConfig(**{**chosen, "completion": completion})
        return ctx.parallel([branch(node, n) for n, node in enumerate(body)], config=config)

    @staticmethod
    def seen(batch: BatchResult[Any]) -> list[Any]:
        return [
            str(batch.completion_reason),
            *[[item.index, str(item.status), str(item.error), item.result] for item in batch],
        ]


def _that_fits(completion: CompletionConfig | None, count: int) -> CompletionConfig | None:
    if completion is not None and (completion.min_successful or 0) > count:
        return None
    return completion


def shape_of(program: list[Node]) -> Shape:
    def build(probe: Probe) -> Workflow:
        async def run(event: Any, ctx: DurableContext) -> Any:
            await Interpreter(probe).run(program, ctx, "")
            return "done"

        return run

    return Shape("program", build, strict=False, at_most_once=False, fails=False, tasks=True)


def check(shape: Shape, play: Play, ran: Ran, *, cuts: int) -> None:
    """Check that each invocation of an execution and every replay of its log observe the same sequence."""
    assert ran.status == "SUCCEEDED", ran.error
    observations = play.probe.observations
    for invocation in observations:
        # If it was cut short, its observations are the beginning of the sequence.
        assert extends(invocation, observations[-1])
    ended: set[str] = set()
    for update in play.updates:
        assert update.id not in ended, "something was recorded after the end"
        assert update.parent_id not in ended, "something was recorded in a context that is over"
        if update.action in (OperationAction.SUCCEED, OperationAction.FAIL):
            ended.add(update.id)
    states = play.snapshots
    chosen = [states[len(states) * n // cuts] for n in range(cuts)] + states[-1:] if states else []
    for state in chosen:
        statuses = {op.id: op.status for op in state.initial_execution_state.operations}
        again = replay(shape, state)
        assert extends(again.observed, observations[-1])
        for update in again.updates:
            assert statuses.get(update.id) not in TERMINAL_STATUSES
            assert statuses.get(update.parent_id or "") not in TERMINAL_STATUSES
    if chosen:
        assert extends(observations[-1], again.observed)


@whole_or_sample
def test_a_random_tree_observes_the_same_under_any_schedule(*, whole: bool) -> None:
    @settings(fuzzed, max_examples=150 if whole else 15)
    @given(program=programs, schedule=schedules)
    def observes_the_same(program: list[Node], schedule: Schedule) -> None:
        shape = shape_of(program)
        check(shape, *schedule.play(shape), cuts=6)

    observes_the_same()


@whole_or_sample
def test_a_random_tree_observes_the_same_though_its_process_dies(*, whole: bool) -> None:
    @settings(fuzzed, max_examples=40 if whole else 20)
    @given(
        program=programs,
        way=st.sampled_from(WAYS),
        at=st.integers(1, 12),
        mode=st.sampled_from(CheckpointingMode),
    )
    def observes_the_same(program: list[Node], way: str, at: int, mode: CheckpointingMode) -> None:
        shape = shape_of(program)
        play, ran = crashed(shape, at, way, mode)
        check(shape, play, ran, cuts=1)

    observes_the_same()

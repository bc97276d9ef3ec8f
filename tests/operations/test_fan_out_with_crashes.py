"""Random trees of everything at once, while time passes, answers come, and processes die.

Maps and parallels among timeouts, sagas, retried blocks, combinators and plain tasks. During each
invocation the clock moves on, and callbacks are answered by others than those who handed them out.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.operations.test_fan_out_fuzz import Interpreter, check, leaves, nested, options
from tests.replay.corpus import RETRY, Declined, Probe, Shape, Workflow, seconds
from tests.replay.play import Play, Watched
from tests.replay.test_crash_everywhere import WAYS
from tests.replay.test_schedules import TINY_PAGES, fuzzed
from tests.rig import Ran
from tests.sampling import whole_or_sample

from durable_execution_sdk import (
    CheckpointingMode,
    ChildContextError,
    CompletionConfig,
    DurableContext,
    FixedDelay,
    MapConfig,
    StepConfig,
    WithRetryConfig,
)
from durable_execution_sdk.emulator.clock import VirtualClock
from durable_execution_sdk.emulator.faults.injection import FaultyPlane
from durable_execution_sdk.emulator.faults.plan import When
from durable_execution_sdk.engine.limits import DEFAULT_LIMITS
from durable_execution_sdk.protocol.data_plane import (
    CheckpointRequest,
    CheckpointResponse,
    StatePage,
    StateRequest,
)
from durable_execution_sdk.runtime.run import Seam
from durable_execution_sdk.testing.faults import Faults

Node = Any

TWICE = WithRetryConfig(retry_strategy=FixedDelay(max_attempts=2, delay=seconds(2)))
delays = st.sampled_from([0.001, 0.003, 1, 2, 3.5, 6])
more_leaves = st.one_of(
    leaves,
    st.just(("answered",)),
    st.tuples(st.just("sleep"), delays),
)


def more_nested(nodes: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    bodies = st.lists(nodes, min_size=1, max_size=3)
    kinds = ["group", "first", "race", "any", "saga", "block", "give up", "queue"]
    return st.one_of(
        nested(nodes),
        st.tuples(st.just("timeout"), bodies, delays),
        st.tuples(st.sampled_from(kinds), bodies),
        st.tuples(st.just("clean"), bodies, options),
    )


programs = st.lists(st.recursive(more_leaves, more_nested, max_leaves=10), min_size=1, max_size=3)


class Everything(Interpreter):
    """Runs a program in which every operation may contain every other."""

    async def one(self, node: Node, ctx: DurableContext, here: str, inside: str) -> Any:
        probe = self.probe
        match node:
            case ("answered",):
                return await ctx.wait_for_callback(self.hand_out, here.encode())
            case ("sleep", delay):
                return await asyncio.sleep(delay, here)
            case ("timeout", body, delay):
                try:
                    async with asyncio.timeout(delay):
                        return await self.run(body, ctx, f"{here}t", inside)
                except TimeoutError:
                    return probe.see(here, "late", inside=inside)
            case ("saga", body):
                return await self.saga(body, ctx, here, inside)
            case ("block", body):
                return await self.block(body, ctx, here)
            case ("clean", body, chosen):
                return self.seen(await self.cleaning(body, chosen, ctx, here))
            case ("give up", body):
                return await self.give_up(body, ctx, here)
            case ("group" | "first" | "race" | "any" | "queue", body):
                runs = [self.run([each], ctx, f"{here}p{n}", inside) for n, each in enumerate(body)]
                return await getattr(self, node[0])(ctx, runs)
        return await super().one(node, ctx, here, inside)

    async def hand_out(self, callback_id: str, result: bytes) -> None:
        """Schedule the answer to a callback for later."""
        await self.probe.body("hand out")
        if isinstance(self.probe, LateAnswers):
            self.probe.unanswered.append((callback_id, result))

    async def group(self, ctx: DurableContext, runs: list[Any]) -> Any:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each) for each in runs]
        return [task.result() for task in tasks]

    async def first(self, ctx: DurableContext, runs: list[Any]) -> Any:
        tasks = [asyncio.create_task(each) for each in runs]
        done, pending = await asyncio.wait(tasks, timeout=4, return_when="FIRST_COMPLETED")
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        return sorted(tasks.index(task) for task in done)

    async def race(self, ctx: DurableContext, runs: list[Any]) -> Any:
        return await ctx.race(*runs)

    async def any(self, ctx: DurableContext, runs: list[Any]) -> Any:
        return await ctx.any(*runs)

    async def queue(self, ctx: DurableContext, runs: list[Any]) -> Any:
        queue: asyncio.Queue[int] = asyncio.Queue(len(runs))

        async def produce(n: int, run: Any) -> None:
            try:
                await run
            finally:
                await queue.put(n)

        async with asyncio.TaskGroup() as group:
            for n, each in enumerate(runs):
                group.create_task(produce(n, each))
            return [await queue.get() for _ in runs]

    async def saga(self, body: list[Node], ctx: DurableContext, here: str, inside: str) -> Any:
        try:
            async with ctx.saga() as saga:
                for n, each in enumerate(body):
                    await saga.step(self.probe.body, f"{here}s{n}", compensate=self.probe.body)
                    await self.one(each, ctx, f"{here}n{n}", inside)
                raise Declined(here, amount=len(body))
        except Declined as error:
            return error.amount

    async def block(self, body: list[Node], ctx: DurableContext, here: str) -> Any:
        async def attempt(inner: DurableContext) -> None:
            name = inner._context_state.name or ""
            await self.run(body, inner, f"{here}{name}", f"{here}{name}")
            raise Declined(name, amount=1)

        try:
            await ctx.with_retry(attempt, config=TWICE)
        except ChildContextError as error:
            return str(error)

    async def cleaning(
        self, body: list[Node], chosen: dict[str, Any], ctx: DurableContext, here: str
    ) -> Any:
        """Race branches: the first success ends it, and the others try durable clean-up."""

        async def item(inner: DurableContext, node: Node, index: int) -> Any:
            me = f"{here}c{index}"
            try:
                return await self.run([node], inner, me, me)
            finally:
                try:
                    await inner.step(self.probe.body, f"{me} cleans")
                finally:
                    await asyncio.sleep(0.0005)

        completion = CompletionConfig.first_successful()
        return await ctx.map(body, item, config=MapConfig(**{**chosen, "completion": completion}))

    async def give_up(self, body: list[Node], ctx: DurableContext, here: str) -> Any:
        async def item(inner: DurableContext, node: Node, index: int) -> Any:
            return await self.run([node], inner, f"{here}m{index}", f"{here}m{index}")

        probe, retried = self.probe, StepConfig(retry_strategy=RETRY)
        handles = [
            ctx.wait(seconds(50)),
            ctx.step(probe.fails, here, 3, config=retried),
            ctx.map(body, item),
        ]
        await ctx.wait(seconds(1))
        for handle in handles:
            handle.cancel()
        return [type(e).__name__ for e in await asyncio.gather(*handles, return_exceptions=True)]


@dataclass
class LateAnswers(Probe):
    """A probe whose callbacks are answered later."""

    unanswered: list[tuple[str, bytes]] = field(default_factory=list)


@dataclass(frozen=True)
class Course:
    """The schedule of an execution: the events while bodies run and calls are in flight."""

    seed: int
    batch: int
    pages: bool
    mode: CheckpointingMode
    dies_at: int
    way: When

    def play(self, shape: Shape) -> tuple[Play, Ran]:
        """Run a shape of program to its end."""
        chance = random.Random(self.seed)
        late = LateAnswers()
        faults = Faults().crash_at(checkpoint=self.dies_at, when=self.way)

        def happen() -> None:
            if late.unanswered and chance.random() < 0.4:
                place = chance.randrange(len(late.unanswered))
                late.answer(*late.unanswered.pop(place))
            if chance.random() < 0.3:
                play.rig.clock.advance(chance.choice([1, 400, 1000, 2500, 6000]))

        async def pause() -> None:
            for _ in range(chance.randrange(7)):
                await asyncio.sleep(0)
            happen()
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)

        class Slow(Watched):
            async def checkpoint(self, request: CheckpointRequest) -> CheckpointResponse:
                await pause()
                response = await self.plane.checkpoint(request)
                for _ in range(chance.randrange(7)):
                    await asyncio.sleep(0)
                return response

            async def get_state(self, request: StateRequest) -> StatePage:
                return await self.plane.get_state(msgspec.structs.replace(request, max_items=1))

        play = Play(
            shape,
            wrap=lambda plane, play: FaultyPlane(
                Slow(plane), faults, VirtualClock(), lambda arn: arn == play.arn
            ),
            begins=faults.invocation_begins,
            pause=pause,
            mode=self.mode,
            limits=TINY_PAGES if self.pages else DEFAULT_LIMITS,
            probe=late,
        )
        with mock.patch.object(Seam, "most_updates", self.batch):
            ran = play.run()
            while ran.status == "RUNNING" and late.unanswered:
                late.answer(*late.unanswered.pop())
                ran = play.rig.drive(play.arn)
        return play, ran


courses = st.builds(
    Course,
    seed=st.integers(0, 10_000),
    batch=st.sampled_from([1, 2, 3, 250]),
    pages=st.booleans(),
    mode=st.sampled_from([CheckpointingMode.BATCHED, CheckpointingMode.OPTIMISTIC]),
    dies_at=st.integers(1, 20),
    way=st.sampled_from(WAYS),
)


@whole_or_sample
def test_a_random_tree_observes_the_same_under_any_course(*, whole: bool) -> None:
    @settings(fuzzed, max_examples=100 if whole else 15)
    @given(program=programs, course=courses)
    def observes_the_same(program: list[Node], course: Course) -> None:
        def build(probe: Probe) -> Workflow:
            async def run(event: Any, ctx: DurableContext) -> Any:
                await Everything(probe).run(program, ctx, "")
                return "done"

            return run

        shape = Shape(
            "everything", build, strict=False, at_most_once=False, fails=False, tasks=True
        )
        check(shape, *course.play(shape), cuts=3)

    observes_the_same()

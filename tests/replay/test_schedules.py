"""Under many interleavings a workflow has the same ids and log, and replay repeats its observations."""

from __future__ import annotations

import asyncio
import functools
import random
from collections import Counter
from dataclasses import dataclass
from typing import Any
from unittest import mock

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.replay.corpus import CORPUS, RETRY, Probe, Shape, Workflow, seconds
from tests.replay.play import Play, Watched, extends, replay, signature
from tests.rig import Ran
from tests.sampling import thinned, whole_or_sample

from durable_execution_sdk import CheckpointingMode, ChildConfig, DurableContext, StepConfig
from durable_execution_sdk.engine.limits import DEFAULT_LIMITS, Limits
from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.protocol.data_plane import (
    CheckpointRequest,
    CheckpointResponse,
    StatePage,
    StateRequest,
)
from durable_execution_sdk.runtime.run import Seam

TINY_PAGES = Limits(first_page_items=1)

fuzzed = settings(
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@dataclass(frozen=True)
class Schedule:
    """The durations of calls and bodies, in turns of the loop, and the size of a batch."""

    seed: int
    batch: int = 250
    pages: bool = False
    losses: bool = False
    mode: CheckpointingMode = CheckpointingMode.BATCHED

    def play(self, shape: Shape) -> tuple[Play, Ran]:
        chance = random.Random(self.seed)

        async def pause() -> None:
            kind = chance.random()
            if kind < 0.02:
                await asyncio.sleep(0.0003)
            for _ in range(120 if kind > 0.99 else chance.randrange(6)):
                await asyncio.sleep(0)

        class Slow(Watched):
            async def checkpoint(self, request: CheckpointRequest) -> CheckpointResponse:
                await pause()
                response = await self.plane.checkpoint(request)
                await pause()
                if losing and chance.random() < 0.1:
                    raise ServiceError("connection reset", status=None)
                return response

            async def get_state(self, request: StateRequest) -> StatePage:
                await pause()
                return await self.plane.get_state(msgspec.structs.replace(request, max_items=1))

        losing = self.losses
        play = Play(
            shape,
            wrap=lambda plane, _: Slow(plane),
            pause=pause,
            mode=self.mode,
            limits=TINY_PAGES if self.pages else DEFAULT_LIMITS,
        )
        with mock.patch.object(Seam, "most_updates", self.batch):
            return play, play.run()


schedules = st.builds(
    Schedule,
    seed=st.integers(0, 10_000),
    batch=st.sampled_from([1, 2, 3, 250]),
    pages=st.booleans(),
    losses=st.booleans(),
    mode=st.sampled_from(CheckpointingMode),
)


@functools.cache
def undisturbed(shape: Shape) -> tuple[Play, Ran]:
    play = Play(shape)
    return play, play.run()


def check(shape: Shape, calm: tuple[Play, Ran], schedule: Schedule, *, cuts: int = 4) -> None:
    play, ran = schedule.play(shape)
    assert ran.status == calm[1].status, ran.error
    assert ran.result == calm[1].result
    assert Counter(signature(ran.events)) == Counter(signature(calm[1].events))
    last = play.probe.observations[-1]
    for observed in play.probe.observations:
        assert extends(observed, last)
    states = play.snapshots
    chosen = [states[len(states) * n // cuts] for n in range(cuts)] + states[-1:] if states else []
    for state in chosen:
        assert extends(replay(shape, state, schedule.mode).observed, last)
    assert extends(last, replay(shape, states[-1], schedule.mode).observed)


@pytest.mark.parametrize(
    "shape",
    thinned([each for each in CORPUS if not each.at_most_once and not each.strict], 2),
    ids=lambda each: each.name,
)
@whole_or_sample
def test_a_shape_does_the_same_under_any_schedule(shape: Shape, whole: bool) -> None:
    @settings(fuzzed, max_examples=5 if whole else 3)
    @given(schedule=schedules)
    def holds(schedule: Schedule) -> None:
        check(shape, undisturbed(shape), schedule)

    holds()


# Programs that Hypothesis generates.

Node = Any
leaves = st.one_of(
    st.just(("step",)),
    st.just(("retried",)),
    st.builds(lambda n: ("wait", n), st.integers(1, 9)),
    st.just(("callback",)),
    st.just(("poll",)),
    st.builds(lambda n: ("turns", n), st.integers(0, 4)),
)


def nested(nodes: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    bodies = st.lists(nodes, min_size=1, max_size=4)
    kinds = ["gather", "group", "child", "virtual", "spawn", "handles", "race", "queue"]
    return st.builds(lambda kind, body: (kind, body), st.sampled_from(kinds), bodies)


programs = st.lists(st.recursive(leaves, nested, max_leaves=8), min_size=1, max_size=4)


class Interpreter:
    """An interpreter that runs a program as a workflow."""

    def __init__(self, probe: Probe) -> None:
        self.probe = probe

    async def run(self, nodes: list[Node], ctx: DurableContext, place: str, inside: str) -> None:
        for n, node in enumerate(nodes):
            here = f"{place}.{n}"
            value = await self.one(node, ctx, here, inside)
            self.probe.see(here, value, inside=inside)

    async def one(self, node: Node, ctx: DurableContext, here: str, inside: str) -> Any:
        probe = self.probe
        match node:
            case ("turns", count):
                for _ in range(count):
                    await asyncio.sleep(0)
                return None
            case ("gather", body):
                await asyncio.gather(
                    *(self.run([n], ctx, f"{here}g{i}", inside) for i, n in enumerate(body))
                )
                return None
            case ("group", body):
                async with asyncio.TaskGroup() as group:
                    for i, n in enumerate(body):
                        group.create_task(self.run([n], ctx, f"{here}t{i}", inside))
                return None
            case ("spawn", body):
                task = asyncio.create_task(self.run(body, ctx, f"{here}s", inside))
                value = await ctx.step(probe.body, here)
                await task
                return value
            case ("race", body):
                tasks = {
                    asyncio.create_task(self.run([n], ctx, f"{here}r{i}", inside))
                    for i, n in enumerate(body)
                }
                while tasks:
                    done, tasks = await asyncio.wait(tasks, return_when="FIRST_COMPLETED")
                    probe.see(f"{here} done", len(done), inside=inside)
                return None
            case ("queue", body):
                return await self.queue(body, ctx, here, inside)
            case ("handles", body):
                handles = [self.start(n, ctx, f"{here}h{i}") for i, n in enumerate(body)]
                return len(await asyncio.gather(*handles))
            case _:
                return await self.start(node, ctx, here, inside)

    async def queue(self, body: list[Node], ctx: DurableContext, here: str, inside: str) -> Any:
        queue: asyncio.Queue[int] = asyncio.Queue()

        async def produce(i: int, node: Node) -> None:
            await self.one(node, ctx, f"{here}q{i}", inside)
            await queue.put(i)

        producers = [asyncio.create_task(produce(i, n)) for i, n in enumerate(body)]
        order = [await queue.get() for _ in body]
        self.probe.see(f"{here} order", order, inside=inside)
        await ctx.step(self.probe.body, here, len(order))
        await asyncio.gather(*producers)

    def start(self, node: Node, ctx: DurableContext, here: str, inside: str = "") -> Any:
        probe = self.probe
        match node:
            case ("retried",):
                config = StepConfig(retry_strategy=RETRY)
                return ctx.step(probe.fails, here, 2, name=f"retried{here}", config=config)
            case ("wait", length):
                return ctx.wait(seconds(length))
            case ("callback",):
                return ctx.wait_for_callback(probe.gives, here.encode())
            case ("poll",):
                from durable_execution_sdk import WaitForConditionConfig, poll_until

                until = poll_until(lambda n: n >= 2, initial_delay=seconds(2))

                async def look(state: int) -> int:
                    await probe.body(f"{here} {state}")
                    return state + 1

                config_ = WaitForConditionConfig(initial_state=0, wait_strategy=until)
                return ctx.wait_for_condition(look, config_)
            case (("child" | "virtual") as kind, body):
                virtual = ChildConfig(virtual=True) if kind == "virtual" else None

                async def child(inner: DurableContext) -> str:
                    await self.run(body, inner, here, here)
                    return here

                return ctx.run_in_child_context(child, config=virtual)
            case _:
                return ctx.step(probe.body, here, name=f"step{here}")


def program_shape(program: list[Node]) -> Shape:
    def build(probe: Probe) -> Workflow:
        async def run(event: Any, ctx: DurableContext) -> Any:
            await Interpreter(probe).run(program, ctx, "", "")
            return "done"

        return run

    return Shape("program", build, strict=False, at_most_once=False, fails=False, tasks=True)


@whole_or_sample
def test_a_random_program_does_the_same_under_any_schedule(whole: bool) -> None:
    @settings(fuzzed, max_examples=100 if whole else 25)
    @given(program=programs, schedule=schedules)
    def holds(program: list[Node], schedule: Schedule) -> None:
        shape = program_shape(program)
        play = Play(shape)
        calm = play.run()
        assert calm.status == "SUCCEEDED", calm.error
        check(shape, (play, calm), schedule, cuts=6)

    holds()

"""Ends that the service reports out of order keep their place on every replay."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import random
import textwrap
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.generated.oracle import Execution, check_execution
from tests.generated.programs import Program
from tests.generated.runner import Playing, compiled
from tests.generated.schedules import Schedule
from tests.memory_service import MemoryService
from tests.replay.corpus import CORPUS, Probe, Shape, Workflow, seconds
from tests.replay.play import Play, extends, replay
from tests.replay.test_schedules import program_shape, programs
from tests.rig import Ran
from tests.sampling import rotated, thinned, whole_or_sample

from durable_execution_sdk import (
    CallbackConfig,
    CheckpointingMode,
    DurableContext,
    MapConfig,
    durable_execution,
)
from durable_execution_sdk.emulator.clock import VirtualClock
from durable_execution_sdk.emulator.faults.injection import FaultyPlane
from durable_execution_sdk.emulator.faults.plan import When
from durable_execution_sdk.engine.limits import Limits
from durable_execution_sdk.ports import DataPlane, ForwardingDataPlane
from durable_execution_sdk.protocol.data_plane import (
    CheckpointRequest,
    CheckpointResponse,
    StatePage,
    StateRequest,
)
from durable_execution_sdk.replay.check import replay_history
from durable_execution_sdk.runtime.log import LATE_NEWS_NAME, LateNews
from durable_execution_sdk.testing.faults import Faults

fuzzed = settings(
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@dataclass
class Disorder:
    """A service that responds out of order, and steps of random duration."""

    seed: int
    mode: CheckpointingMode = CheckpointingMode.EAGER
    pages: bool = False
    faults: Faults = field(default_factory=Faults)

    def play(self, shape: Shape) -> tuple[Play, Ran]:
        chance = random.Random(self.seed)

        async def take_turns(most: int) -> None:
            for _ in range(chance.randrange(most)):
                await asyncio.sleep(0)

        async def pause() -> None:
            await take_turns(80)  # some bodies run while the ends of others are recorded

        def wrap(plane: DataPlane, play: Play) -> DataPlane:
            faulty = FaultyPlane(plane, self.faults, VirtualClock(), lambda arn: arn == play.arn)

            class Taking(ForwardingDataPlane):
                """A data plane whose calls take time, in which waits end."""

                async def checkpoint(self, request: CheckpointRequest) -> CheckpointResponse:
                    await take_turns(4)
                    play.rig.clock.advance(chance.randrange(1_500))
                    response = await faulty.checkpoint(request)
                    await take_turns(4)
                    return response

                async def get_state(self, request: StateRequest) -> StatePage:
                    if pages:
                        request = msgspec.structs.replace(request, max_items=1)
                    return await faulty.get_state(request)

                def now(self) -> int:
                    return plane.now()

            return Taking(faulty)

        pages = self.pages
        limits = Limits(late_news=self.seed, first_page_items=1 if pages else 1_000)
        play = Play(
            shape,
            wrap=wrap,
            pause=pause,
            limits=limits,
            mode=self.mode,
            begins=self.faults.invocation_begins,
        )
        return play, play.run()


disorders = st.builds(
    Disorder,
    seed=st.integers(0, 10_000),
    mode=st.sampled_from(CheckpointingMode),
    pages=st.booleans(),
)


def notes_of(ran: Ran) -> list[LateNews]:
    """Return the log's records of late ends."""
    found: list[LateNews] = []
    for event in ran.events:
        details = event.step_succeeded_details
        if event.name == LATE_NEWS_NAME and details is not None and details.result is not None:
            found.append(LateNews(**json.loads(details.result.payload or "{}")))
    return found


def beside_a_long_step(shape: Shape, turns: int = 600) -> Shape:
    """Run a workflow beside a long step, so that the handler will make another checkpoint."""

    async def long() -> None:
        for _ in range(turns):
            await asyncio.sleep(0)

    def build(probe: Probe) -> Workflow:
        inner = shape.build(probe)

        async def run(event: Any, ctx: DurableContext) -> Any:
            step = ctx.step(long)
            try:
                return await inner(event, ctx)
            finally:
                await step

        return run

    return dataclasses.replace(shape, build=build, strict=False)


def check(shape: Shape, disorder: Disorder) -> list[LateNews]:
    """Run a shape; assert that each invocation and a replay repeat the earlier observations."""
    play, ran = disorder.play(shape)
    assert ran.status == ("FAILED" if shape.fails else "SUCCEEDED"), ran.error
    for earlier, later in pairwise(play.probe.observations):
        assert extends(earlier, later)
    observations = play.probe.observations[-1]
    again = replay(shape, play.snapshots[-1], disorder.mode)
    assert extends(observations, again.observed)
    assert extends(again.observed, observations)
    assert {update.type for update in again.updates} <= {"EXECUTION"}
    report = replay_history(shape.handler(Probe()), ran.events, execution_arn=ran.arn)
    assert report.ok, str(report)
    return notes_of(ran)


@pytest.mark.parametrize("shape", thinned(CORPUS, first=1), ids=lambda each: each.name)
@whole_or_sample
def test_replay_of_a_shape_sees_what_was_seen_though_news_came_late(
    shape: Shape, whole: bool
) -> None:
    @settings(fuzzed, max_examples=5 if whole else 3)
    @given(disorder=disorders)
    def holds(disorder: Disorder) -> None:
        check(beside_a_long_step(shape), disorder)

    holds()


@whole_or_sample
def test_replay_of_a_random_program_sees_what_was_seen_though_news_came_late(whole: bool) -> None:
    @settings(fuzzed, max_examples=100 if whole else 20)
    @given(program=programs, disorder=disorders)
    def holds(program: list[Any], disorder: Disorder) -> None:
        check(beside_a_long_step(program_shape(program)), disorder)

    holds()


def shape_of(build: Any) -> Shape:
    return Shape("late", build, strict=False, at_most_once=False, fails=False, tasks=True)


def waits_beside_steps(probe: Probe) -> Workflow:
    """Start waits that end while steps run; the first observed end decides the next operation."""

    async def run(event: Any, ctx: DurableContext) -> Any:
        order: list[str] = []

        async def wait(n: int) -> None:
            await ctx.wait(seconds(n))
            probe.see("waited", n)
            order.append(f"w{n}")
            await ctx.step(probe.body, f"{order}", name=f"after {order[-1]}")

        async def work(k: int) -> None:
            for n in range(5):
                await ctx.step(probe.body, f"{k} {n}", name=f"work {k} {n}")
                probe.see("worked", (k, n))
                order.append(f"s{k}{n}")

        waits = [asyncio.create_task(wait(n)) for n in range(1, 6)]
        works = [asyncio.create_task(work(k)) for k in range(2)]
        pending: set[asyncio.Task[None]] = {*waits, *works}
        while pending:
            done, pending = await asyncio.wait(pending, return_when="FIRST_COMPLETED")
            names = sorted(str([*waits, *works].index(task)) for task in done)
            await ctx.step(probe.body, f"{names}", name=f"done {' '.join(names)}")
        return order

    return run


WAITS = beside_a_long_step(shape_of(waits_beside_steps), turns=1_500)
SEEDS = range(12)


@pytest.mark.parametrize("mode", CheckpointingMode)
def test_news_does_come_late_and_each_costs_one_operation(mode: CheckpointingMode) -> None:
    counts: Counter[int] = Counter()
    for seed in SEEDS:
        notes = check(WAITS, Disorder(seed, mode))
        assert len({note.late for note in notes}) == len(notes)
        counts[len(notes)] += 1
    assert sum(counts[n] for n in counts if n) > len(SEEDS) / 2, counts


def test_nothing_is_noted_while_a_service_keeps_the_order() -> None:
    play = Play(WAITS)
    assert notes_of(play.run()) == []


def calls_that_note(play: Play) -> list[int]:
    """Return the checkpoints that record a late end, if no other late end is unrecorded.

    There can be no record yet of ends that the service left out, or reported in the lost response.
    """
    return [
        call.number
        for call in play.log
        if any(update.name == LATE_NEWS_NAME for update in call.updates)
        and not call.left_out
        and call.told <= {update.id for update in call.updates}
    ]


@pytest.mark.parametrize(("way", "mode"), rotated(["after", "response_lost"], CheckpointingMode))
def test_a_crash_between_the_note_and_the_delivery_changes_nothing(
    way: When, mode: CheckpointingMode
) -> None:
    """The process dies after the record of the late end, and before its delivery."""
    crashes = 0
    for seed in SEEDS:
        calm, _ = Disorder(seed, mode).play(WAITS)
        for at in calls_that_note(calm):
            faults = Faults().crash_at(checkpoint=at, when=way)
            play, ran = Disorder(seed, mode, faults=faults).play(WAITS)
            assert not faults.left
            assert ran.status == "SUCCEEDED", ran.error
            last = play.probe.observations[-1]
            assert all(extends(each, last) for each in play.probe.observations)
            crashes += 1
    assert crashes >= 3


def test_a_service_whose_clock_stands_still_has_no_late_news() -> None:
    """Ends of one millisecond are reported in order: a context after its operations."""

    class Standing(MemoryService):
        def now(self) -> int:
            return 1_000

        async def checkpoint(self, request: CheckpointRequest) -> CheckpointResponse:
            names.extend(update.name for update in request.updates)
            self._now = 999
            return await super().checkpoint(request)

    names: list[str | None] = []

    async def body(n: int) -> int:
        return n

    @durable_execution
    async def workflow(event: int, ctx: DurableContext) -> list[int]:
        async def item(inner: DurableContext, n: int, index: int) -> int:
            return await inner.step(body, n)

        async def child(inner: DurableContext) -> list[int]:
            batch = await inner.map(range(3), item, config=MapConfig(max_concurrency=1))
            return batch.results()

        return await ctx.run_in_child_context(child)

    service = Standing()
    outcome = workflow.bind(service)(service.event("0"), None)
    assert outcome["Status"] == "SUCCEEDED", outcome
    assert outcome["Result"] == "[0,1,2]"
    assert LATE_NEWS_NAME not in names


def drops_what_ends_second(probe: Probe) -> Workflow:
    """Drop waits and callbacks that are seen to end after a step, whose name the next step has."""

    async def run(event: Any, ctx: DurableContext) -> Any:
        seen: list[bool] = []
        for n in range(6):
            lost: asyncio.Future[Any]
            if n % 2:
                lost = asyncio.gather(ctx.wait(seconds(1)))
            else:
                config = CallbackConfig[Any](timeout=seconds(1))
                callback = await ctx.create_callback(config=config)
                lost = asyncio.gather(callback, return_exceptions=True)
            other = ctx.step(probe.body, f"{n}", name="other")
            done, _ = await asyncio.wait([lost, other], return_when=asyncio.FIRST_COMPLETED)
            seen.append(probe.see("ended", lost in done))
            lost.cancel()
            await ctx.step(probe.body, f"next {n}", name=f"after {seen}")
        return seen

    return run


DROPS = beside_a_long_step(shape_of(drops_what_ends_second), turns=1_500)


@pytest.mark.parametrize("mode", CheckpointingMode)
def test_an_end_may_come_late_after_its_operation_was_dropped(mode: CheckpointingMode) -> None:
    late: Counter[str] = Counter()
    for seed in SEEDS:
        play, ran = Disorder(seed, mode).play(DROPS)
        kinds = {
            operation.id: operation.type
            for operation in play.snapshots[-1].initial_execution_state.operations
        }
        late.update(kinds[note.late] for note in notes_of(ran))
        check(DROPS, Disorder(seed, mode))
    assert late["WAIT"], late
    assert late["CALLBACK"], late


# Ends of operations that the code no longer awaits, by the generator's service, which holds ends back while
# a body runs. ``other`` ends after ``lost``, and is delivered first where the end of ``lost`` is held back.

HEADER = """
from tests.generated.program_api import *
from tests.generated import program_api

async def lasts(key, length):
    trace = program_api.WORLD
    trace.enter_body(key)
    if trace.frozen:
        await asyncio.get_running_loop().create_future()
    trace.running += 1
    try:
        await asyncio.sleep(length)
    finally:
        trace.running -= 1
    return key

async def loser(c, at, lost):
    other = c.step(lasts, f"{at}.other", 3, name="other")
    done, _ = await asyncio.wait([lost, other], return_when=asyncio.FIRST_COMPLETED)
    see(c, f"{at}.first", ["lost" if each is lost else "other" for each in done])
    lost.cancel()
    return see(c, f"{at}.next", await c.step(lasts, f"{at}.next", 1, name=f"after {len(done)} {lost in done}"))
"""

# How each operation is begun, so that ``lost.cancel()`` drops it.
LOST = {
    "an invoke": 'lost = asyncio.gather(c.invoke("echo:1", "1"))',
    "an invoke that is cancelled itself": 'lost = c.invoke("echo:1", "1")',
    "a wait": "lost = asyncio.gather(c.wait(seconds(1)))",
    "a callback": """
        made = await c.create_callback(config=CallbackConfig(timeout=seconds(1)))
        lost = asyncio.gather(made, return_exceptions=True)
        """,
    "a timer": "lost = asyncio.create_task(asyncio.sleep(1.5))",
}

AT_THE_END = "the end of the handler"
# Where the code runs: ``lost`` is begun there, ``at`` is the start of its keys.
PLACES = {
    "the handler": """
        async def workflow(event, c):
            long = c.step(lasts, "long", 9, name="long")
            at = "1"
            LOST
            out = await loser(c, at, lost)
            return out, see(c, "long", await long)
        """,
    "a virtual context": """
        async def workflow(event, c):
            long = c.step(lasts, "long", 9, name="long")
            async def inside(c):
                at = "1/2"
                LOST
                return await loser(c, at, lost)
            out = await c.run_in_child_context(inside, config=VIRTUAL)
            return out, see(c, "long", await long)
        """,
    "a context that is built again": """
        async def workflow(event, c):
            long = c.step(lasts, "long", 9, name="long")
            async def inside(c):
                at = "1/2"
                LOST
                return await loser(c, at, lost), "x" * 300_000
            out, _ = await c.run_in_child_context(inside, name="inside")
            return out, see(c, "long", await long)
        """,
    "a context that has ended": """
        async def workflow(event, c):
            long = c.step(lasts, "long", 9, name="long")
            async def inside(c):
                at = "1/2"
                LOST
                other = c.step(lasts, f"{at}.other", 3, name="other")
                done, _ = await asyncio.wait([lost, other], return_when=asyncio.FIRST_COMPLETED)
                return see(c, f"{at}.first", ["lost" if each is lost else "other" for each in done]), "x" * 300_000
            out, _ = await c.run_in_child_context(inside, name="inside")
            return out, see(c, "long", await long)
        """,
    AT_THE_END: """
        async def workflow(event, c):
            at = "1"
            LOST
            other = c.step(lasts, "other", 3, name="other")
            long = c.step(lasts, "long", 9, name="long")
            done, _ = await asyncio.wait([lost, other], return_when=asyncio.FIRST_COMPLETED)
            left = c.step(lasts, "left", 1, name="left")  # its START is the last call, which tells of the end
            return see(c, "first", ["lost" if each is lost else "other" for each in done])
        """,
}


def losing(place: str, lost: str) -> Program:
    """Return a program that drops an operation, in a place, if another one is seen to end first."""
    lines = textwrap.dedent(PLACES[place]).splitlines()
    begun = textwrap.dedent(LOST[lost]).strip()
    for n, line in enumerate(lines):
        if line.strip() == "LOST":
            lines[n] = textwrap.indent(begun, line[: -len("LOST")])
    return Program((), source=HEADER + "\n".join(lines) + "\n")


def noted_in(execution: Execution) -> list[LateNews]:
    """Return the records of late ends in the log of the generator's service."""
    return [
        msgspec.json.decode(op["StepDetails"]["Result"], type=LateNews)
        for op in execution.service.operations.values()
        if op.get("Name") == LATE_NEWS_NAME
    ]


class Withholding(Playing):
    """Runs a program with a service that holds back each end for as long as a body runs."""

    def _until_closed(self, execution: Execution, *args: Any, **options: Any) -> None:
        execution.service.holds_back = lambda: True
        super()._until_closed(execution, *args, **options)


@pytest.mark.parametrize(("place", "lost"), rotated(PLACES, LOST))
def test_an_end_that_comes_after_its_operation_was_dropped_keeps_its_place(
    place: str, lost: str
) -> None:
    program = losing(place, lost)
    playing = Withholding(program, compiled(program))
    for mode in CheckpointingMode:
        execution = playing.run(Schedule(1, mode, page=1, late=True))
        assert check_execution(playing, execution, 1) == [], str(execution.schedule)
        assert execution.invocations == 1
        if place == AT_THE_END and mode is CheckpointingMode.EAGER:
            # The last call went while a body ran: the end is not told before the execution has ended.
            assert execution.service.withholds_an_earlier_end
            continue
        (note,) = noted_in(execution)
        late, after = (execution.service.operations[each] for each in (note.late, note.after))
        assert after["Name"] == "other"
        assert late["EndTimestamp"] < after["EndTimestamp"]


@pytest.mark.parametrize(("place", "lost"), rotated(PLACES, ["an invoke", "a timer"]))
def test_a_crash_after_the_note_of_an_operation_that_was_dropped_changes_nothing(
    place: str, lost: str
) -> None:
    program = losing(place, lost)
    playing = Withholding(program, compiled(program))
    calm = playing.run(Schedule(1, late=True))
    # Before the note is in the log, the service lets no process die: nothing would tell what it had seen.
    crashes = 0
    for number in range(calm.calls - 2, calm.calls + 1):
        schedule = Schedule(1, crash=(number, "after"), late=True, cold=True)
        execution = playing.run(schedule)
        assert check_execution(playing, execution, 0) == [], str(schedule)
        if execution.trace.crashes:
            died_in = execution.trace.observations[0]
            crashes += died_in[:1] == calm.trace.observations[0][:1]
    assert crashes


@pytest.mark.parametrize("lost", LOST)
def test_nothing_is_noted_of_an_operation_that_was_dropped_before_it_ended(lost: str) -> None:
    program = losing("the handler", lost)
    playing = Playing(program, compiled(program))
    for seed in range(4):
        assert noted_in(playing.run(Schedule(seed, slow=True))) == []

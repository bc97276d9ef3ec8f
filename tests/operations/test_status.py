"""``ctx.set_status`` and ``ctx.progress``: what is recorded, when, and what it costs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from tests.operations.test_patched import Changing
from tests.replay.corpus import Shape
from tests.replay.play import last_status
from tests.replay.test_crash_everywhere import WAYS, crashed
from tests.rig import Ran, Rig, rig_of, run_workflow

from durable_execution_sdk import (
    CheckpointingMode,
    ConfigError,
    ContextMisuseError,
    DurableContext,
    Duration,
    ItemBatcher,
    MapConfig,
    NestingType,
    SerDesError,
    durable_execution,
)
from durable_execution_sdk.emulator.function_caller import Wrappers
from durable_execution_sdk.protocol.operations import is_status
from durable_execution_sdk.testing import LocalDurableTestRunner

Workflow = Callable[[Any, DurableContext], Awaitable[Any]]
MODES = list(CheckpointingMode)
BATCHED = CheckpointingMode.BATCHED
modes = pytest.mark.parametrize("mode", MODES)


class Calls:
    """A service that notes the names of the updates of each call that has any."""

    def __init__(self, told: Callable[[list[str]], None] = lambda _names: None) -> None:
        self.names: list[list[str]] = []
        self._told = told

    def wrap(self, plane: Any) -> Any:
        self.plane, self.now, self.get_state = plane, plane.now, plane.get_state
        return self

    async def checkpoint(self, request: Any) -> Any:
        names = [str(update.name) for update in request.updates]
        if names:
            self.names.append(names)
        response = await self.plane.checkpoint(request)
        self._told(names)
        return response


def run(workflow: Workflow, mode: CheckpointingMode = BATCHED) -> tuple[Ran, Calls]:
    calls = Calls()
    wrappers = Wrappers(data_plane=calls.wrap)
    ran = run_workflow(workflow, options={"checkpointing": mode}, wrappers=wrappers)
    assert ran.status == "SUCCEEDED", ran.error
    return ran, calls


def values(ran: Ran) -> list[Any]:
    return [
        json.loads(event.step_succeeded_details.result.payload or "null")
        for event in ran.events
        if is_status(event.id, event.name)
        and event.step_succeeded_details is not None
        and event.step_succeeded_details.result is not None
    ]


async def work(value: Any = None) -> Any:
    return value


def seconds(count: int) -> Duration:
    return Duration.from_seconds(count)


# What is recorded, and with which call.


@modes
def test_the_last_status_goes_with_the_next_call(mode: CheckpointingMode) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        ctx.set_status("replaced")
        ctx.set_status("reserving")
        await ctx.step(work, name="reserve")
        ctx.set_status({"phase": 2})
        await ctx.step(work, name="charge")

    ran, calls = run(workflow, mode)
    assert values(ran) == ["reserving", {"phase": 2}]
    assert [names[0] for names in calls.names if "status" in names] == ["status", "status"]

    async def plain(event: Any, ctx: DurableContext) -> None:
        await ctx.step(work, name="reserve")
        await ctx.step(work, name="charge")

    _, without = run(plain, mode)
    assert len(calls.names) == len(without.names)


def test_a_record_has_no_parent_and_takes_no_number() -> None:
    async def part(inner: DurableContext) -> None:
        inner.set_status("inside")
        await inner.step(work, name="inner")

    async def told(event: Any, ctx: DurableContext) -> None:
        ctx.set_status("begins")
        await ctx.run_in_child_context(part)

    async def silent(event: Any, ctx: DurableContext) -> None:
        await ctx.run_in_child_context(lambda inner: inner.step(work, name="inner"))

    ran, _ = run(told)
    records = [event for event in ran.events if is_status(event.id, event.name)]
    assert [event.parent_id for event in records] == [None] * len(records)
    assert len({event.id for event in records}) == len(records) == 1

    def ids(events: Any) -> set[tuple[str, Any]]:
        return {
            (str(e.name), e.id) for e in events if e.name == "inner" and not is_status(e.id, e.name)
        }

    assert ids(ran.events) == ids(run(silent)[0].events)


@modes
def test_a_status_before_a_long_wait_goes_with_its_start(mode: CheckpointingMode) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(work)
        ctx.set_status("waits for a year")
        await ctx.wait(Duration.from_days(300), name="year")

    rig = rig_of(workflow, options={"checkpointing": mode}, wrappers=Wrappers())
    arn = rig.start()
    ran = rig.drive(arn, until=rig.clock.now() + 1_000)
    assert ran.status == "RUNNING"
    assert values(ran) == ["waits for a year"]


@modes
def test_one_that_no_call_has_taken_is_sent_before_the_suspension(mode: CheckpointingMode) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        wait = ctx.wait(seconds(60), name="minute")
        await ctx.step(work, name="work")
        ctx.set_status("worked")
        await wait

    rig = rig_of(workflow, options={"checkpointing": mode})
    arn = rig.start()
    ran = rig.drive(arn, until=rig.clock.now() + 1_000)
    assert (ran.status, values(ran)) == ("RUNNING", ["worked"])
    assert values(rig.drive(arn)) == ["worked"]


@modes
def test_the_last_one_of_all_is_recorded_before_the_end(mode: CheckpointingMode) -> None:
    async def returns(event: Any, ctx: DurableContext) -> str:
        await ctx.step(work)
        ctx.set_status("done")
        return "ok"

    async def fails(event: Any, ctx: DurableContext) -> None:
        await ctx.step(work)
        ctx.set_status("at the checkout")
        raise ValueError("no")

    async def completes(event: Any, ctx: DurableContext) -> None:
        ctx.set_status("first")
        await ctx.step(work)
        ctx.set_status("completes", every=seconds(60))
        await ctx.complete_execution_success("early")

    for workflow, status, last in (
        (returns, "SUCCEEDED", "done"),
        (fails, "FAILED", "at the checkout"),
        (completes, "SUCCEEDED", "completes"),
    ):
        ran = run_workflow(workflow, options={"checkpointing": mode})
        assert (ran.status, values(ran)[-1]) == (status, last)


@modes
def test_it_is_shown_while_a_long_body_runs(mode: CheckpointingMode) -> None:
    shown = asyncio.Event()

    def told(names: list[str]) -> None:
        if "status" in names:
            shown.set()

    async def until_shown() -> None:
        async with asyncio.timeout(60):
            await shown.wait()

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(work)
        body = ctx.step(until_shown)
        await asyncio.sleep(0)
        ctx.set_status("the body runs")
        await body

    calls = Calls(told)
    ran = run_workflow(
        workflow, options={"checkpointing": mode}, wrappers=Wrappers(data_plane=calls.wrap)
    )
    assert ran.status == "SUCCEEDED", ran.error
    assert values(ran) == ["the body runs"]


def test_the_value_that_is_set_already_costs_nothing() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        for n in range(4):
            ctx.set_status("working")
            await ctx.step(work, n)
        ctx.set_status("another")
        ctx.set_status("working")
        await ctx.step(work)

    assert values(run(workflow)[0]) == ["working"]


# every=


@modes
def test_at_most_one_is_recorded_in_the_time_of_every(mode: CheckpointingMode) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        for n in range(100):
            ctx.progress(n + 1, 100, every=timedelta(hours=1))
            await ctx.step(work, n)

    ran, _ = run(workflow, mode)
    # The log's time passes by milliseconds here; the last one is recorded at the end.
    assert [each["done"] for each in values(ran)] == [1, 100]


@modes
def test_one_is_recorded_in_each_time_of_every(mode: CheckpointingMode) -> None:
    rigs: list[Rig] = []

    async def forty_seconds() -> None:
        rigs[0].clock.advance(40_000)

    async def workflow(event: Any, ctx: DurableContext) -> None:
        for n in range(9):
            ctx.set_status(n, every=seconds(60))
            await ctx.step(forty_seconds)

    rigs.append(rig_of(workflow, options={"checkpointing": mode}))
    ran = rigs[0].run()
    assert ran.status == "SUCCEEDED", ran.error
    found = values(ran)
    assert found[0] == 0
    assert found[-1] == 8
    assert all(later - earlier <= 3 for earlier, later in pairwise(found)), found
    times = [each.event_timestamp for each in ran.events if is_status(each.id, each.name)]
    # The last one of all is recorded at the end, whenever that is.
    assert all(later - earlier >= 60_000 for earlier, later in pairwise(times[:-1])), times


def test_the_last_value_is_recorded_once_its_time_has_come() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        for n in range(4):
            ctx.set_status(n, every=seconds(100))
            await ctx.step(work, n)
        wait, rest = ctx.wait(seconds(150)), asyncio.Event()

        async def other() -> None:
            await wait
            rest.set()

        task = asyncio.create_task(other())
        await rest.wait()
        ctx.set_status("later", every=seconds(100))
        await ctx.step(work)
        ctx.set_status("too soon", every=seconds(100))
        await ctx.step(work)
        ctx.set_status("now")
        await ctx.step(work)
        await task

    # 3 is recorded by the suspension.
    assert values(run(workflow)[0]) == [0, 3, "later", "now"]


def test_without_every_a_status_replaces_one_that_is_held_back() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        ctx.set_status("a")
        await ctx.step(work)
        ctx.set_status("held back", every=seconds(100))
        ctx.set_status("at once")
        await ctx.step(work)

    assert values(run(workflow)[0]) == ["a", "at once"]


# Replay, crashes and changed code.


@modes
def test_a_replaced_status_does_not_come_back(mode: CheckpointingMode) -> None:
    async def part(inner: DurableContext) -> None:
        inner.set_status("newer, of a context that replay does not run")
        await inner.step(work)

    async def workflow(event: Any, ctx: DurableContext) -> None:
        ctx.set_status("older, and replaced before it left")
        await ctx.run_in_child_context(part)
        for _ in range(3):
            await ctx.wait(seconds(10))

    ran, _ = run(workflow, mode)
    assert ran.invocations == 4
    # In eager mode the START of the context is a call.
    assert values(ran)[mode is CheckpointingMode.EAGER :] == [
        "newer, of a context that replay does not run"
    ]


@modes
@pytest.mark.parametrize("when", WAYS)
def test_a_crash_loses_no_status_of_code_that_runs_again(
    mode: CheckpointingMode, when: Any
) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(work, name="a")
        ctx.set_status("first")
        await ctx.step(work, name="b")
        # Early results come before the time of the record is known.
        every = None if mode is CheckpointingMode.OPTIMISTIC else Duration.from_hours(1)
        ctx.set_status("last", every=every)
        await ctx.step(work, name="c")
        await ctx.step(work, name="d")

    shape = Shape(
        "statuses",
        lambda _probe: workflow,
        strict=True,
        at_most_once=False,
        fails=False,
        tasks=False,
    )
    for at in range(1, 20):
        _, ran = crashed(shape, at, when, mode)
        assert ran.status == "SUCCEEDED"
        assert values(ran) == ["first", "last"], at
        if ran.invocations == 1:
            break
    else:
        pytest.fail("a crash at the 19th call is one too many")


class Coded:
    """The codes of a workflow whose calls of ``set_status`` are changed between invocations."""

    @staticmethod
    async def three(world: Any, ctx: DurableContext) -> None:
        ctx.set_status("one")
        await world.do(ctx, "a")
        ctx.set_status("two")
        await world.do(ctx, "b")
        ctx.set_status("three")
        await ctx.wait(seconds(10))
        ctx.set_status("four")
        await world.do(ctx, "c")

    @staticmethod
    async def fewer(world: Any, ctx: DurableContext) -> None:
        await world.do(ctx, "a")
        await world.do(ctx, "b")
        await ctx.wait(seconds(10))
        ctx.set_status("four, by other code")
        await world.do(ctx, "c")

    @staticmethod
    async def more(world: Any, ctx: DurableContext) -> None:
        for name in ("zero", "one"):
            ctx.set_status(name)
        await world.do(ctx, "a")
        for name in ("one and a half", "two"):
            ctx.set_status(name)
        await world.do(ctx, "b")
        ctx.set_status("three")
        ctx.set_status("three and a half")
        await ctx.wait(seconds(10))
        ctx.set_status("four, by other code")
        await world.do(ctx, "c")


@modes
@pytest.mark.parametrize("code", [Coded.fewer, Coded.more])
def test_calls_may_be_added_and_removed(mode: CheckpointingMode, code: Any) -> None:
    changing = Changing((1, Coded.three), (2, code), mode=mode)
    ran = changing.run()
    assert values(ran) == ["one", "two", "three", "four, by other code"]
    assert set(changing.world.runs.values()) == {1}


@modes
def test_an_error_of_divergence_records_no_status(mode: CheckpointingMode) -> None:
    async def other(world: Any, ctx: DurableContext) -> None:
        ctx.set_status("never")
        await world.do(ctx, "another")
        ctx.set_status("nor this")

    changing = Changing((1, Coded.three), (2, other), mode=mode)
    ran = changing.rig.run()
    assert ran.status == "FAILED"
    assert ran.error.error_type == "DeterminismError"
    assert values(ran) == ["one", "two", "three"]


def test_a_context_that_is_computed_again_sets_none() -> None:
    async def part(inner: DurableContext) -> str:
        inner.set_status("inside")
        await inner.step(work)
        inner.set_status("replaced")  # and recorded with the end of the context
        return "x" * 300_000

    async def workflow(event: Any, ctx: DurableContext) -> int:
        text = await ctx.run_in_child_context(part)
        ctx.set_status("outside")
        await ctx.wait(seconds(10))
        await ctx.wait(seconds(10))
        return len(text)

    ran, _ = run(workflow)
    assert ran.invocations == 3
    assert values(ran) == ["inside", "replaced", "outside"]


# What is refused.


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        ("x" * 3_999, ConfigError, r"4,001 bytes as JSON, and may have 4,000.*step"),
        ("ä" * 2_000, ConfigError, "4,002 bytes"),
        (float("nan"), SerDesError, "the value of ctx.set_status.*nan"),
        (object(), SerDesError, "the value of ctx.set_status"),
    ],
)
@pytest.mark.parametrize("is_replayed", [False, True])
def test_values_that_do_not_fit_are_refused(
    value: object, error: type[Exception], text: str, is_replayed: bool
) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        with pytest.raises(error, match=text):
            ctx.set_status(value)
        if is_replayed:
            await ctx.wait(seconds(1))
        return "ok"

    ran, _ = run(workflow)
    assert (ran.result, values(ran)) == ("ok", [])


def test_the_largest_value_fits() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        ctx.set_status("x" * 3_998)

    assert len(values(run(workflow)[0])[0]) == 3_998


def test_a_step_cannot_set_it() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        async def body() -> None:
            for call in (lambda: ctx.set_status("no"), lambda: ctx.progress(1, 2)):
                with pytest.raises(ContextMisuseError, match=r"inside a step.*move"):
                    call()

        def plain() -> None:
            with pytest.raises(ContextMisuseError, match="inside a step"):
                ctx.set_status("no")

        async def part(inner: DurableContext) -> None:
            with pytest.raises(ContextMisuseError, match="use the context that the function was"):
                ctx.set_status("no")
            await inner.step(work)

        await ctx.step(body)
        await ctx.step(plain)
        await ctx.run_in_child_context(part)
        return "ok"

    ran, _ = run(workflow)
    assert (ran.result, values(ran)) == ("ok", [])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((-1, 2), "done is -1"),
        (("3", 2), "done is '3'"),
        ((True, 2), "done is True"),
        ((1, float("inf")), "total is inf"),
        ((1, "10"), "total is '10'"),
        ((10**400, 10**401), "done is 1000"),
    ],
)
def test_progress_takes_numbers(arguments: Any, text: str) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        with pytest.raises(ConfigError, match=text):
            ctx.progress(*arguments)
        with pytest.raises(ConfigError, match=r"ctx.progress\(label="):
            ctx.progress(1, 2, label=3)  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match=r"ctx.progress\(every="):
            ctx.progress(1, 2, every=3)  # type: ignore[arg-type]

    assert values(run(workflow)[0]) == []


def test_an_amount_that_has_no_share_is_shown_as_any_other_status() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        ctx.set_status({"done": 10**400, "total": 3})

    result = LocalDurableTestRunner(durable_execution(workflow)).run_sync(None)
    assert result.custom_status == {"done": 10**400, "total": 3}
    assert 'status: {"done":1000' in str(result)


def test_progress_may_be_open_and_have_a_label() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        ctx.progress(3)
        await ctx.step(work)
        ctx.progress(0.5, 2.5, label="tons")
        await ctx.step(work)

    assert values(run(workflow)[0]) == [
        {"done": 3, "total": None},
        {"done": 0.5, "total": 2.5, "label": "tons"},
    ]


def test_any_value_that_is_json_can_be_set() -> None:
    @dataclass
    class Phase:
        name: str
        started: timedelta

    async def workflow(event: Any, ctx: DurableContext) -> None:
        for value in (None, Phase("a", timedelta(seconds=1)), [1, (2,)], "text"):
            ctx.set_status(value)
            await ctx.step(work)

    assert values(run(workflow)[0]) == [None, {"name": "a", "started": "PT1S"}, [1, [2]], "text"]


def test_a_serdes_of_the_handler_writes_it() -> None:
    class Wrapped:
        def serialize(self, value: Any, _context: Any) -> str:
            if value == "broken":
                raise ValueError("cannot")
            return json.dumps([value])

        def deserialize(self, payload: str, _context: Any) -> Any:
            return json.loads(payload)[0] if payload.startswith("[") else json.loads(payload)

    async def workflow(event: Any, ctx: DurableContext) -> None:
        with pytest.raises(SerDesError, match=r"cannot write the value of ctx.set_status: cannot"):
            ctx.set_status("broken")
        ctx.set_status("text")

    ran = run_workflow(workflow, options={"serdes": Wrapped()})
    assert ran.status == "SUCCEEDED", ran.error
    assert last_status(ran.events) == '["text"]'


# The progress of maps.


@modes
@pytest.mark.parametrize("nesting", list(NestingType))
def test_a_map_reports_its_progress(mode: CheckpointingMode, nesting: NestingType) -> None:
    async def item(inner: DurableContext, value: int, index: int) -> int:
        await inner.step(work, value)
        await inner.wait(seconds(10 * (index + 1)))
        return value

    async def workflow(event: Any, ctx: DurableContext) -> int:
        config = MapConfig(progress_every=seconds(25), nesting=nesting)
        return len(await ctx.map(range(5), item, "resize", config))

    ran, _ = run(workflow, mode)
    assert ran.result == 5
    done = [each["done"] for each in values(ran)]
    assert done == sorted(set(done))
    assert done[-1] == 5
    assert values(ran)[-1] == {"done": 5, "total": 5, "label": "resize"}


def test_a_map_that_runs_on_is_bounded_by_its_time() -> None:
    async def item(inner: DurableContext, value: int, index: int) -> int:
        return value

    async def workflow(event: Any, ctx: DurableContext) -> int:
        config = MapConfig(progress_every=Duration.from_hours(1), max_concurrency=2)
        return len(await ctx.map(range(200), item, config=config))

    ran, _ = run(workflow)
    assert [each["done"] for each in values(ran)][1:] == [200]


def test_a_map_counts_failures_and_items_of_groups_and_an_open_total() -> None:
    async def item(inner: DurableContext, group: list[int], index: int) -> list[int]:
        if index:
            raise ValueError(index)
        return group

    async def items() -> Any:
        for n in range(4):
            yield n

    async def workflow(event: Any, ctx: DurableContext) -> None:
        config = MapConfig(
            progress_every=seconds(1),
            item_batcher=ItemBatcher(max_items=2),
            max_concurrency=1,
        )
        await ctx.map(items(), item, "grouped", config)

    assert values(run(workflow)[0]) == [
        {"done": 2, "total": None, "label": "grouped"},
        {"done": 4, "total": None, "label": "grouped"},
    ]


def test_the_option_of_a_map_is_a_duration() -> None:
    with pytest.raises(ConfigError, match=r"MapConfig\.progress_every"):
        MapConfig(progress_every=True)  # type: ignore[arg-type]


@modes
def test_an_execution_that_goes_on_as_a_new_one_keeps_its_last_status(
    mode: CheckpointingMode,
) -> None:
    @durable_execution(checkpointing=mode)
    async def counts(event: int, ctx: DurableContext) -> int:
        ctx.set_status(f"{event} begins")
        await ctx.step(work, event)
        ctx.set_status(f"{event} ends", every=Duration.from_hours(1))
        if event:
            await ctx.continue_as_new(event - 1)
        return event

    async def look() -> None:
        runner = LocalDurableTestRunner(counts)
        async with runner.client() as client:
            handle = await client.start(counts, 1)
            assert await handle.result() == 0
            assert await handle.custom_status() == "0 ends"
            assert await handle.custom_status(follow=False) == "1 ends"

    asyncio.run(look())

"""Forks take over large results, results of contexts and the lineage; some are refused, in words."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace
from tests.fork.rig_of_forks import ForkRig, named, of, rig, text

from durable_execution_sdk import (
    ChildConfig,
    DurableContext,
    Duration,
    MapConfig,
    NoRetry,
    OnDivergence,
    StepConfig,
    durable_execution,
)
from durable_execution_sdk.client.fork import history_of
from durable_execution_sdk.emulator.data_plane import EmulatorDataPlane
from durable_execution_sdk.errors import ConfigError, ServiceError
from durable_execution_sdk.fork import chunks, seeding
from durable_execution_sdk.fork.chunks import Seed, chunk_updates, read_chunk, seed_from
from durable_execution_sdk.protocol.control_plane import PauseRequest
from durable_execution_sdk.protocol.history import HistoryEvent
from durable_execution_sdk.protocol.limits import MAX_PAYLOAD_BYTES
from durable_execution_sdk.rendering.documents import execution_document
from durable_execution_sdk.rendering.time_and_origin import lineage
from durable_execution_sdk.replay.check import replay_history

BIG = 270_000


def test_a_context_is_not_run_again_unless_its_payload_may_be_a_summary() -> None:
    runs: list[str] = []

    def child(name: str, size: int) -> Callable[[DurableContext], Any]:
        async def function(ctx: DurableContext) -> str:
            runs.append(name)
            return str(await ctx.step(lambda: name * size, name=f"in {name}"))

        return function

    def summarize(result: str) -> str:
        return json.dumps(f"{len(result)} letters")

    async def item(ctx: DurableContext, value: str, index: int) -> str:
        runs.append(value)
        return str(await ctx.step(lambda: value * (BIG if value == "M" else 1)))

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        summary = ChildConfig(summary_generator=summarize)
        values = [
            await ctx.run_in_child_context(child("a", 1), name="small"),
            await ctx.run_in_child_context(child("b", BIG), name="big"),
            await ctx.run_in_child_context(
                child("c", 1), name="small with summary", config=summary
            ),
            await ctx.run_in_child_context(
                child("d", BIG), name="big with summary", config=summary
            ),
            *(await ctx.map(["m", "n"], item, name="small map")).results(),
            *(await ctx.map(["M", "N"], item, name="big map")).results(),
        ]
        await ctx.step(lambda: None, name="last")
        return [f"{value[0]}{len(value)}" for value in values]

    forks = rig(workflow)
    origin = forks.run()
    assert origin.result == ["a1", f"b{BIG}", "c1", f"d{BIG}", "m1", "n1", f"M{BIG}", "N1"]
    runs.clear()
    ran = forks.fork(origin, "last")
    assert ran.result == origin.result
    assert set(runs) == {"b", "c", "d", "M"}
    assert [event.name for event in ran.events if event.step_started_details] == ["last"]


def test_changed_code_in_a_context_that_has_ended_does_not_matter() -> None:
    is_new = False

    async def child(ctx: DurableContext) -> str:
        if is_new:
            await ctx.wait(Duration.from_seconds(1))
        return str(await ctx.step(lambda: "new" if is_new else "old", name="inner"))

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        first = await ctx.run_in_child_context(child, name="first")
        second = await ctx.run_in_child_context(child, name="second")
        return [first, second]

    forks = rig(workflow)
    origin = forks.run()
    is_new = True
    assert forks.fork(origin, "second").result == ["old", "new"]
    assert forks.fork(origin).result == ["old", "old"]
    changed = forks.fork(origin, results={named(origin, "first"): text("by hand")})
    assert changed.result == ["by hand", "old"]


def test_the_result_of_a_context_that_is_open_can_be_given() -> None:
    async def child(ctx: DurableContext) -> str:
        await ctx.step(lambda: None, name="done")
        raise OSError("no")

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        return await ctx.run_in_child_context(
            child, name="child", config=ChildConfig(summary_generator=str)
        )

    forks = rig(workflow)
    origin = forks.run()
    assert origin.status == "FAILED"
    ran = forks.fork(origin, results={named(origin, "child"): text("by hand")})
    assert ran.result == "by hand"
    # A fork of it does not run the function either, which would raise.
    assert forks.fork(ran).result == "by hand"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"before": "nothing"}, "has no operation nothing"),
        ({"results": {"nothing": "1"}}, "there is no operation nothing"),
        ({"results": {"wait": "1"}}, "a wait has none"),
        ({"results": {"inner": "1"}}, "it is inside child context 'child'"),
        ({"before": "child", "results": {"last": "1"}}, "there is no operation"),
        ({"function": "workflow"}, "lacks a version or an alias"),
        ({"payload": "{"}, "the text of a JSON value"),
        ({"payload": "[" * 100_000 + "]" * 100_000}, "the text of a JSON value"),
        ({"payload": {"id": 8}}, "the input of a fork is given as a JSON text"),
        ({"payload": b"{}"}, "the input of a fork is given as a JSON text"),
        ({"payload": '"\ud800"'}, "cannot be written as UTF-8"),
        ({"results": {"last": {"id": 3}}}, "the result of operation .* is given as a JSON text"),
        ({"results": {"last": None}}, "the result of operation .* is given as a JSON text"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_started(
    options: dict[str, Any], words: str
) -> None:
    async def child(ctx: DurableContext) -> Any:
        return await ctx.step(lambda: 1, name="inner")

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        await ctx.wait(Duration.from_seconds(1), name="wait")
        await ctx.run_in_child_context(child, name="child")
        return await ctx.step(lambda: 2, name="last")

    forks = rig(workflow)
    origin = forks.run()

    def by_id(name: str) -> str:
        return name if name == "nothing" else named(origin, name)

    if "before" in options:
        options = {**options, "before": by_id(options["before"])}
    if "results" in options:
        options = {**options, "results": {by_id(k): v for k, v in options["results"].items()}}
    with pytest.raises(ConfigError, match=words):
        forks.start_fork(origin.arn, **options)
    assert len(forks.emulator.store.search(everything())) == 1


def everything() -> Any:
    from durable_execution_sdk.emulator.stores.store import Search

    return Search()


def waiting() -> ForkRig:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        await ctx.step(lambda: 1, name="first")
        await ctx.wait(Duration.from_days(1), name="wait")
        return await ctx.step(lambda: 2, name="last")

    return rig(workflow)


def test_a_running_origin_is_refused_unless_it_is_stopped() -> None:
    forks = waiting()
    arn = forks.rig.start()
    forks.rig.drive(arn, until=forks.rig.clock.now() + 1_000)
    with pytest.raises(ConfigError, match="would both go on"):
        forks.start_fork(arn)
    assert forks.rig.ran(arn).status == "RUNNING"
    with pytest.raises(ConfigError, match="the code at hand cannot go on from there: it differs"):
        forks.start_fork(arn, stop=True, rehearse=lambda plan: "it differs")
    assert forks.rig.ran(arn).status == "RUNNING"
    fork_arn = forks.start_fork(arn, stop=True)
    stopped = forks.rig.ran(arn)
    assert stopped.status == "STOPPED"
    assert fork_arn.split("/")[-2] in stopped.error.error_message
    assert forks.rig.drive(fork_arn).result == 2


@pytest.mark.parametrize("is_input", [True, False])
def test_an_envelope_that_is_too_large_is_refused_before_the_origin_is_stopped(
    is_input: bool,
) -> None:
    forks = waiting()
    arn = forks.rig.start()
    origin = forks.rig.drive(arn, until=forks.rig.clock.now() + 1_000)
    large = text("x" * MAX_PAYLOAD_BYTES)
    changed = {"payload": large} if is_input else {"results": {named(origin, "first"): large}}
    with pytest.raises(ConfigError, match=f"the service takes {MAX_PAYLOAD_BYTES}"):
        forks.start_fork(arn, stop=True, **changed)
    assert forks.rig.ran(arn).status == "RUNNING"


def test_a_fork_whose_start_fails_says_that_its_origin_was_stopped() -> None:
    forks = waiting()
    arn = forks.rig.start()
    forks.rig.drive(arn, until=forks.rig.clock.now() + 1_000)
    forks.emulator.functions.add_plain("greet", lambda _event, _context: "hello")
    with pytest.raises(ConfigError, match=r"was stopped, and .* failed: .*not a durable function"):
        forks.start_fork(arn, stop=True, function="greet:$LATEST")
    assert forks.rig.ran(arn).status == "STOPPED"
    assert forks.rig.drive(forks.start_fork(arn)).result == 2


@pytest.mark.parametrize("on_divergence", list(OnDivergence))
def test_an_input_of_a_fork_that_has_fitted_no_code_fails_it(on_divergence: OnDivergence) -> None:
    async def workflow(event: int, ctx: DurableContext) -> int:
        await ctx.step(lambda: 1, name="first")
        await ctx.wait(Duration.from_days(1), name="wait")
        return event

    forks = rig(workflow, options={"on_divergence": on_divergence})
    origin = forks.run(7)
    arn = forks.start_fork(origin.arn, before=named(origin, "wait"), payload=text("seven"))
    ran = forks.rig.drive(arn, until=forks.rig.clock.now() + 60_000)
    assert (ran.status, ran.error.error_type) == ("FAILED", "SerDesError")
    assert forks.fork(origin, "wait", payload=text(8)).result == 8


def test_another_function_runs_the_fork() -> None:
    @durable_execution
    async def better(event: Any, ctx: DurableContext) -> Any:
        first = await ctx.step(lambda: "again", name="first")
        return f"better {first}"

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        first = await ctx.step(lambda: "first", name="first")
        raise OSError(first)

    forks = rig(workflow, others={"better": better})
    origin = forks.run()
    ran = forks.fork(origin, function="better:$LATEST")
    assert (ran.status, ran.result) == ("SUCCEEDED", "better first")
    assert ":function:better:" in ran.arn
    assert of(ran, f"forked from {origin.arn.split('/')[-2]} (1 of 1)")


def failing() -> ForkRig:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        await ctx.step(lambda: 1, name="first")
        return await ctx.step(lambda: 2, name="last", config=StepConfig(retry_strategy=NoRetry()))

    return rig(workflow)


def without_data(page: Any) -> Any:
    return replace(page, events=[_without_data(event) for event in page.events])


def _without_data(event: HistoryEvent) -> HistoryEvent:
    details = event.step_succeeded_details
    if details is None:
        return event
    cut = replace(details.result, payload=None, truncated=True)
    return replace(event, step_succeeded_details=replace(details, result=cut))


def test_a_history_without_data_is_refused_by_the_client_and_by_the_handler(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    forks = failing()
    origin = forks.run()
    fork_arn = forks.start_fork(origin.arn)
    changed = changed_history(monkeypatch, without_data)
    ran = forks.rig.drive(fork_arn)
    assert ran.status == "FAILED"
    assert (
        "cannot begin: the history lacks the data of event StepSucceeded" in ran.error.error_message
    )
    assert changed == [origin.arn]
    assert ran.types() == ["ExecutionStarted", "InvocationCompleted", "ExecutionFailed"]

    history = forks.control.history

    async def cut(request: Any) -> Any:
        return without_data(await history(request))

    monkeypatch.setattr(forks.control, "history", cut)
    with pytest.raises(ConfigError, match="lacks the data"):
        forks.start_fork(origin.arn)
    # What the fork does anew needs no data.
    assert forks.start_fork(origin.arn, before=named(origin, "first"))


def changed_history(monkeypatch: pytest.MonkeyPatch, change: Callable[[Any], Any]) -> list[str]:
    """Change the histories that handlers read; return the ARNs that they ask for."""
    read: list[str] = []
    history = EmulatorDataPlane.history

    async def changed(plane: Any, request: Any) -> Any:
        read.append(request.durable_execution_arn)
        return change(await history(plane, request))

    monkeypatch.setattr(EmulatorDataPlane, "history", changed)
    return read


def test_a_role_without_the_permission_is_told_which_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(page: Any) -> Any:
        raise ServiceError("not authorized", code="AccessDeniedException", status=403)

    forks = failing()
    origin = forks.run()
    changed_history(monkeypatch, refuse)
    ran = forks.fork(origin)
    assert ran.status == "FAILED"
    assert "lambda:GetDurableExecutionHistory" in ran.error.error_message


def test_a_service_that_is_down_is_asked_again_by_the_next_invocation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left = [1, 1]

    def fail(page: Any) -> Any:
        if left:
            left.pop()
            raise ServiceError("try again", status=500)
        return page

    forks = failing()
    origin = forks.run()
    changed_history(monkeypatch, fail)
    ran = forks.fork(origin)
    assert (ran.status, ran.result, ran.invocations) == ("SUCCEEDED", 2, 3)


def test_a_history_that_changes_between_two_chunks_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 300)
    monkeypatch.setattr(seeding, "MAX_BATCH_UPDATES", 1)
    checkpoint = EmulatorDataPlane.checkpoint
    calls = 0

    async def dies(plane: Any, request: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise ServiceError("gone", status=500)
        return await checkpoint(plane, request)

    forks = failing()
    origin = forks.run()
    fork_arn = forks.start_fork(origin.arn)
    monkeypatch.setattr(EmulatorDataPlane, "checkpoint", dies)
    read: list[int] = []

    def other(page: Any) -> Any:
        read.append(1)
        return page if len(read) == 1 else replace(page, events=page.events[:-2])

    changed_history(monkeypatch, other)
    ran = forks.rig.drive(fork_arn)
    assert ran.status == "FAILED"
    assert "not the same as when a first part of it was taken over" in ran.error.error_message


def test_a_pause_between_two_chunks_suspends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 300)
    monkeypatch.setattr(seeding, "MAX_BATCH_UPDATES", 1)
    forks = failing()
    origin = forks.run()
    fork_arn = forks.start_fork(origin.arn)
    checkpoint = EmulatorDataPlane.checkpoint
    paused: list[str] = []

    async def pauses(plane: Any, request: Any) -> Any:
        if not paused:
            paused.append(fork_arn)
            forks.emulator.pause(fork_arn, PauseRequest())
        return await checkpoint(plane, request)

    monkeypatch.setattr(EmulatorDataPlane, "checkpoint", pauses)
    forks.rig.drive(fork_arn, until=forks.rig.clock.now() + 1_000)
    assert forks.rig.ran(fork_arn).status == "PAUSED"
    assert forks.rig.ran(fork_arn).types().count("StepSucceeded") == 1
    from durable_execution_sdk.protocol.control_plane import ResumeRequest

    forks.emulator.resume(fork_arn, ResumeRequest())
    assert forks.rig.drive(fork_arn).result == 2


def test_random_values_and_the_time_are_those_of_the_first_execution() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        values = [str(ctx.uuid4()), ctx.random().random(), ctx.now().isoformat()]
        await ctx.wait(Duration.from_days(3), name="wait")
        values += [str(ctx.uuid4()), ctx.now().isoformat()]
        await ctx.step(lambda: None, name="last")
        return values

    forks = rig(workflow)
    origin = forks.run()
    first = forks.fork(origin, "last")
    second = forks.fork(first)
    third_arn = forks.start_fork(second.arn, before=named(origin, "last"))
    third = forks.rig.drive(third_arn)
    assert first.result == second.result == third.result == origin.result
    assert len({origin.arn, first.arn, second.arn, third.arn}) == 4


def test_a_clock_that_is_behind_does_not_change_the_order() -> None:
    """The times of the fork are those of its service's clock, moved behind those that it has taken over."""

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        before = ctx.now()
        await ctx.wait(Duration.from_days(3), name="wait")
        middle = ctx.now()
        await ctx.step(lambda: None, name="last")
        await ctx.wait(Duration.from_seconds(30), name="after")
        return [before < middle, middle < ctx.now(), (ctx.now() - middle).total_seconds() < 60]

    forks = rig(workflow)
    origin = forks.run()
    assert origin.result == [True, True, True]
    events = asyncio.run(history_of(forks.control, origin.arn))
    later = rig(workflow)

    class Elsewhere(type(later.control)):  # type: ignore[misc]
        async def describe(self, arn: str, **options: Any) -> Any:
            return await forks.control.describe(arn, **options)

        async def history(self, request: Any) -> Any:
            return await forks.control.history(request)

    later.control = Elsewhere(later.rig.driver)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            EmulatorDataPlane, "history", lambda _, request: forks.control.history(request)
        )
        ran = later.fork(origin, "last")
    assert later.rig.clock.now() < events[-1].event_timestamp
    assert (ran.status, ran.result) == ("SUCCEEDED", [True, True, True])


def test_log_lines_of_what_is_taken_over_are_not_written_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        ctx.log_info("before first")
        await ctx.step(lambda: 1, name="first")
        ctx.log_info("between")
        await ctx.step(lambda: 2, name="last")
        ctx.log_info("after last")

    forks = rig(workflow)
    caplog.set_level("INFO", "durable_execution")
    origin = forks.run()
    assert [record.message for record in caplog.records] == [
        "before first",
        "between",
        "after last",
    ]
    caplog.clear()
    forks.fork(origin, "last")
    assert [record.message for record in caplog.records][-1] == "after last"
    assert "before first" not in caplog.messages


def test_the_history_of_a_fork_can_be_replayed() -> None:
    async def item(ctx: DurableContext, value: int, index: int) -> str:
        return f"{value} {ctx.uuid4()} {await ctx.step(lambda: value)}"

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        values = await ctx.map([1, 2], item, name="map", config=MapConfig())
        await ctx.wait(Duration.from_seconds(5), name="wait")
        return [*values.results(), event, await ctx.step(lambda: 2, name="last")]

    forks = rig(workflow)
    origin = forks.run("in")
    ran = forks.fork(origin, "wait", payload=text("other"))
    report = replay_history(forks.rig.handler, ran.events)
    assert report.ok, report
    assert report.operations >= 7


def test_the_origin_is_shown() -> None:
    forks = failing()
    origin = forks.run()
    ran = forks.fork(origin, "last")
    document = execution_document(forks.emulator, ran.arn, [])
    assert document["forked_from"] == {
        "durable_execution_arn": origin.arn,
        "before": named(origin, "last"),
    }
    payload = forks.emulator.describe(ran.arn).input_payload
    name = origin.arn.split("/")[-2]
    assert lineage(forks.emulator.progress(ran.arn), payload) == f"forked from {name} before last"
    assert lineage(forks.emulator.progress(origin.arn), "{}") is None


def test_a_fork_of_the_emulator_of_a_fork_over_the_api() -> None:
    forks = waiting()
    first = forks.fork(forks.run("in"), "wait")
    assert first.result == 2
    local = forks.emulator.fork(first.arn, before=named(first, "last"))
    ran = forks.rig.drive(local)
    assert (ran.status, ran.result) == ("SUCCEEDED", 2)


@pytest.mark.parametrize("room", [200, 333, 1_000, 100_000])
def test_chunks_hold_events_of_any_size(room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK_BYTES", room)

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        for name, value in enumerate(['"\\' * 500, "ä€😀" * 400, "x" * 5_000, "", "\x00\ud7ff"]):
            await ctx.step(lambda value=value: value, name=str(name))  # type: ignore[misc]

    forks = rig(workflow)
    origin = forks.run()
    events = asyncio.run(history_of(forks.control, origin.arn))
    seed = Seed(events=events, cut_at=7.0, stored=["a", "b"])
    updates = chunk_updates(seed, "origin")
    assert max(len((update.payload or "").encode()) for update in updates) <= room + 250
    parts = {n: read_chunk(update.payload) for n, update in enumerate(updates, 1)}
    assert seed_from(parts) == seed
    del parts[len(parts)]
    assert seed_from(parts) is None

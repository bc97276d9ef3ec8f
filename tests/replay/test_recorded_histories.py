"""A recorded history is replayed without running steps, and the first divergence is found."""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import botocore.loaders
import botocore.model
import botocore.parsers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.operations.test_fan_out_fuzz import programs, shape_of
from tests.replay.corpus import BY_NAME, CORPUS, Probe, Shape
from tests.replay.play import Play, extends
from tests.replay.test_crash_everywhere import WAYS, crashed
from tests.replay.test_schedules import fuzzed
from tests.rig import Ran, Rig
from tests.sampling import thinned

from durable_execution_sdk import (
    DurableContext,
    Duration,
    MapConfig,
    StepConfig,
    durable_execution,
)
from durable_execution_sdk.engine.from_history import HistoryLog
from durable_execution_sdk.engine.views.history import history
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.middleware import Middleware
from durable_execution_sdk.plugins import DurablePlugin
from durable_execution_sdk.protocol import control_plane_codec
from durable_execution_sdk.protocol.control_plane import HistoryPage, HistoryRequest
from durable_execution_sdk.replay.check import replay_history
from durable_execution_sdk.replay.document import read_history
from durable_execution_sdk.replay.report import DivergenceKind, ReplayError, ReplayReport
from durable_execution_sdk.testing import LocalDurableTestRunner

shapes = pytest.mark.parametrize("shape", CORPUS, ids=lambda each: each.name)


@functools.cache
def played(shape: Shape) -> tuple[Play, Ran]:
    play = Play(shape, keeps_states=False)
    return play, play.run()


def recorded(shape: Shape) -> Ran:
    return played(shape)[1]


def replayed(shape: Shape, ran: Ran) -> tuple[ReplayReport, Probe]:
    probe = Probe()
    return replay_history(shape.handler(probe), ran.events, execution_arn=ran.arn), probe


@shapes
def test_every_shape_replays_its_own_history_and_runs_no_body(shape: Shape) -> None:
    report, probe = replayed(shape, recorded(shape))
    assert report.ok, str(report)
    assert not probe.runs
    assert report.moments == len(probe.observations)
    assert extends(played(shape)[0].probe.observations[-1], probe.observations[-1])


@shapes
def test_the_log_of_every_shape_is_rebuilt_from_its_history(shape: Shape) -> None:
    ran = recorded(shape)
    log = HistoryLog(ran.arn)
    assert history([event for entry in ran.events for event in log.take(entry)]) == ran.events
    assert log.state is not None
    assert log.state.status == ran.status


@pytest.mark.parametrize("shape", thinned(CORPUS), ids=lambda each: each.name)
def test_a_history_with_crashes_in_it_replays_too(shape: Shape) -> None:
    for at in (1, 3):
        for way in ("before", "after"):
            _, ran = crashed(shape, at, way)
            report, probe = replayed(shape, ran)
            assert report.ok, (at, way, str(report))
            assert not probe.runs


@pytest.mark.parametrize("shape", thinned(CORPUS, first=1), ids=lambda each: each.name)
def test_the_beginning_of_a_history_replays_as_that_of_an_execution_that_still_runs(
    shape: Shape,
) -> None:
    ran = recorded(shape)
    ends = [n for n, kind in enumerate(ran.types(), 1) if kind == "InvocationCompleted"]
    for end in ends[:-1]:
        for more in (0, 1):
            report = replay_history(
                shape.handler(Probe()), ran.events[: end + more], execution_arn=ran.arn
            )
            assert report.ok, (end, more, str(report))


# Planted changes


async def done(value: Any) -> Any:
    return value


Flow = Callable[[Any, DurableContext], Awaitable[Any]]


def flow(
    *,
    names: str = "ab",
    waits: bool = True,
    inside: tuple[str, ...] = ("x",),
    parent: str = "child",
    extra: bool = False,
    last: bool = True,
    adds: int = 0,
    raises: bool = False,
    late: bool = False,
) -> Any:
    @durable_execution
    async def booking(event: int, ctx: DurableContext) -> int:
        async def child(inner: DurableContext) -> int:
            for name in inside:
                await inner.step(done, 1, name=name)
            return 1

        async def item(inner: DurableContext, each: int, index: int) -> int:
            return await inner.step(done, each + adds, name=f"item{index}")

        for name in names:
            await ctx.step(done, name, name=name)
        if waits:
            await ctx.wait(Duration.from_seconds(60), name="pause")
        handle = ctx.run_in_child_context(child, name=parent)
        late_step = ctx.step(done, 1, name="late") if late else None
        value = await handle
        await ctx.map([1, 2], item, name="items")
        if raises:
            raise LookupError("gone")
        if extra:
            await ctx.step(done, 0, name="extra")
        if last:
            await ctx.step(done, 0, name="last")
        if late_step is not None:
            await late_step
        return value + event + adds

    return booking


@functools.cache
def booked() -> Ran:
    return Rig(flow()).run(5)


def source_line(text: str) -> int:
    lines, first = inspect.getsourcelines(flow)
    return first + next(n for n, line in enumerate(lines) if text in line)


@pytest.mark.parametrize(
    ("changed", "kind", "expected", "actual", "line"),
    [
        (
            {"names": "ba"},
            "another operation",
            "step 'a'",
            "step 'b' (another name)",
            "ctx.step(done, name, name=name)",
        ),
        (
            {"names": "ac"},
            "another operation",
            "step 'b'",
            "step 'c' (another name)",
            "ctx.step(done, name, name=name)",
        ),
        (
            {"names": "a"},
            "another operation",
            "step 'b'",
            "wait 'pause' (another type and subtype and name)",
            'name="pause"',
        ),
        (
            {"waits": False},
            "another operation",
            "wait 'pause'",
            "child context 'child' (another type and subtype and name)",
            "ctx.run_in_child_context",
        ),
        (
            {"parent": "kid"},
            "another operation",
            "child context 'child'",
            "child context 'kid' (another name)",
            "ctx.run_in_child_context",
        ),
        (
            {"inside": ("y", "x")},
            "another operation",
            "step 'x'",
            "step 'y' (another name)",
            "inner.step(done, 1, name=name)",
        ),
        (
            {"inside": ("x", "y")},
            "a new operation",
            "nothing more at this place",
            "step 'y'",
            "inner.step(done, 1, name=name)",
        ),
        (
            {"late": True},
            "another operation",
            "map 'items'",
            "step 'late' (another type and subtype and name)",
            'name="late"',
        ),
        (
            {"last": False},
            "a missing operation",
            "step 'last'",
            "it returned 6, and has not asked for it",
            "inner.step(done, each + adds",
        ),
        (
            {"extra": True, "last": False},
            "another operation",
            "step 'last'",
            "step 'extra' (another name)",
            'name="extra"',
        ),
        ({"adds": 1}, "another end", "the execution succeeded with 6", "it returned 7", None),
    ],
    ids=lambda each: str(each) if isinstance(each, dict) else "",
)
def test_a_change_is_found_with_both_sides_and_the_line(
    changed: dict[str, Any], kind: str, expected: str, actual: str, line: str | None
) -> None:
    report = replay_history(flow(**changed), booked().events)
    divergence = report.divergence
    assert divergence is not None
    assert (divergence.kind, divergence.expected, divergence.actual) == (kind, expected, actual)
    assert (divergence.place is None) == (line is None)
    if line is not None:
        assert divergence.place is not None
        assert (divergence.place.file, divergence.place.line) == (__file__, source_line(line))
        assert line in divergence.place.text
        where = f"test_recorded_histories.py:{divergence.place.line}, in flow.<locals>.booking"
        assert where in str(report)
    with pytest.raises(ReplayError, match="replay found") as raised:
        report.raise_if_failed()
    assert raised.value.report is report
    assert isinstance(raised.value, AssertionError)


def test_an_item_that_the_map_asks_for_is_found_at_the_line_of_the_map() -> None:
    def named(prefix: str) -> Any:
        @durable_execution
        async def flow(event: int, ctx: DurableContext) -> int:
            async def item(inner: DurableContext, each: int, index: int) -> int:
                return await inner.step(done, each)

            config = MapConfig(item_namer=lambda each, _: f"{prefix}{each}")
            await ctx.map([1, 2], item, config=config)
            return 1

        return flow

    divergence = replay_history(named("b"), Rig(named("a")).run(0).events).divergence
    assert divergence is not None
    assert (divergence.expected, divergence.actual) == (
        "map item 'a1'",
        "map item 'b1' (another name)",
    )
    assert divergence.place is not None
    assert divergence.place.text == "await ctx.map([1, 2], item, config=config)"


def test_code_that_looks_at_the_lambda_context_finds_one() -> None:
    @durable_execution
    async def flow(event: int, ctx: DurableContext) -> str:
        await ctx.step(done, 1)
        assert ctx.lambda_context.get_remaining_time_in_millis() > 1000
        return str(ctx.lambda_context.function_name)

    ran = Rig(flow).run(0)
    assert replay_history(flow, ran.events, execution_arn=ran.arn)


@settings(fuzzed, max_examples=25)
@given(program=programs, way=st.sampled_from(WAYS), at=st.integers(1, 8))
def test_a_random_tree_of_maps_and_parallels_replays_though_its_process_died(
    program: Any, way: Any, at: int
) -> None:
    shape = shape_of(program)
    _, ran = crashed(shape, at, way)
    report, probe = replayed(shape, ran)
    assert report.ok, str(report)
    assert not probe.runs


def test_operations_of_a_context_that_the_end_cut_off_are_no_divergence() -> None:
    @durable_execution
    async def flow(event: int, ctx: DurableContext) -> int:
        async def left(inner: DurableContext) -> None:
            await inner.step(done, 1)
            await inner.wait(Duration.from_seconds(1))

        ctx.run_in_child_context(left)
        return 1

    ran = Rig(flow).run(0)
    assert [event.event_type for event in ran.events].count("StepStarted") == 1
    report = replay_history(flow, ran.events)
    assert report.ok, str(report)


def test_code_that_leaves_the_process_diverges() -> None:
    def flow(code: int | None) -> Any:
        @durable_execution
        async def run(event: int, ctx: DurableContext) -> int:
            await ctx.step(done, 1)
            if code is not None:
                sys.exit(code)
            return 1

        return run

    ran = Rig(flow(None)).run(0)
    divergence = replay_history(flow(0), ran.events).divergence
    assert divergence is not None
    assert divergence.actual.startswith("it failed with SystemExit")


def test_an_error_of_the_code_is_found_with_its_line() -> None:
    report = replay_history(flow(raises=True), booked().events)
    assert report.divergence is not None
    assert report.divergence.kind is DivergenceKind.OTHER_END
    assert report.divergence.expected == "the execution succeeded with 6"
    assert report.divergence.actual.startswith("it failed with LookupError: gone")
    assert f"line {source_line('raise LookupError')}, in booking" in report.divergence.actual


def test_the_first_divergence_in_time_is_reported_with_its_invocation() -> None:
    early = replay_history(flow(names="xb", last=False), booked().events).divergence
    late = replay_history(flow(last=False), booked().events).divergence
    assert early is not None
    assert late is not None
    assert (early.expected, early.invocation, late.invocation) == ("step 'a'", 1, 2)


def test_an_operation_that_an_unfinished_execution_has_yet_to_ask_for_is_no_divergence() -> None:
    until_wait = booked().events[: booked().types().index("WaitSucceeded") + 1]
    assert replay_history(flow(extra=True), until_wait)
    assert not replay_history(flow(names="abc"), until_wait)
    # At the suspension, every operation of the code was in the log.
    at_rest = until_wait[:-1]
    assert at_rest[-1].event_type == "InvocationCompleted"

    @durable_execution
    async def impatient(event: int, ctx: DurableContext) -> int:
        for name in "ab":
            await ctx.step(done, name, name=name)
        waiting = ctx.wait(Duration.from_seconds(60), name="pause")
        await ctx.step(done, 1, name="meanwhile")
        await waiting
        return 1

    divergence = replay_history(impatient, at_rest).divergence
    assert divergence is not None
    assert (divergence.kind, divergence.actual) == (
        DivergenceKind.NEW_OPERATION,
        "step 'meanwhile'",
    )


@pytest.mark.parametrize(
    ("now", "kind", "expected", "actual"),
    [
        (
            "waits for the loser",
            "another end",
            "the execution succeeded with 1",
            "it still waits for wait 'limit'",
        ),
        (
            "returns nothing",
            "another end",
            "the execution succeeded with 1",
            "it returned null",
        ),
    ],
)
def test_an_end_that_is_put_off_or_emptied_is_found(
    now: str, kind: str, expected: str, actual: str
) -> None:
    def flow(now: str) -> Any:
        @durable_execution
        async def run(event: int, ctx: DurableContext) -> int | None:
            step, limit = ctx.step(done, 1), ctx.wait(Duration.from_days(1), name="limit")
            value = await ctx.race(step, limit)
            if now == "waits for the loser":
                await limit
            return None if now == "returns nothing" else value

        return run

    divergence = replay_history(flow(now), Rig(flow("")).run(0).events).divergence
    assert divergence is not None
    assert (divergence.kind, divergence.expected, divergence.actual) == (kind, expected, actual)


@pytest.mark.parametrize(
    ("now", "kind", "expected", "actual"),
    [
        ("does not wait", "another end", "the execution still runs", "it returned 1"),
        (
            "waits first",
            "a missing operation",
            "step 'work'",
            "it waits for wait 'pause', and has not asked for it",
        ),
        (
            "fails",
            "another end",
            "the execution still runs",
            "it failed with KeyError: 'x'",
        ),
    ],
)
def test_an_execution_that_waits_is_found_to_go_on_otherwise(
    now: str, kind: str, expected: str, actual: str
) -> None:
    def flow(now: str) -> Any:
        @durable_execution
        async def run(event: int, ctx: DurableContext) -> int:
            pause = ctx.wait(Duration.from_days(1), name="pause")
            if now == "waits first":
                await pause
            await ctx.step(done, 1, name="work")
            if now == "fails":
                raise KeyError("x")
            if now != "does not wait":
                await pause
            return 1

        return run

    events = Rig(flow("")).run(0).events
    at_rest = events[: [e.event_type for e in events].index("InvocationCompleted") + 1]
    assert replay_history(flow(""), at_rest)
    divergence = replay_history(flow(now), at_rest).divergence
    assert divergence is not None
    assert (divergence.kind, divergence.expected) == (kind, expected)
    assert divergence.actual.startswith(actual)


def test_an_execution_that_was_stopped_or_timed_out_replays_as_far_as_it_came() -> None:
    @durable_execution
    async def run(event: int, ctx: DurableContext) -> int:
        await ctx.step(done, 1)
        await ctx.wait(Duration.from_days(3), name="pause")
        return 1

    ran = Rig(run, execution_timeout=3600).run(0)
    assert ran.status == "TIMED_OUT"
    assert replay_history(run, ran.events)

    @durable_execution
    async def quick(event: int, ctx: DurableContext) -> int:
        return await ctx.step(done, 1)

    divergence = replay_history(quick, ran.events).divergence
    assert divergence is not None
    assert (divergence.expected, divergence.actual) == (
        "wait 'pause'",
        "it returned 1, and has not asked for it",
    )


def test_results_that_are_no_json_are_compared_as_they_are() -> None:
    class Reversed:
        def serialize(self, value: Any, context: Any) -> str:
            return f"<{value}>"

        def deserialize(self, payload: str, context: Any) -> Any:
            return payload[1:-1]

    def flow(value: str) -> Any:
        async def run(event: Any, ctx: DurableContext) -> str:
            return value

        return durable_execution(serdes=Reversed())(run)

    ran = LocalDurableTestRunner(flow("a")).run_sync()
    assert replay_history(flow("a"), ran.history)
    assert not replay_history(flow("b"), ran.history)


def test_payloads_that_middleware_seals_are_compared_by_their_values_and_plugins_hear_nothing() -> (
    None
):
    told: list[object] = []
    nonces = iter(range(1000))

    class Sealed(Middleware):
        def around_serialize(self, value: Any, info: Any, call_next: Any) -> str:
            return f"{next(nonces)}|{call_next(value)}"

        def around_deserialize(self, payload: str, info: Any, call_next: Any) -> Any:
            return call_next(payload.partition("|")[2] or payload)

    class Told(DurablePlugin):
        def on_invocation_start(self, info: Any) -> None:
            told.append(info)

    def flow(value: int) -> Any:
        @durable_execution(middleware=[Sealed()], plugins=[Told()])
        async def run(event: Any, ctx: DurableContext) -> dict[str, int]:
            async def child(inner: DurableContext) -> int:
                return await inner.step(done, value)

            return {"a": await ctx.run_in_child_context(child), "b": value}

        return run

    ran = LocalDurableTestRunner(flow(1)).run_sync()
    heard = len(told)
    assert heard
    assert replay_history(flow(1), ran.history)
    assert not replay_history(flow(2), ran.history)
    assert len(told) == heard


def test_a_result_with_its_keys_in_another_order_is_the_same_and_true_is_not_1() -> None:
    def flow(value: Any) -> Any:
        @durable_execution
        async def run(event: Any, ctx: DurableContext) -> Any:
            return value

        return run

    ran = LocalDurableTestRunner(flow({"a": 1, "b": [2]})).run_sync()
    assert replay_history(flow({"b": [2], "a": 1}), ran.history)
    assert not replay_history(flow({"a": True, "b": [2]}), ran.history)


def test_a_result_that_has_become_too_large_for_a_response_is_found() -> None:
    def flow(count: int) -> Any:
        @durable_execution
        async def run(event: int, ctx: DurableContext) -> str:
            return "a" * count

        return run

    divergence = replay_history(flow(6 * 1024 * 1024), Rig(flow(1)).run(0).events).divergence
    assert divergence is not None
    assert divergence.expected == 'the execution succeeded with "a"'
    assert divergence.actual.startswith('it returned "aaaa')
    assert len(divergence.actual) < 400


def test_code_that_branches_on_the_clock_of_the_machine_is_found() -> None:
    hours = iter([9, 15])

    @durable_execution
    async def greeting(event: Any, ctx: DurableContext) -> str:
        name = "morning" if next(hours) < 12 else "afternoon"
        await ctx.step(done, name, name=name)
        return "done"

    ran = Rig(greeting).run()
    divergence = replay_history(greeting, ran.events).divergence
    assert divergence is not None
    assert (divergence.expected, divergence.actual) == (
        "step 'morning'",
        "step 'afternoon' (another name)",
    )


def test_a_failure_replays_and_another_failure_does_not() -> None:
    def failing(message: str) -> Any:
        @durable_execution
        async def flow(event: Any, ctx: DurableContext) -> None:
            await ctx.step(done, 1)
            raise ValueError(message)

        return flow

    ran = Rig(failing("no")).run()
    assert ran.status == "FAILED"
    assert replay_history(failing("no"), ran.events)
    divergence = replay_history(failing("never"), ran.events).divergence
    assert divergence is not None
    assert divergence.expected.startswith("the execution failed with ValueError: no")
    assert divergence.actual.startswith("it failed with ValueError: never")


def test_a_result_that_a_context_recorded_is_what_code_gets_even_if_its_function_has_changed() -> (
    None
):
    def flow(value: int) -> Any:
        @durable_execution
        async def run(event: Any, ctx: DurableContext) -> int:
            async def child(inner: DurableContext) -> int:
                return await inner.step(done, 1) + value

            return await ctx.run_in_child_context(child)

        return run

    ran = Rig(flow(1)).run()
    assert replay_history(flow(2), ran.events)


def test_blocking_code_and_asyncio_timers_replay_without_taking_their_time() -> None:
    @durable_execution
    async def flow(event: Any, ctx: DurableContext) -> str:
        await asyncio.sleep(3600)
        try:
            async with asyncio.timeout(50):
                await ctx.step(done, 1)
                await ctx.wait(Duration.from_days(30), name="long")
        except TimeoutError:
            return "late"
        return "in time"

    ran = Rig(flow).run()
    assert ran.result == "late"
    assert replay_history(flow, ran.events)


def test_a_history_without_its_arn_replays_except_where_code_draws_from_it() -> None:
    @durable_execution
    async def flow(event: Any, ctx: DurableContext) -> str:
        return str(ctx.uuid4())

    ran = Rig(flow).run()
    assert not replay_history(flow, ran.events)
    assert replay_history(flow, ran.events, execution_arn=ran.arn)
    with pytest.raises(ConfigError, match="not a durable execution ARN"):
        replay_history(flow, ran.events, execution_arn="arn")


def test_of_many_invocations_as_many_as_asked_for_are_replayed_the_last_one_always() -> None:
    @durable_execution
    async def flow(event: int, ctx: DurableContext) -> int:
        for _ in range(20):
            await ctx.wait(Duration.from_seconds(1))
        return 1

    ran = Rig(flow).run(0)
    full = replay_history(flow, ran.events)
    few = replay_history(flow, ran.events, max_moments=3)
    assert (full.moments, full.skipped) == (21, 0)
    assert (few.moments, few.skipped) == (3, 18)
    assert "18 more were left out" in str(few)
    assert not replay_history(booking_of("another"), ran.events, max_moments=1)
    with pytest.raises(ConfigError, match="max_moments is 1 or more"):
        replay_history(flow, ran.events, max_moments=0)


def booking_of(name: str) -> Any:
    @durable_execution
    async def flow(event: int, ctx: DurableContext) -> int:
        await ctx.step(done, 1, name=name)
        return 1

    return flow


# Forms of histories


def page(ran: Ran) -> dict[str, Any]:
    """Return the body of an API response, with timestamps in seconds."""
    body: dict[str, Any] = json.loads(
        control_plane_codec.encode_history_page(HistoryPage(events=ran.events))
    )
    return body


def as_botocore(body: dict[str, Any]) -> dict[str, Any]:
    """Convert a body as botocore does: timestamps become datetimes."""
    raw = botocore.loaders.Loader().load_service_model("lambda", "service-2")
    model = botocore.model.ServiceModel(raw).operation_model("GetDurableExecutionHistory")
    parser = botocore.parsers.create_parser("rest-json")
    answer = {"status_code": 200, "headers": {}, "body": json.dumps(body).encode()}
    parsed: dict[str, Any] = parser.parse(answer, model.output_shape)
    return parsed


def iso(value: Any) -> str:
    assert isinstance(value, datetime)
    return value.astimezone(UTC).isoformat()


@pytest.mark.parametrize("name", ["children", "retries", "gathered_mixture"])
def test_every_way_to_save_a_history_is_read(name: str, tmp_path: Any) -> None:
    shape = BY_NAME[name]
    ran = recorded(shape)
    body = page(ran)
    parsed = as_botocore(body)
    half = len(body["Events"]) // 2
    pages = [
        {"Events": body["Events"][:half], "NextMarker": "more"},
        {"Events": body["Events"][half:], "DurableExecutionArn": ran.arn},
    ]
    forms: list[Any] = [
        ran.events,
        list(reversed(ran.events)),
        body,
        parsed,
        body["Events"],
        pages,
        json.loads(json.dumps(parsed, default=iso)),
        json.loads(json.dumps(parsed, default=str)),
    ]
    for n, form in enumerate(forms[2:]):
        path = tmp_path / f"{n}.json"
        path.write_text(json.dumps(form, default=iso))
        forms.append(path)
    for n, form in enumerate(forms):
        assert read_history(form).events == sorted(ran.events, key=lambda e: e.event_id), n
        report = replay_history(shape.handler(Probe()), form, execution_arn=ran.arn)
        assert report.ok, (n, str(report))
    assert read_history(pages).arn == ran.arn


def without(number: int) -> Callable[[dict[str, Any]], Any]:
    return lambda body: {"Events": [e for e in body["Events"] if e["EventId"] != number]}


def cut(body: dict[str, Any]) -> Any:
    event = next(e for e in body["Events"] if "StepSucceededDetails" in e)
    event["StepSucceededDetails"]["Result"] = {"Truncated": True}
    return body


def bare(body: dict[str, Any]) -> Any:
    for event in body["Events"]:
        for details in event.values():
            for payload in details.values() if isinstance(details, dict) else ():
                if isinstance(payload, dict):
                    payload.pop("Payload", None)
    return body


def deep(levels: int) -> Any:
    nested: Any = {}
    for _ in range(levels):
        nested = {"Details": nested}
    return {"EventType": "x", **nested}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (without(1), "does not begin with ExecutionStarted but with StepStarted"),
        (without(4), r"event 4 is missing, or there twice \(after it comes event 5\)"),
        (lambda body: {"Events": body["Events"] * 2}, "event 2 is missing, or there twice"),
        (lambda body: {**body, "NextMarker": "x"}, "only the first part of a history"),
        (lambda body: {"Events": []}, "begin with ExecutionStarted but with nothing"),
        (lambda body: {"Executions": []}, "is not the history of an execution"),
        (lambda body: [1, 2], "is not the history of an execution"),
        (lambda body: [], "begin with ExecutionStarted but with nothing"),
        (lambda body: 7, "a page of them or a file, not 7"),
        (lambda body: {"Events": [{"EventType": 7}]}, "has an event that cannot be read"),
        (
            lambda body: {"Events": [{**body["Events"][0], "EventTimestamp": "soon"}]},
            "has an event that cannot be read",
        ),
        (
            lambda body: {"Events": [{**body["Events"][0], "EventTimestamp": 1e999}]},
            "has an event that cannot be read",
        ),
        (lambda body: {**body, "DurableExecutionArn": "mine"}, "not a durable execution ARN"),
        (lambda body: {"Events": [deep(4000)]}, "has an event that cannot be read"),
        (cut, "lacks the payload of event 3, StepSucceeded 'a'.*IncludeExecutionData=true"),
        (bare, "has no payloads at all.*IncludeExecutionData=true"),
    ],
)
def test_a_history_that_is_not_whole_is_refused_and_told_why(spoil: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replay_history(flow(), spoil(page(booked())))


def test_a_history_without_payloads_as_the_service_gives_it_is_refused() -> None:
    rig = Rig(flow())
    ran = rig.run(5)
    request = HistoryRequest(
        durable_execution_arn=ran.arn, include_execution_data=False, max_items=1000
    )
    with pytest.raises(ConfigError, match=r"event 1, ExecutionStarted.*=true"):
        replay_history(flow(), rig.emulator.history(request).events)


def test_what_is_no_workflow_is_refused() -> None:
    with pytest.raises(ConfigError, match="that @durable_execution makes of a workflow"):
        replay_history(done, booked().events)  # type: ignore[arg-type]


def test_the_history_of_another_function_is_told_apart() -> None:
    @durable_execution
    async def typed(event: dict[str, int], ctx: DurableContext) -> int:
        return event["a"]

    divergence = replay_history(typed, booked().events).divergence
    assert divergence is not None
    assert divergence.actual.startswith("it failed with SerDesError: the input of")
    assert "history of another function" in divergence.hint


def test_at_most_once_and_retries_are_replayed_from_what_is_recorded() -> None:
    tries: list[int] = []

    @durable_execution
    async def flow(event: Any, ctx: DurableContext) -> int:
        async def flaky() -> int:
            tries.append(1)
            if len(tries) < 3:
                raise OSError("not yet")
            return len(tries)

        return await ctx.step(flaky, config=StepConfig())

    ran = Rig(flow).run()
    assert ran.result == 3
    assert replay_history(flow, ran.events)
    assert len(tries) == 3

"""Behaviour that map and parallel share: suspension, cancellation, large batches and cost."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import pytest
from msgspec.structs import replace as changed
from tests.memory_service import MemoryService
from tests.replay.corpus import RETRY, Declined, Probe, Workflow, seconds
from tests.replay.play import extends, replay
from tests.replay.prove import played, prove
from tests.rig import run_workflow
from tests.sampling import whole_or_sample

from durable_execution_sdk import (
    BatchResult,
    ChildContextError,
    CompletionConfig,
    DurableContext,
    DurableError,
    MapConfig,
    NestingType,
    StepConfig,
    durable_execution,
)

BIG = 30_000
FIRST = CompletionConfig.first_successful()
ALL = CompletionConfig.all_completed()


# Suspension.


def mixed_states(probe: Probe) -> Workflow:
    async def item(ctx: DurableContext, kind: str, index: int) -> Any:
        match kind:
            case "waits":
                await ctx.wait(seconds(7))
                return await ctx.step(probe.body, "waited")
            case "retries":
                config = StepConfig(retry_strategy=RETRY)
                return await ctx.step(probe.fails, "retried", 3, config=config)
            case "asks":
                return await ctx.wait_for_callback(probe.gives)
            case "invokes":
                return await ctx.invoke("other:$LATEST", 4)
            case _:
                return await ctx.step(probe.body, "worked")

    async def run(event: Any, ctx: DurableContext) -> Any:
        kinds = ["waits", "retries", "asks", "invokes", "works"]
        for nesting, most in ((NestingType.NESTED, None), (NestingType.FLAT, 2)):
            config = MapConfig(nesting=nesting, max_concurrency=most)
            batch = await ctx.map(kinds, item, config=config)
            probe.see("results", batch.results())
        return "done"

    return run


@whole_or_sample
def test_items_that_wait_retry_are_called_back_or_invoke_do_not_hold_one_another_up(*, whole: bool):
    prove(mixed_states, seeds=2, whole=whole)


def test_an_item_may_retry_while_the_others_end():
    async def item(ctx: DurableContext, n: int, index: int) -> Any:
        ends.append((n, "begins"))
        if n == 0:

            async def fails_once() -> str:
                attempts.append(n)
                if len(attempts) == 1:
                    raise Declined("once", amount=1)
                return "second attempt"

            return await ctx.step(fails_once, config=StepConfig(retry_strategy=RETRY))
        return n

    attempts: list[int] = []
    ends: list[Any] = []

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        return (await ctx.map(range(4), item, config=MapConfig(max_concurrency=2))).results()

    ran = run_workflow(workflow)
    assert ran.result == ["second attempt", 1, 2, 3]
    assert ran.invocations == 2
    first_retry = ran.types().index("StepFailed")
    assert ran.types()[:first_retry].count("ContextStarted") >= 2


def answered_while_a_body_runs(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        answered = asyncio.Event()

        async def body() -> str:
            await answered.wait()
            return "body"

        async def item(inner: DurableContext, n: int, index: int) -> Any:
            if n == 1:
                return await inner.step(body)
            answer = await inner.wait_for_callback(probe.gives)
            answered.set()
            return answer

        return (await ctx.map([0, 1], item)).results()

    return run


def test_the_invocation_stays_open_while_a_body_runs_and_takes_what_ends_meanwhile():
    _, _, ran = played(answered_while_a_body_runs)
    assert ran.result == ["yes", "body"]
    assert ran.invocations == 1


# Early completion.


@pytest.mark.parametrize("nesting", NestingType)
def test_cancelled_items_are_reported_as_started_at_any_depth(nesting):
    cleaned: list[str] = []

    async def leaf(ctx: DurableContext, n: int, index: int) -> int:
        try:
            await ctx.wait(seconds(1000))
        finally:
            cleaned.append(f"leaf {n}")
            await ctx.step(lambda: None, name="too late")
        return n

    async def outer(ctx: DurableContext, n: int, index: int) -> Any:
        if n == 0:
            await ctx.wait(seconds(5))
            return "first"

        async def deep(inner: DurableContext) -> Any:
            return (await inner.map([n, n * 10], leaf)).results()

        return await ctx.run_in_child_context(deep)

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        config = MapConfig(completion=FIRST, nesting=nesting)
        batch = await ctx.map(range(3), outer, config=config)
        await ctx.wait(seconds(1))
        return [str(item.status) for item in batch]

    ran = run_workflow(workflow)
    assert ran.result == ["SUCCEEDED", "STARTED", "STARTED"]
    # Once when they are given up, and once in each suspension before.
    assert cleaned[-4:] == ["leaf 1", "leaf 10", "leaf 2", "leaf 20"]
    assert "too late" not in [event.name for event in ran.events]
    started = {event.id for event in ran.events if event.event_type.endswith("Started")}
    after = [event.event_type for event in ran.events if event.name == "outer"]
    assert after == ["ContextStarted", "ContextSucceeded"]
    assert started


def test_a_body_that_runs_is_cancelled_too():
    cancelled: list[int] = []

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(1)
            raise

    async def item(ctx: DurableContext, n: int, index: int) -> Any:
        if n == 0:
            return await ctx.step(lambda: "quick", name="quick")
        return await ctx.step(forever)

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        batch = await ctx.map([0, 1, 2], item, config=MapConfig(completion=FIRST))
        return [str(item.status) for item in batch]

    ran = run_workflow(workflow)
    assert ran.result == ["SUCCEEDED", "STARTED", "STARTED"]
    assert cancelled == [1, 1]
    assert ran.invocations == 1


def test_an_item_that_swallows_its_cancellation_records_nothing_and_holds_nothing_up():
    async def stubborn(ctx: DurableContext, n: int, index: int) -> Any:
        if n == 0:
            return 0
        while True:
            try:
                await ctx.wait(seconds(3), name=f"stubborn {n}")
            except asyncio.CancelledError:
                continue

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        batch = await ctx.map([1, 0, 2], stubborn, config=MapConfig(completion=FIRST))
        await ctx.wait(seconds(60))
        return batch.total_count

    ran = run_workflow(workflow)
    assert ran.result == 3
    waits = [event for event in ran.events if event.name == "stubborn 1"]
    assert len(waits) <= 2


def test_an_item_that_cancels_itself_has_failed():
    async def gives_up(ctx: DurableContext, n: int, index: int) -> Any:
        raise asyncio.CancelledError("enough")

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        types = []
        for nesting in NestingType:
            batch = await ctx.map([1], gives_up, config=MapConfig(nesting=nesting))
            types.append(batch.errors()[0].error_type)
        return types

    assert run_workflow(workflow).result == ["CancelledError", "CancelledError"]


def test_an_error_for_the_invocation_ends_the_invocation_and_no_item():
    runs: list[int] = []

    async def unlucky(ctx: DurableContext, n: int, index: int) -> Any:
        runs.append(n)
        if len(runs) == 1:
            raise DurableError.invocation("not now")
        return n

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        config = MapConfig(nesting=NestingType(event))
        return (await ctx.map([7], unlucky, config=config)).results()

    for nesting in NestingType:
        runs.clear()
        ran = run_workflow(workflow, str(nesting))
        assert ran.result == [7]
        assert ran.invocations == 2


def test_a_map_may_be_given_up_as_a_whole():
    async def item(ctx: DurableContext, n: int, index: int) -> Any:
        await ctx.wait(seconds(1000))

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        handle = ctx.map([1, 2], item)
        await ctx.wait(seconds(1))
        handle.cancel()
        with pytest.raises(asyncio.CancelledError):
            await handle
        await ctx.wait(seconds(1))
        return "given up"

    ran = run_workflow(workflow)
    assert ran.result == "given up"
    assert "ContextSucceeded" not in ran.types()


# Batches that are too large to be stored.


def large_batch(probe: Probe) -> Workflow:
    async def item(ctx: DurableContext, n: int, index: int) -> str:
        if n == 11:
            raise Declined("eleven", amount=11)
        if n % 3 == 0:
            await ctx.wait(seconds(1 + n))
        text = await ctx.step(probe.body, f"s{n}", "é" * (BIG // 2) + str(n))
        return str(text)

    async def run(event: Any, ctx: DurableContext) -> Any:
        for nesting in NestingType:
            config = MapConfig(nesting=nesting, max_concurrency=4, completion=ALL)
            batch = await ctx.map(range(12), item, config=config)
            probe.see("results", [text[BIG // 2 :] for text in batch.results()])
            error = batch.errors()[0]
            assert isinstance(error, (Declined, ChildContextError))
            probe.see("error", [error.amount, str(error), batch.failed()[0].index])
        await ctx.wait(seconds(2))
        return probe.see("after", await ctx.step(probe.body, "after"))

    return run


def test_a_large_batch_is_built_again_from_its_items():
    shape, play, ran = played(large_batch)
    ends = [
        update for update in play.updates if update.sub_type == "Map" and update.context_options
    ]
    assert [update.context_options.replay_children for update in ends] == [True, True]
    summary = json.loads(ends[0].payload or "")
    assert summary == {
        "totalCount": 12,
        "successCount": 11,
        "failureCount": 1,
        "startedCount": 0,
        "completionReason": "ALL_COMPLETED",
        "status": "FAILED",
    }
    again = replay(shape, play.snapshots[-1])
    assert again.observed == play.probe.observations[-1]
    assert not again.updates
    assert ran.result == "after"


def cut_short_and_large(probe: Probe) -> Workflow:
    async def item(ctx: DurableContext, n: int, index: int) -> str:
        probe.runs[f"item {n}", 0] += 1
        await ctx.step(probe.body, f"begins {n}")
        child = ctx.run_in_child_context(waits, n)
        await ctx.wait(seconds(5 * n + 1))
        probe.see(f"waited {n}", inside=f"item {n}")
        await ctx.step(probe.body, f"after {n}")
        await child
        return "x" * 135_000

    async def waits(ctx: DurableContext, n: int) -> str:
        await ctx.wait(seconds(9 * n + 1))
        await ctx.step(probe.body, f"child {n}")
        return "child"

    async def run(event: Any, ctx: DurableContext) -> Any:
        for nesting in NestingType:
            config = MapConfig(completion=CompletionConfig(min_successful=2), nesting=nesting)
            batch = await ctx.map(range(3), item, config=config)
            probe.see("statuses", [str(each.status) for each in batch])
            probe.see("sizes", [len(text) for text in batch.results()])
        await ctx.wait(seconds(100))
        return probe.see("after", await ctx.step(probe.body, "after"))

    return run


def test_items_that_were_cancelled_stay_so_when_a_large_batch_is_built_again():
    shape, play, ran = played(cut_short_and_large)
    assert ran.result == "after"
    seen = play.probe.observations[-1]
    assert [value for _, label, value in seen if label == "statuses"] == [
        ["SUCCEEDED", "SUCCEEDED", "STARTED"]
    ] * 2
    for state in play.snapshots:
        assert extends(replay(shape, state).observed, seen)
    again = replay(shape, play.snapshots[-1])
    assert again.updates == []
    assert again.observed == seen


def test_the_summary_of_a_large_batch_is_the_users_own_and_is_never_read_back():
    async def item(ctx: DurableContext, n: int, index: int) -> str:
        return "x" * BIG

    def summarize(batch: BatchResult[Any]) -> str:
        return f"{batch.success_count} texts"

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        config = MapConfig(summary_generator=summarize)
        batch = await ctx.map(range(10), item, config=config)
        await ctx.wait(seconds(1))
        return sum(map(len, batch.results()))

    ran = run_workflow(workflow)
    assert ran.result == 10 * BIG
    (payload,) = [
        event.context_succeeded_details.result.payload
        for event in ran.events
        if event.event_type == "ContextSucceeded" and event.sub_type == "Map"
    ]
    assert payload == "10 texts"


def test_a_summary_that_raises_fails_the_map():
    def summarize(batch: BatchResult[Any]) -> str:
        raise LookupError("nothing to say")

    async def item(ctx: DurableContext, n: int, index: int) -> str:
        return "x" * BIG

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        with pytest.raises(LookupError, match="nothing to say"):
            await ctx.map(range(10), item, config=MapConfig(summary_generator=summarize))
        return "failed"

    assert run_workflow(workflow).result == "failed"


# A context that is built again starts nothing.


def leaves_things_behind(probe: Probe) -> Workflow:
    async def child(ctx: DurableContext) -> str:
        ctx.step(endless, name="endless")
        ctx.wait(seconds(10_000), name="long wait")
        ctx.invoke("other:$LATEST", 1, name="invoked")
        ctx.run_in_child_context(grandchild, name="grandchild")
        callback = await ctx.create_callback("asked")
        probe.see("callback", bool(callback.callback_id), inside="child")
        await ctx.step(probe.body, "in")
        probe.see("replaying", ctx.is_replaying in (True, False), inside="child")
        return "x" * 300_000

    async def endless() -> None:
        probe.runs["endless", len(probe.observations)] += 1
        await asyncio.Event().wait()

    async def grandchild(ctx: DurableContext) -> str:
        probe.see("grandchild", inside="grandchild")
        await ctx.wait(seconds(20_000))
        return "late"

    async def run(event: Any, ctx: DurableContext) -> Any:
        probe.see("size", len(await ctx.run_in_child_context(child)))
        await ctx.wait(seconds(5))
        return probe.see("after", await ctx.step(probe.body, "after"))

    return run


@whole_or_sample
def test_a_context_that_is_built_again_runs_no_body_and_records_nothing(*, whole: bool):
    shape, play, ran = played(leaves_things_behind)
    assert ran.result == "after"
    assert play.probe.runs["endless", 1] == 1
    assert play.probe.runs["endless", 2] == 0
    again = replay(shape, play.snapshots[-1])
    assert again.updates == []
    assert again.observed == play.probe.observations[-1]
    prove(leaves_things_behind, seeds=2, whole=whole)


def test_a_context_that_cannot_be_built_again_says_so():
    runs: list[int] = []

    async def child(ctx: DurableContext) -> str:
        runs.append(1)
        if len(runs) > 1:
            raise LookupError("something else now")
        return "x" * 300_000

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        await ctx.run_in_child_context(child, name="big")
        await ctx.wait(seconds(1))

    ran = run_workflow(workflow)
    assert ran.status == "FAILED"
    assert ran.error.error_type == "DeterminismError"
    assert "child context 'big': it succeeded when it ran first" in ran.error.error_message
    assert "LookupError: something else now" in ran.error.error_message


@pytest.mark.parametrize("nesting", NestingType)
def test_each_line_is_logged_once_though_branches_are_replayed_side_by_side(nesting):
    lines: list[str] = []

    async def item(ctx: DurableContext, n: int, index: int) -> int:
        for turn in range(3):
            if not ctx.is_replaying:
                lines.append(f"{n} before {turn}")
            await ctx.step(lambda: None, name="work")
            await ctx.wait(seconds(1 + 2 * n))
        if not ctx.is_replaying:
            lines.append(f"{n} done")
        return n

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        return (await ctx.map(range(3), item, config=MapConfig(nesting=nesting))).results()

    assert run_workflow(workflow).result == [0, 1, 2]
    assert sorted(lines) == sorted(
        [f"{n} before {turn}" for n in range(3) for turn in range(3)]
        + [f"{n} done" for n in range(3)]
    )


# Cost.


@durable_execution
async def doubles(event: list[int], ctx: DurableContext) -> int:
    count, most = event

    async def item(inner: DurableContext, n: int, index: int) -> int:
        async def double() -> int:
            return n * 2

        return await inner.step(double)

    batch = await ctx.map(range(count), item, config=MapConfig(max_concurrency=most or None))
    return sum(batch.results())


def run_doubles(service: MemoryService, count: int, most: int) -> str:
    outcome = doubles.bind(service)(service.event(json.dumps([count, most])), None)
    assert outcome["Status"] == "SUCCEEDED"
    return str(outcome["Result"])


def test_a_thousand_items_take_a_few_calls():
    service = MemoryService(seconds_per_call=0.005)
    assert run_doubles(service, 1_000, 0) == str(999 * 1_000)
    # 4,002 updates, 250 to a call.
    assert service.calls <= 20


@pytest.mark.parametrize("most", [0, 10])
def test_the_cost_of_an_item_does_not_grow_with_the_number_of_items(most):
    def work(count: int) -> int:
        """Count the lines of Python that a map of so many items runs."""
        lines = 0

        def tracer(context_state: Any, kind: str, _: Any) -> Any:
            nonlocal lines
            lines += 1
            return tracer

        service = MemoryService()
        before = sys.gettrace()
        sys.settrace(tracer)
        try:
            run_doubles(service, count, most)
        finally:
            sys.settrace(before)
        return lines

    few, many = work(50), work(400)
    assert many / few < 8 * 1.2


def test_replay_of_items_writes_only_the_end_of_the_map():
    service = MemoryService()
    run_doubles(service, 300, 0)
    top = next(op for op in service.operations.values() if op.sub_type == "Map")
    service.operations = {
        op.id: op for op in service.operations.values() if op.parent_id == top.id
    } | {top.id: changed(top, status="STARTED", end_timestamp=None, context_details=None)}
    calls = service.calls
    assert run_doubles(service, 300, 0) == str(299 * 300)
    assert service.calls == calls + 1

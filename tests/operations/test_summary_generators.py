"""The ready summary generators: the text in the log of a map, a parallel or a child whose result is too large."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from tests.rig import Ran, run_workflow

from durable_execution_sdk import (
    ChildConfig,
    CompletionConfig,
    ConfigError,
    DurableContext,
    Duration,
    MapConfig,
    ParallelConfig,
    StepConfig,
    retry_presets,
    summary_generators,
)

BIG = 60_000


@dataclass
class Page:
    number: int
    text: str


async def page(ctx: DurableContext, number: int, index: int) -> Page:
    if number % 4 == 3:
        raise LookupError(f"no page {number}")
    return Page(number, "x" * (BIG if number else 3))


def summary_in(ran: Ran, sub_type: str) -> str:
    """Return the payload with which the log ends the operation; every invocation sees the same batch."""
    (payload,) = [
        event.context_succeeded_details.result.payload
        for event in ran.events
        if event.event_type == "ContextSucceeded" and event.sub_type == sub_type
    ]
    return str(payload)


def run_map(summary: Any, numbers: int = 10) -> Ran:
    seen: list[Any] = []

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        config = MapConfig(
            completion=CompletionConfig.all_completed(),
            item_namer=lambda item, index: f"page-{item}",
            summary_generator=summary,
        )
        batch = await ctx.map(range(numbers), page, config=config)
        seen.append([batch.results(), [str(error) for error in batch.errors()]])
        await ctx.wait(Duration.from_seconds(1))
        return batch.success_count

    ran = run_workflow(workflow)
    assert ran.result == 8
    assert len(seen) > 1
    assert seen[1:] == seen[:-1]
    return ran


COUNTS = {
    "totalCount": 10,
    "successCount": 8,
    "failureCount": 2,
    "startedCount": 0,
    "completionReason": "ALL_COMPLETED",
    "status": "FAILED",
}


def test_counts_are_those_that_the_log_has_without_a_generator() -> None:
    written = json.loads(summary_in(run_map(summary_generators.counts), "Map"))
    assert written == COUNTS
    assert json.loads(summary_in(run_map(None), "Map")) == written


def test_the_first_items_of_a_batch_are_json_and_long_ones_are_cut() -> None:
    summary = summary_generators.first_items(2, characters=40)
    written = json.loads(summary_in(run_map(summary), "Map"))
    first = written.pop("first")
    assert written == COUNTS
    assert first == [{"number": 0, "text": "xxx"}, '{"number":1,"text":"' + "x" * 20 + "…"]


def test_the_first_failures_of_a_batch_have_name_type_and_message() -> None:
    summary = summary_generators.first_failures(1, characters=7)
    written = json.loads(summary_in(run_map(summary), "Map"))
    failures = written.pop("failures")
    assert written == COUNTS
    assert failures == [
        {"index": 3, "name": "page-3", "errorType": "LookupError", "errorMessage": "no page…"}
    ]


def test_a_parallel_and_a_child_take_them_too() -> None:
    async def left(ctx: DurableContext) -> str:
        return await ctx.step(lambda: "l" * 200_000, name="left")

    async def right(ctx: DurableContext) -> str:
        return await ctx.step(lambda: "r" * 200_000, name="right")

    async def listed(ctx: DurableContext) -> list[str]:
        return [str(n) * 50_000 for n in range(6)]

    async def text(ctx: DurableContext) -> str:
        return "once upon a time" * 20_000

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        summary = summary_generators.counts
        config = ParallelConfig(summary_generator=summary)
        batch = await ctx.parallel({"left": left, "right": right}, config=config)
        first = summary_generators.first_items(3, characters=5)
        numbers = await ctx.run_in_child_context(
            listed, config=ChildConfig(summary_generator=first)
        )
        beginning = summary_generators.shortened(9)
        tale = await ctx.run_in_child_context(text, config=ChildConfig(summary_generator=beginning))
        await ctx.wait(Duration.from_seconds(1))
        return [len(result) for result in batch.results()], len(numbers), len(tale)

    ran = run_workflow(workflow)
    assert ran.result == [[200_000, 200_000], 6, 320_000]
    assert json.loads(summary_in(ran, "Parallel"))["successCount"] == 2
    list_summary, tale = (
        event.context_succeeded_details.result.payload
        for event in ran.events
        if event.event_type == "ContextSucceeded" and event.sub_type == "RunInChildContext"
    )
    assert json.loads(list_summary) == {"totalCount": 6, "first": ['"0000…', '"1111…', '"2222…']}
    assert tale == "once upon…"


def test_replay_knows_a_changed_rule_by_the_reason_in_the_summary() -> None:
    """A text without the reason would let another answer of ``should_complete`` pass."""
    asked: list[int] = []

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        asked.append(1)
        stops_at = 9 if len(asked) == 1 else 3
        rule = CompletionConfig(should_complete=lambda status: status.success_count >= stops_at)
        config = MapConfig(completion=rule, summary_generator=summary_generators.first_items(1))
        await ctx.map(range(8), text, config=config)
        await ctx.wait(Duration.from_seconds(1))

    async def text(ctx: DurableContext, number: int, index: int) -> str:
        return "x" * BIG

    ran = run_workflow(workflow)
    assert ran.error is not None
    assert ran.error.error_type == "DeterminismError"
    assert "should_complete" in ran.error.error_message


CIRCLE: list[Any] = []
CIRCLE.append(CIRCLE)


@pytest.mark.parametrize(
    ("result", "first"),
    [
        ({"a": 1, "b": 2, "c": 3}, {"totalCount": 3, "first": {"a": 1, "b": 2}}),
        ({(1, 2): Decimal("1.5")}, {"totalCount": 1, "first": {"[1,2]": "1.5"}}),
        ({1}, {"totalCount": 1, "first": [1]}),
        (5, {"first": 5}),
        (None, {"first": None}),
        (object(), {"first": "<object>"}),
        ([object(), 1], {"totalCount": 2, "first": ["<object>", 1]}),
        ([CIRCLE, "\ud800"], {"totalCount": 2, "first": ["<list>", "<str>"]}),
    ],
)
def test_first_items_of_any_result(result: object, first: object) -> None:
    assert json.loads(summary_generators.first_items(2)(result)) == first


def test_no_result_is_too_odd() -> None:
    odd = ["\ud800", CIRCLE, object(), {object(): object()}, b"\xff", float("nan"), 10**400]
    for result in [*odd, odd]:
        for summarize in (
            summary_generators.counts,
            summary_generators.first_items(),
            summary_generators.first_failures(),
            summary_generators.shortened(),
        ):
            summarize(result).encode()
    assert summary_generators.shortened(3)("\ud800") == "\\ud800"
    assert summary_generators.shortened(8)({"a": "bcdef"}) == '{"a":"bc…'


def test_their_options_are_checked_when_they_are_made() -> None:
    for make in (
        lambda: summary_generators.first_items(0),
        lambda: summary_generators.first_items(1, characters=0),
        lambda: summary_generators.first_failures(True),
        lambda: summary_generators.first_failures(characters="5"),  # type: ignore[arg-type]
        lambda: summary_generators.shortened(1.5),  # type: ignore[arg-type]
    ):
        with pytest.raises(ConfigError, match="whole number"):
            make()


def test_the_linear_preset_is_one_of_a_step() -> None:
    calls: list[int] = []

    async def workflow(event: Any, ctx: DurableContext) -> int:
        config = StepConfig(retry_strategy=retry_presets.linear)
        return await ctx.step(flaky, config=config)

    def flaky() -> int:
        calls.append(1)
        if len(calls) < 6:
            raise OSError("busy")
        return len(calls)

    assert run_workflow(workflow).result == 6


@pytest.mark.parametrize("name", ["first_items", "first_failures", "shortened"])
@pytest.mark.parametrize("config", [MapConfig, ParallelConfig, ChildConfig])
def test_a_function_that_makes_a_generator_is_no_generator(config: Any, name: str) -> None:
    maker = getattr(summary_generators, name)
    call = rf"what summary_generators\.{name}\(\) returns: call it"

    async def nothing(ctx: DurableContext, *_: Any) -> None: ...

    async def workflow(event: Any, ctx: DurableContext) -> str:
        with pytest.raises(ConfigError, match=rf"{config.__name__}\.summary_generator .*{call}"):
            given = config(summary_generator=maker)
            if config is MapConfig:
                ctx.map([1], nothing, config=given)
            elif config is ParallelConfig:
                ctx.parallel([nothing], config=given)
        config(summary_generator=maker())
        return "refused"

    assert run_workflow(workflow).result == "refused"

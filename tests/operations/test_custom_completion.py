"""``should_complete``: the user's rule decides a map or a parallel, from the log alone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.rig import run_workflow

from durable_execution_sdk import (
    BatchResult,
    ChildContextError,
    CompletionConfig,
    CompletionDecision,
    CompletionOutcome,
    CompletionStatus,
    ConfigError,
    DurableContext,
    Duration,
    ItemBatcher,
    MapConfig,
    NestingType,
    ParallelConfig,
    complete_batch,
    continue_batch,
)

SECOND = Duration.from_seconds(1)
NESTINGS = [NestingType.NESTED, NestingType.FLAT]


async def after(ctx: DurableContext, item: int, index: int) -> int:
    """Wait for as many seconds as the item is large; odd items fail."""
    await ctx.wait(Duration.from_seconds(item))
    if item % 2:
        raise LookupError(f"{item} is odd")
    return item * 10


def outcomes_of(batch: BatchResult[Any]) -> list[Any]:
    return [
        batch.completion_reason,
        batch.status,
        [(item.index, item.status, item.result) for item in batch],
    ]


@pytest.mark.parametrize("nesting", NESTINGS)
def test_a_rule_sees_counts_and_results_in_the_order_of_the_log(nesting: NestingType) -> None:
    seen: list[Any] = []

    def rule(status: CompletionStatus) -> CompletionDecision:
        seen.append(
            (
                status.success_count,
                status.failure_count,
                status.completed_count,
                status.total_count,
                status.results,
                [(item.index, item.status.value) for item in status.items],
            )
        )
        return complete_batch() if sum(status.results) >= 60 else continue_batch()

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        config = MapConfig(completion=CompletionConfig(should_complete=rule), nesting=nesting)
        batch = await ctx.map([4, 2, 3, 8], after, config=config)
        await ctx.wait(SECOND)
        return outcomes_of(batch)

    ran = run_workflow(workflow)
    assert ran.result == [
        "CUSTOM_COMPLETION_SUCCEEDED",
        "FAILED",
        [[0, "SUCCEEDED", 40], [1, "SUCCEEDED", 20], [2, "FAILED", None], [3, "STARTED", None]],
    ]
    expected = [
        (0, 0, 0, 4, [], []),
        (1, 0, 1, 4, [20], [(1, "SUCCEEDED")]),
        (1, 1, 2, 4, [20], [(1, "SUCCEEDED"), (2, "FAILED")]),
        (2, 1, 3, 4, [40, 20], [(0, "SUCCEEDED"), (1, "SUCCEEDED"), (2, "FAILED")]),
    ]
    # Each invocation replays the rule over the log: the same states in the same order.
    states = iter(seen)
    longest = 0
    for state in states:
        assert state == expected[0] or state in expected
        longest = max(longest, expected.index(state))
    assert longest == 3


def test_a_rule_may_end_a_batch_as_failed_though_no_item_failed() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        def rule(status: CompletionStatus) -> CompletionDecision:
            too_few = status.total_count is not None and status.total_count < 5
            return complete_batch(CompletionOutcome.FAILED) if too_few else continue_batch()

        completion = CompletionConfig(should_complete=rule)
        batch = await ctx.map([2, 4], after, config=MapConfig(completion=completion))
        try:
            batch.throw_if_error()
        except ChildContextError as error:
            return [*outcomes_of(batch), error.error_type, len(batch)]

    ran = run_workflow(workflow)
    assert ran.result == ["CUSTOM_COMPLETION_FAILED", "FAILED", [], "BatchCompletionError", 0]
    # It is asked before the first item: none was started.
    assert ran.types().count("ContextStarted") == 1


def test_a_batch_whose_items_have_all_ended_is_over_without_the_rule() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        completion = CompletionConfig(should_complete=lambda status: False)
        batch = await ctx.map([1, 2], after, config=MapConfig(completion=completion))
        empty = await ctx.map([], after, config=MapConfig(completion=completion))
        return [outcomes_of(batch)[0], batch.failure_count, outcomes_of(empty)]

    assert run_workflow(workflow).result == [
        "ALL_COMPLETED",
        1,
        ["ALL_COMPLETED", "SUCCEEDED", []],
    ]


def test_a_quorum_of_named_branches() -> None:
    async def vote(ctx: DurableContext, seconds: int) -> int:
        await ctx.wait(Duration.from_seconds(seconds))
        return seconds

    def rule(status: CompletionStatus) -> bool:
        done = {item.name for item in status.items if item.result is not None}
        return "chair" in done or {"left", "right"} <= done

    async def workflow(event: dict[str, int], ctx: DurableContext) -> Any:
        branches = {
            name: lambda child, seconds=seconds: vote(child, seconds)
            for name, seconds in event.items()
        }
        config = ParallelConfig(completion=CompletionConfig(should_complete=rule))
        batch = await ctx.parallel(branches, config=config)
        return [item.name for item in batch.succeeded()]

    assert run_workflow(workflow, {"chair": 1, "left": 2, "right": 3}).result == ["chair"]
    assert run_workflow(workflow, {"chair": 9, "left": 2, "right": 3}).result == ["left", "right"]


def test_a_rule_with_a_concurrency_and_groups_starts_no_more() -> None:
    started: list[int] = []

    async def work(ctx: DurableContext, items: list[int], index: int) -> list[int]:
        started.extend(items)
        return items

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        config = MapConfig(
            completion=CompletionConfig(should_complete=lambda s: s.success_count >= 4),
            item_batcher=ItemBatcher(max_items=2),
            max_concurrency=1,
        )
        return outcomes_of(await ctx.map(range(20), work, config=config))

    ran = run_workflow(workflow)
    assert ran.result[0] == "CUSTOM_COMPLETION_SUCCEEDED"
    assert sorted(set(started)) == [0, 1, 2, 3]


@pytest.mark.parametrize("answer", [None, 1, "yes", CompletionOutcome.SUCCEEDED])
def test_an_answer_that_is_none_is_named(answer: Any) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        completion = CompletionConfig(should_complete=lambda status: answer)
        await ctx.map([1], after, name="pages", config=MapConfig(completion=completion))

    ran = run_workflow(workflow)
    assert ran.status == "FAILED"
    assert "should_complete of map 'pages' returned" in ran.error.error_message
    assert "continue_batch()" in ran.error.error_message


def test_a_rule_that_raises_fails_the_batch() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        def rule(status: CompletionStatus) -> bool:
            raise KeyError("quorum")

        try:
            await ctx.map(
                [1], after, config=MapConfig(completion=CompletionConfig(should_complete=rule))
            )
        except KeyError as error:
            return repr(error.args)

    assert run_workflow(workflow).result == "('quorum',)"


@pytest.mark.parametrize(
    "options",
    [{"min_successful": 1}, {"tolerated_failure_count": 0}, {"tolerated_failure_percentage": 5}],
)
def test_a_rule_decides_alone(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"cannot be combined with {next(iter(options))}"):
        CompletionConfig(should_complete=bool, **options)
    with pytest.raises(ConfigError, match="function of a CompletionStatus, not 'all'"):
        CompletionConfig(should_complete="all")  # type: ignore[arg-type]


LARGE = "x" * 150_000


async def large(ctx: DurableContext, item: int, index: int) -> str:
    await ctx.wait(Duration.from_seconds(item + 1))
    return LARGE


@pytest.mark.parametrize("later", ["same", "sooner", "later", "failed"])
@pytest.mark.parametrize("nesting", NESTINGS)
def test_a_batch_that_is_built_again_has_to_end_as_it_did(later: str, nesting: NestingType) -> None:
    """The result is not in the log: the rule runs again over the items."""
    ends = 0

    def rule(status: CompletionStatus) -> CompletionDecision:
        is_again = ends > 0
        wanted = {"sooner": 1, "later": 4}.get(later, 2) if is_again else 2
        if status.success_count < wanted:
            return continue_batch()
        failed = is_again and later in {"failed", "sooner"}
        return complete_batch(CompletionOutcome.FAILED if failed else CompletionOutcome.SUCCEEDED)

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        nonlocal ends
        config = MapConfig(completion=CompletionConfig(should_complete=rule), nesting=nesting)
        batch = await ctx.map(range(4), large, config=config)
        ends += 1
        await ctx.wait(SECOND)
        return [batch.completion_reason, batch.success_count]

    ran = run_workflow(workflow)
    if later == "same":
        assert ran.result == ["CUSTOM_COMPLETION_SUCCEEDED", 2]
        return
    assert ran.status == "FAILED"
    if (later, nesting) != ("later", NestingType.FLAT):
        assert ran.error.error_type == "DeterminismError"
        assert "should_complete" in ran.error.error_message


def test_the_log_holds_the_reason_as_other_sdks_write_it() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        completion = CompletionConfig(should_complete=lambda status: status.success_count > 0)
        await ctx.map([2, 4], after, config=MapConfig(completion=completion))

    ran = run_workflow(workflow)
    [ended] = [
        event.context_succeeded_details.result.payload
        for event in ran.events
        if event.event_type == "ContextSucceeded" and event.sub_type == "Map"
    ]
    assert json.loads(ended)["completionReason"] == "CUSTOM_COMPLETION_SUCCEEDED"

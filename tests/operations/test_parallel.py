"""Parallel: several functions that run concurrently, with or without names."""

from __future__ import annotations

import functools
import json
from hashlib import blake2b
from typing import Any

import pytest
from tests.replay.corpus import RETRY, Declined, Probe, Workflow, seconds
from tests.replay.prove import prove
from tests.rig import Ran, run_workflow
from tests.sampling import whole_or_sample

from durable_execution_sdk import (
    BatchResult,
    CompletionConfig,
    ConfigError,
    ContextMisuseError,
    DurableContext,
    NestingType,
    ParallelConfig,
    SerDesContext,
    StepConfig,
)

IN_ORDER = ParallelConfig(max_concurrency=1)


def story(ran: Ran) -> list[str]:
    return [
        " ".join(filter(None, (event.event_type, event.sub_type, event.name)))
        for event in ran.events
        if not event.event_type.startswith("Execution")
    ]


def payload_of(ran: Ran, sub_type: str) -> list[str]:
    return [
        event.context_succeeded_details.result.payload
        for event in ran.events
        if event.event_type == "ContextSucceeded" and event.sub_type == sub_type
    ]


def operation(text: str) -> str:
    return blake2b(text.encode()).hexdigest()[:64]


async def one(ctx: DurableContext) -> str:
    return await ctx.step(lambda: "task-1", name="first")


async def two(ctx: DurableContext) -> str:
    return await ctx.step(lambda: "task-2", name="second")


async def fails(ctx: DurableContext) -> str:
    raise Declined("no", amount=1)


def test_each_branch_is_a_context_and_results_come_in_the_order_of_the_branches():
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        return (await ctx.parallel([one, two], name="parallel", config=IN_ORDER)).results()

    ran = run_workflow(workflow)
    assert ran.result == ["task-1", "task-2"]
    assert story(ran) == [
        "ContextStarted Parallel parallel",
        "ContextStarted ParallelBranch parallel-branch-0",
        "StepStarted Step first",
        "StepSucceeded Step first",
        "ContextSucceeded ParallelBranch parallel-branch-0",
        "ContextStarted ParallelBranch parallel-branch-1",
        "StepStarted Step second",
        "StepSucceeded Step second",
        "ContextSucceeded ParallelBranch parallel-branch-1",
        "ContextSucceeded Parallel parallel",
        "InvocationCompleted",
    ]
    top = operation("1")
    branches = [e for e in ran.events if e.event_type == "ContextStarted" and e.parent_id]
    assert [e.id for e in branches] == [operation(f"{top}-{n}") for n in range(2)]
    assert {e.parent_id for e in branches} == {top}


def test_a_mapping_names_its_branches():
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        branches = {"first": one, "second": functools.partial(two)}
        batch = await ctx.parallel(branches, config=IN_ORDER)
        return {item.name: item.result for item in batch}

    ran = run_workflow(workflow)
    assert ran.result == {"first": "task-1", "second": "task-2"}
    names = [e.name for e in ran.events if e.event_type == "ContextStarted"]
    assert names == [None, "first", "second"]


def test_a_branch_without_a_name_is_called_by_its_place():
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        batch = await ctx.parallel([lambda inner: one(inner), two])
        assert [item.name for item in batch] == [None, None]

    names = [e.name for e in run_workflow(workflow).events if e.event_type == "ContextStarted"]
    assert names == [None, "parallel-branch-0", "parallel-branch-1"]


@pytest.mark.parametrize("branches", [[], {}])
def test_no_branches_are_over_at_once(branches):
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        batch = await ctx.parallel(branches, name="empty")
        return [batch.total_count, str(batch.completion_reason)]

    ran = run_workflow(workflow)
    assert ran.result == [0, "ALL_COMPLETED"]
    assert story(ran) == [
        "ContextStarted Parallel empty",
        "ContextSucceeded Parallel empty",
        "InvocationCompleted",
    ]


def test_without_a_config_the_first_failure_ends_it_and_the_operation_succeeds():
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        batch = await ctx.parallel([fails, one], config=IN_ORDER)
        assert batch.total_count == 1
        batch.throw_if_error()

    ran = run_workflow(workflow)
    assert ran.status == "FAILED"
    assert ran.error.error_type == "Declined"
    assert story(ran) == [
        "ContextStarted Parallel",
        "ContextStarted ParallelBranch parallel-branch-0",
        "ContextFailed ParallelBranch parallel-branch-0",
        "ContextSucceeded Parallel",
        "InvocationCompleted",
    ]


@pytest.mark.parametrize(
    ("completion", "branches", "expected"),
    [
        (CompletionConfig(tolerated_failure_count=1), "ofo", ["ALL_COMPLETED", "FAILED", 2, 1, 3]),
        (
            CompletionConfig(tolerated_failure_percentage=25),
            "ffoo",
            ["FAILURE_TOLERANCE_EXCEEDED", "FAILED", 0, 2, 2],
        ),
        (CompletionConfig(min_successful=3), "ofo", ["ALL_COMPLETED", "FAILED", 2, 1, 3]),
        (
            CompletionConfig(min_successful=1),
            "oo",
            ["MIN_SUCCESSFUL_REACHED", "SUCCEEDED", 1, 0, 1],
        ),
    ],
)
def test_the_rules_decide_when_it_is_over(completion, branches, expected):
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        chosen = [one if letter == "o" else fails for letter in branches]
        config = ParallelConfig(max_concurrency=1, completion=completion)
        batch = await ctx.parallel(chosen, config=config)
        return [
            str(batch.completion_reason),
            str(batch.status),
            batch.success_count,
            batch.failure_count,
            batch.total_count,
        ]

    assert run_workflow(workflow).result == expected


def test_results_are_in_the_order_of_the_items():
    async def late(ctx: DurableContext, n: int) -> int:
        await ctx.wait(seconds(30 - n))
        return n

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        branches = [functools.partial(late, n=n) for n in range(5)]
        return (await ctx.parallel(branches, config=ParallelConfig(max_concurrency=3))).results()

    assert run_workflow(workflow).result == list(range(5))


def test_each_branch_has_the_type_of_its_own_function():
    async def text(ctx: DurableContext) -> bytes:
        return b"abc"

    async def number(ctx: DurableContext) -> frozenset[int]:
        return frozenset({1})

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        both: BatchResult[Any] = await ctx.parallel([text, number])
        assert both.results() == [b"abc", frozenset({1})]
        return "typed"

    assert run_workflow(workflow).result == "typed"


@pytest.mark.parametrize("nesting", NestingType)
def test_a_serdes_for_the_branches_is_used_both_ways(nesting):
    class Envelope:
        def serialize(self, value: Any, context: SerDesContext) -> str:
            return json.dumps({"wrapped": value})

        def deserialize(self, payload: str, context: SerDesContext) -> Any:
            return json.loads(payload)["wrapped"]

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        config = ParallelConfig(max_concurrency=1, item_serdes=Envelope(), nesting=nesting)
        return (await ctx.parallel([one, two], config=config)).results()

    ran = run_workflow(workflow)
    assert ran.result == ["task-1", "task-2"]
    if nesting is NestingType.NESTED:
        assert payload_of(ran, "ParallelBranch") == [
            '{"wrapped": "task-1"}',
            '{"wrapped": "task-2"}',
        ]


def test_a_parallel_in_a_branch_of_a_parallel():
    async def branch(ctx: DurableContext) -> list[str]:
        return (await ctx.parallel([one, two], name="inner", config=IN_ORDER)).results()

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        return (await ctx.parallel([branch], name="outer", config=IN_ORDER)).results()

    ran = run_workflow(workflow)
    assert ran.result == [["task-1", "task-2"]]
    assert [line for line in story(ran) if line.startswith("Context")] == [
        "ContextStarted Parallel outer",
        "ContextStarted ParallelBranch parallel-branch-0",
        "ContextStarted Parallel inner",
        "ContextStarted ParallelBranch parallel-branch-0",
        "ContextSucceeded ParallelBranch parallel-branch-0",
        "ContextStarted ParallelBranch parallel-branch-1",
        "ContextSucceeded ParallelBranch parallel-branch-1",
        "ContextSucceeded Parallel inner",
        "ContextSucceeded ParallelBranch parallel-branch-0",
        "ContextSucceeded Parallel outer",
    ]


@pytest.mark.parametrize(
    ("branches", "says"),
    [
        (5, "a sequence of functions"),
        ("ab", "a sequence of functions"),
        ({one}, "a sequence of functions"),
        ([one, 5], "branch 1 is 5"),
        ({"a": None}, "branch 'a' is None"),
        ({"é": one}, "cannot name a parallel branch"),
    ],
)
def test_a_branch_that_is_no_function_is_refused_before_anything_is_recorded(branches, says):
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        with pytest.raises(ConfigError, match=says):
            ctx.parallel(branches)
        with pytest.raises(ConfigError, match="only 2 items"):
            ctx.parallel(
                [one, two], config=ParallelConfig(completion=CompletionConfig(min_successful=3))
            )
        return "refused"

    ran = run_workflow(workflow)
    assert ran.result == "refused"
    assert story(ran) == ["InvocationCompleted"]


def test_a_concurrency_of_none_at_all_fails_the_execution_before_anything_is_recorded():
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        await ctx.parallel([one], config=ParallelConfig(max_concurrency=0))

    ran = run_workflow(workflow)
    assert ran.types() == ["ExecutionStarted", "InvocationCompleted", "ExecutionFailed"]
    assert ran.error.error_type == "ConfigError"


def test_the_context_around_it_is_refused_in_a_branch():
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        async def wrong(inner: DurableContext) -> Any:
            with pytest.raises(ContextMisuseError):
                ctx.parallel([one])
            return "refused"

        return (await ctx.parallel([wrong])).results()

    assert run_workflow(workflow).result == ["refused"]


def approval_while_another_polls(probe: Probe) -> Workflow:
    async def approval(ctx: DurableContext) -> Any:
        return await ctx.wait_for_callback(probe.gives)

    async def polls(ctx: DurableContext) -> int:
        for n in range(3):
            await ctx.step(probe.body, f"look {n}")
            await ctx.wait(seconds(10))
        return 3

    async def retries(ctx: DurableContext) -> Any:
        return await ctx.step(probe.fails, "r", 3, config=StepConfig(retry_strategy=RETRY))

    async def run(event: Any, ctx: DurableContext) -> Any:
        branches = {"approval": approval, "polls": polls, "retries": retries}
        batch: BatchResult[Any] = await ctx.parallel(branches)
        probe.see("results", batch.results())
        return probe.see("after", await ctx.step(probe.body, "after"))

    return run


@whole_or_sample
def test_branches_that_wait_retry_and_are_called_back_do_not_hold_one_another_up(*, whole: bool):
    ran = prove(approval_while_another_polls, whole=whole)
    assert ran.result == "after"

"""``ctx.budget``: figures that follow from the log, limits that the handler states, and warnings near a quota."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from tests.rig import Ran, rig_of

from durable_execution_sdk import (
    Budget,
    ChildConfig,
    CompletionConfig,
    ConfigError,
    ContextMisuseError,
    DurableContext,
    Duration,
    ExecutionLimits,
    FixedDelay,
    ItemBatcher,
    MapConfig,
    NestingType,
    Quota,
    StepConfig,
    StepContext,
    WaitForConditionConfig,
    durable_execution,
    poll_until,
)
from durable_execution_sdk.engine.limits import DEFAULT_LIMITS, Limits
from durable_execution_sdk.protocol.error_codes import (
    OPERATIONS_CURE,
    STORAGE_CURE,
    too_many_bytes,
    too_many_operations,
)

SECOND = Duration.from_seconds(1)


def run(
    workflow: Any, event: Any = None, *, engine: Limits = DEFAULT_LIMITS, **options: Any
) -> tuple[Ran, Any]:
    """Run a workflow on the engine; return the outcome, and the state of the engine."""
    rig = rig_of(workflow, options=options, limits=engine)
    arn = rig.start(event)
    ran = rig.drive(arn)
    return ran, rig.emulator.coordinator.recorded(arn)


async def one(ctx: DurableContext, item: int, _index: int) -> int:
    await ctx.step(lambda: item, name="take")
    await ctx.wait(SECOND)
    return item


STATED = {"limits": ExecutionLimits()}


def test_it_counts_what_the_service_counts() -> None:
    # The operations that code saw, and those that the engine had when code came there first.
    seen: list[set[int]] = []
    counted: list[int] = []

    def flaky() -> str:
        if StepContext.current().attempt < 3:
            raise OSError("busy")
        return "ok"

    async def group(ctx: DurableContext) -> None:
        await ctx.map([1, 2], one)
        raise LookupError("after all")

    async def workflow(event: Any, ctx: DurableContext) -> None:
        numbers = itertools.count()

        def look() -> None:
            number = next(numbers)
            if number == len(seen):
                seen.append(set())
                counted.append(rig.emulator.coordinator.recorded(arn).operation_count)
            seen[number].add(ctx.budget.operations.used)

        look()
        await ctx.step(lambda: 1, name="one")
        look()
        retry = FixedDelay(max_attempts=3, delay=SECOND)
        await ctx.step(flaky, config=StepConfig(retry_strategy=retry))
        look()
        until = poll_until(lambda n: n >= 4, initial_delay=SECOND)
        polls = WaitForConditionConfig(initial_state=0, wait_strategy=until)
        await ctx.wait_for_condition(lambda n: n + 1, polls)
        look()
        await ctx.map([1, 2, 3], one)
        look()
        await ctx.map([1, 2, 3], one, config=MapConfig(nesting=NestingType.FLAT))
        look()
        await ctx.run_in_child_context(one, 1, 0)
        look()
        await ctx.run_in_child_context(one, 1, 0, config=ChildConfig(virtual=True))
        look()
        with pytest.raises(LookupError):
            await ctx.run_in_child_context(group)
        look()
        await asyncio.gather(ctx.step(lambda: 1), ctx.wait(SECOND))
        look()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(one(ctx, 1, 0))
            tasks.create_task(one(ctx, 1, 0))
        look()
        await ctx.wait_for_callback(lambda callback: rig.emulator.callback_success(callback, b"1"))
        look()
        await ctx.all(ctx.step(lambda: 1), ctx.step(lambda: 2))
        look()
        await asyncio.sleep(2)
        look()
        await asyncio.to_thread(lambda: None)
        look()
        await asyncio.wait_for(one(ctx, 1, 0), 60)
        await ctx.step(lambda: 1)

    rig = rig_of(workflow, options={"limits": ExecutionLimits()})
    arn = rig.start(None)
    ran = rig.drive(arn)
    assert ran.status == "SUCCEEDED", ran.error
    assert seen == [{count} for count in counted]
    assert len(seen) == 15


def test_the_figures_of_a_batch_are_whole_when_its_items_end_in_other_invocations() -> None:
    async def late(ctx: DurableContext, item: int, _index: int) -> None:
        for _ in range(item):
            await ctx.wait(SECOND)

    async def workflow(event: Any, ctx: DurableContext) -> int:
        await ctx.map([1, 2, 3, 4], late)
        return ctx.budget.operations.used

    ran, state = run(workflow, **STATED)
    assert ran.result == state.operation_count == 1 + 1 + 4 + 10


@pytest.mark.parametrize("size", [300_000, 1_000])
def test_bytes_are_those_of_the_input_and_of_what_code_has_seen(size: int) -> None:
    async def build(ctx: DurableContext) -> str:
        return str(await ctx.step(lambda: "é" * (size // 2), name="text"))

    async def workflow(event: Any, ctx: DurableContext) -> list[int]:
        before = ctx.budget.bytes.used
        await ctx.run_in_child_context(build)
        await ctx.wait(SECOND)
        return [before, ctx.budget.bytes.used]

    ran, state = run(workflow, "input", **STATED)
    before, after = ran.result
    assert before == len(b'"input"')
    stored_once = size + 2
    assert after >= before + stored_once
    # Only the totals behind the context's payload are not seen.
    assert 0 <= state.stored_bytes - after <= 100


def test_the_age_is_that_of_the_log() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> list[float]:
        await ctx.wait(Duration.from_hours(10))
        duration = ctx.budget.duration
        assert duration.limit == timedelta(days=1)
        return [duration.used.total_seconds(), duration.left.total_seconds()]

    ran, _ = run(workflow, limits=ExecutionLimits(duration=Duration.from_days(1)))
    used, left = ran.result
    assert 36_000 <= used < 36_001
    assert used + left == 86_400


def test_the_time_left_is_an_error_with_the_option_where_the_timeout_is_not_stated() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> float:
        return ctx.budget.duration.left.total_seconds()

    ran, _ = run(workflow)
    assert ran.error.error_type == "ConfigError"
    assert "durable_execution(limits=ExecutionLimits(duration=" in ran.error.error_message


def test_nothing_is_left_of_a_quota_that_is_used_up() -> None:
    assert Quota(used=12, limit=10).left == 0
    assert Quota(used=2, limit=10).left == 8


def test_a_loop_stops_before_the_quota_and_the_log_agrees() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> int:
        rounds = 0
        while ctx.budget.operations.left >= 12:
            await ctx.map([1, 2, 3], one)
            rounds += 1
        return rounds

    ran, state = run(workflow, engine=Limits(operations=60), limits=ExecutionLimits(operations=60))
    assert ran.status == "SUCCEEDED", ran.error
    assert (ran.result, state.operation_count) == (5, 51)


def test_contexts_beside_the_code_do_not_count_before_they_end() -> None:
    seen: list[int] = []

    async def busy(ctx: DurableContext) -> None:
        for _ in range(3):
            await ctx.wait(Duration.from_seconds(10))

    async def looks(ctx: DurableContext) -> int:
        await ctx.wait(Duration.from_seconds(25))
        seen.append(ctx.budget.operations.used)
        return seen[-1]

    async def workflow(event: Any, ctx: DurableContext) -> None:
        batch = await ctx.parallel([busy, looks])
        batch.throw_if_error()

    run(workflow, **STATED)
    assert set(seen) == {1 + 1 + 2 + 1}


def test_a_body_has_no_budget() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(lambda: ctx.budget, name="looks")

    ran, _ = run(workflow)
    assert ran.status == "FAILED"
    assert ContextMisuseError.__name__ in str(ran.error)


def test_the_totals_are_no_part_of_a_value_and_other_readers_find_the_same_json() -> None:
    class Reversed:
        """A serdes whose text is no JSON."""

        def serialize(self, value: Any, context: Any, /) -> str:
            return json.dumps(value)[::-1]

        def deserialize(self, data: str, context: Any, /) -> Any:
            return json.loads(data[::-1])

    async def child(ctx: DurableContext) -> dict[str, str]:
        await ctx.step(lambda: 1)
        return {"text": "a \n\t"}

    async def workflow(event: Any, ctx: DurableContext) -> list[Any]:
        plain = await ctx.run_in_child_context(child)
        odd = await ctx.run_in_child_context(child, config=ChildConfig(serdes=Reversed()))  # type: ignore[arg-type]
        await ctx.wait(SECOND)
        return [plain, odd, ctx.budget.operations.used]

    ran, state = run(workflow, **STATED)
    assert ran.result == [{"text": "a \n\t"}, {"text": "a \n\t"}, state.operation_count]
    payloads = [
        event.context_succeeded_details.result.payload
        for event in ran.events
        if event.context_succeeded_details is not None
    ]
    assert json.loads(payloads[0]) == {"text": "a \n\t"}
    assert payloads[0] != payloads[0].strip()


def test_contexts_have_no_totals_where_no_code_looks_at_the_budget() -> None:
    async def child(ctx: DurableContext) -> int:
        return await ctx.step(lambda: 1)

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.run_in_child_context(child)

    ran, _ = run(workflow)
    [ended] = [event for event in ran.events if event.context_succeeded_details is not None]
    assert ended.context_succeeded_details is not None
    assert ended.context_succeeded_details.result.payload == "1"


@pytest.mark.parametrize("stated", [True, False])
def test_contexts_that_ended_before_the_first_look_are_told_where_no_limits_are_stated(
    stated: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> int:
        await ctx.map([1, 2], one)
        first = ctx.budget.operations.used
        await ctx.map([1, 2], one)
        assert ctx.budget.operations.used == first + 7
        await ctx.wait(SECOND)
        return ctx.budget.operations.used

    ran, state = run(workflow, **(STATED if stated else {}))
    told = [record for record in caplog.records if "limits=ExecutionLimits()" in record.message]
    assert len(told) == (0 if stated else 1)
    assert (ran.result == state.operation_count) is stated


# Warnings and errors near a quota.


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno == logging.WARNING and "has used" in record.getMessage()
    ]


@pytest.mark.parametrize("suspends", [True, False])
def test_a_warning_comes_once_when_four_fifths_of_the_operations_are_used(
    suspends: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        for n in range(45):
            await ctx.step(lambda: 1)
            if suspends and n % 4 == 3:
                await ctx.wait(SECOND)

    stated = ExecutionLimits(operations=60)
    ran, _ = run(workflow, limits=stated)
    assert ran.status == "SUCCEEDED"
    told = warnings(caplog)
    if not suspends:
        assert told == []  # 46 of 60
        return
    assert len(told) == 1
    assert "of 60 durable operations" in told[0]
    assert OPERATIONS_CURE in told[0]


def test_retries_and_polls_count_for_the_warning(caplog: pytest.LogCaptureFixture) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        until = poll_until(lambda n: n >= 40, max_attempts=60, initial_delay=SECOND)
        polls = WaitForConditionConfig(initial_state=0, wait_strategy=until)
        await ctx.wait_for_condition(lambda n: n + 1, polls)

    run(workflow, limits=ExecutionLimits(operations=45))
    assert len(warnings(caplog)) == 1


def test_what_is_in_contexts_that_have_ended_counts_for_the_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        for _ in range(4):
            await ctx.map(list(range(5)), one)

    ran, state = run(workflow, limits=ExecutionLimits(operations=75))
    assert ran.status == "SUCCEEDED"
    assert state.operation_count == 65
    assert len(warnings(caplog)) == 1


def test_a_warning_comes_once_when_four_fifths_of_the_bytes_are_used(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        for n in range(9):
            await ctx.step(lambda: "x" * 1_000)
            told.append((n, len(warnings(caplog))))
            await ctx.wait(SECOND)

    told: list[tuple[int, int]] = []
    run(workflow, limits=ExecutionLimits(bytes=10_000))
    assert (6, 0) in told
    assert (7, 0) not in told  # 8 results of 1,002 bytes
    [warning] = warnings(caplog)
    assert "of 10,000 bytes of storage" in warning
    assert STORAGE_CURE in warning


def test_the_engine_refuses_in_the_same_words() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        for _ in range(20):
            await ctx.step(lambda: "x" * 100)

    ran, _ = run(workflow, engine=Limits(operations=10))
    assert ran.error.error_message == too_many_operations(10)
    ran, _ = run(workflow, engine=Limits(storage_bytes=1_000))
    assert ran.error.error_message == too_many_bytes(1_000)
    for cure in ("NestingType.FLAT", "ItemBatcher", "ctx.invoke", "ctx.continue_as_new"):
        assert cure in too_many_operations(10)


# Batches that cannot fit.


async def nothing(_ctx: DurableContext, _item: Any, _index: int) -> None:
    raise AssertionError("no branch runs")


@pytest.mark.parametrize(
    ("items", "config"),
    [
        (100, MapConfig()),
        (98, MapConfig(max_concurrency=2, completion=CompletionConfig.all_completed())),
        (980, MapConfig(item_batcher=ItemBatcher(max_items=10))),
    ],
)
def test_a_map_that_cannot_fit_into_a_stated_quota_is_refused_at_the_call(
    items: int, config: MapConfig
) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        await ctx.step(lambda: 1)
        try:
            ctx.map(list(range(items)), nothing, name="wide", config=config)
        except ConfigError as error:
            await ctx.step(lambda: "another way", name="other")
            await ctx.wait(SECOND)
            return str(error)
        return ""

    ran, state = run(workflow, limits=ExecutionLimits(operations=100))
    assert ran.status == "SUCCEEDED", ran.error
    branches = -(-items // 10) if config.item_batcher else items
    assert ran.result == (
        f"ctx.map 'wide' has {branches} branches, each an operation at least, and an execution may have 100"
        f" operations, of which this one has used 2. {OPERATIONS_CURE}"
    )
    assert state.operation_count == 4


@pytest.mark.parametrize(
    ("items", "config"),
    [
        (97, MapConfig()),
        (500, MapConfig(nesting=NestingType.FLAT)),
        (970, MapConfig(item_batcher=ItemBatcher(max_items=10))),
        (500, MapConfig(completion=CompletionConfig(min_successful=1))),
    ],
)
def test_a_map_that_may_fit_is_begun(items: int, config: MapConfig) -> None:
    async def item(_ctx: DurableContext, item: Any, _index: int) -> Any:
        return item

    async def workflow(event: Any, ctx: DurableContext) -> int:
        await ctx.step(lambda: 1)
        handle = ctx.map(list(range(items)), item, config=replace(config, max_concurrency=1))
        return len((await handle).succeeded())

    ran, _ = run(workflow, limits=ExecutionLimits(operations=100))
    assert ran.status == "SUCCEEDED", ran.error


def test_a_parallel_that_cannot_fit_is_refused_too() -> None:
    async def branch(_ctx: DurableContext) -> None:
        raise AssertionError("no branch runs")

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.parallel([branch] * 10)

    ran, state = run(workflow, limits=ExecutionLimits(operations=11))
    assert ran.error.error_message.startswith("ctx.parallel has 10 branches")
    assert state.operation_count == 1


# Options.


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ExecutionLimits(operations=0), "ExecutionLimits.operations is a whole number"),
        (lambda: ExecutionLimits(bytes=1.5), "ExecutionLimits.bytes is a whole number"),  # type: ignore[arg-type]
        (lambda: ExecutionLimits(duration=Duration.from_days(400)), "ExecutionLimits.duration"),
        (lambda: durable_execution(limits=3_000), "takes an ExecutionLimits"),  # type: ignore[call-overload]
    ],
)
def test_wrong_limits_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()


def test_a_budget_is_a_frozen_value() -> None:
    budgets: list[Budget] = []

    async def workflow(event: Any, ctx: DurableContext) -> None:
        budgets.append(ctx.budget)
        await ctx.step(lambda: 1)
        budgets.append(ctx.budget)

    run(workflow)
    assert [budget.operations.used for budget in budgets] == [1, 2]
    with pytest.raises(AttributeError):
        budgets[0].operations = Quota(0, 0)  # type: ignore[misc]

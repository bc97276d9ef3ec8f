"""Map: the schedule of items, their records, and the result."""

from __future__ import annotations

import asyncio
import gc
import json
import re
import weakref
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from decimal import Decimal
from hashlib import blake2b
from typing import Any

import pytest
from tests.replay.corpus import ONE_TRY, Declined, Probe, Workflow, seconds
from tests.replay.prove import prove
from tests.rig import Ran, rig_of, run_workflow
from tests.sampling import whole_or_sample

from durable_execution_sdk import (
    BatchItemStatus,
    BatchResult,
    ChildContextError,
    CompletionConfig,
    CompletionReason,
    ConfigError,
    ContextMisuseError,
    DurableContext,
    ItemBatcher,
    JsonSerDes,
    MapConfig,
    NestingType,
    SerDesContext,
    StepContext,
)
from durable_execution_sdk.engine.limits import Limits

IN_ORDER = MapConfig(max_concurrency=1)


def story(ran: Ran) -> list[str]:
    """Return the history without the start and the end of the execution."""
    return [
        " ".join(filter(None, (event.event_type, event.sub_type, event.name)))
        for event in ran.events
        if not event.event_type.startswith("Execution")
    ]


def payload_of(ran: Ran, sub_type: str, event_type: str = "ContextSucceeded") -> list[str]:
    return [
        event.context_succeeded_details.result.payload
        for event in ran.events
        if event.event_type == event_type and event.sub_type == sub_type
    ]


def operation(text: str) -> str:
    return blake2b(text.encode()).hexdigest()[:64]


# The records, in order.


async def upper(ctx: DurableContext, item: str, index: int) -> str:
    return item.upper()


def test_each_item_is_a_context_with_its_own_operations_and_results_come_in_order():
    async def greet(ctx: DurableContext, item: str, index: int) -> str:
        async def greeting() -> str:
            return f"Hello, {item}!"

        return await ctx.step(greeting)

    async def workflow(event: list[str], ctx: DurableContext) -> list[str]:
        batch = await ctx.map(event, greet, name="map", config=IN_ORDER)
        return batch.results()

    ran = run_workflow(workflow, ["World", "Kiro"])
    assert ran.result == ["Hello, World!", "Hello, Kiro!"]
    item = [
        "ContextStarted MapIteration map-item-{}",
        "StepStarted Step greeting",
        "StepSucceeded Step greeting",
        "ContextSucceeded MapIteration map-item-{}",
    ]
    assert story(ran) == [
        "ContextStarted Map map",
        *(line.format(0) for line in item),
        *(line.format(1) for line in item),
        "ContextSucceeded Map map",
        "InvocationCompleted",
    ]
    top = operation("1")
    first, second = operation(f"{top}-0"), operation(f"{top}-1")
    links = {event.id: event.parent_id for event in ran.events if event.sub_type}
    assert links == {
        top: None,
        first: top,
        second: top,
        operation(f"{first}-1"): first,
        operation(f"{second}-1"): second,
    }
    assert payload_of(ran, "MapIteration") == ['"Hello, World!"', '"Hello, Kiro!"']


def test_the_function_gets_the_item_and_its_index():
    async def add(ctx: DurableContext, item: int, index: int) -> int:
        return item + index

    async def workflow(event: list[int], ctx: DurableContext) -> list[int]:
        return (await ctx.map(event, add, config=IN_ORDER)).results()

    ran = run_workflow(workflow, [10, 20, 30])
    assert ran.result == [10, 21, 32]
    assert payload_of(ran, "MapIteration") == ["10", "21", "32"]


def test_a_map_is_named_after_its_function_and_its_items_by_the_namer():
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        config = MapConfig(max_concurrency=1, item_namer=lambda item, index: f"{index}:{item}")
        batch = await ctx.map(["a", "b"], upper, config=config)
        return [item.name for item in batch]

    ran = run_workflow(workflow)
    assert ran.result == ["0:a", "1:b"]
    assert [line for line in story(ran) if "Started" in line] == [
        "ContextStarted Map upper",
        "ContextStarted MapIteration 0:a",
        "ContextStarted MapIteration 1:b",
    ]


def test_no_items_are_a_map_that_is_over_at_once():
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        batch = await ctx.map([], upper, name="nothing")
        assert batch.completion_reason is CompletionReason.ALL_COMPLETED
        assert batch.status is BatchItemStatus.SUCCEEDED
        assert batch
        assert (len(batch), batch.total_count, batch.results(), batch.errors()) == (0, 0, [], [])
        batch.throw_if_error()
        return batch.results()

    ran = run_workflow(workflow)
    assert ran.result == []
    assert story(ran) == [
        "ContextStarted Map nothing",
        "ContextSucceeded Map nothing",
        "InvocationCompleted",
    ]


def test_the_log_holds_each_result_once_as_its_item_wrote_it():
    async def decimal(ctx: DurableContext, item: str, index: int) -> Decimal:
        if item == "x":
            raise Declined("x", amount=7)
        return Decimal(item)

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        config = MapConfig(completion=CompletionConfig.all_completed(), max_concurrency=1)
        batch = await ctx.map(["1.50", "x"], decimal, config=config)
        assert batch.results() == [Decimal("1.50")]
        return None

    ran = run_workflow(workflow)
    (payload,) = payload_of(ran, "Map")
    recorded = json.loads(payload)
    assert recorded["completionReason"] == "ALL_COMPLETED"
    assert recorded["all"][0] == {"index": 0, "status": "SUCCEEDED", "result": "1.50"}
    assert recorded["all"][1]["status"] == "FAILED"
    assert recorded["all"][1]["error"]["ErrorType"] == "Declined"
    assert recorded["all"][1]["error"]["ErrorMessage"] == "declined: x"


# Completion rules.


def outcome_of(batch: BatchResult[Any]) -> list[Any]:
    return [
        str(batch.completion_reason),
        str(batch.status),
        batch.success_count,
        batch.failure_count,
        batch.total_count,
    ]


RULES = [
    (None, "of", ["FAILURE_TOLERANCE_EXCEEDED", "FAILED", 1, 1, 2]),
    (None, "ooo", ["ALL_COMPLETED", "SUCCEEDED", 3, 0, 3]),
    (CompletionConfig(tolerated_failure_count=0), "ofo", ["FAILURE_TOLERANCE_EXCEEDED", "FAILED", 1, 1, 2]),
    (CompletionConfig(tolerated_failure_count=1), "ffo", ["FAILURE_TOLERANCE_EXCEEDED", "FAILED", 0, 2, 2]),
    (CompletionConfig(tolerated_failure_count=1), "ofo", ["ALL_COMPLETED", "FAILED", 2, 1, 3]),
    (CompletionConfig(tolerated_failure_percentage=25), "ffoo", ["FAILURE_TOLERANCE_EXCEEDED", "FAILED", 0, 2, 2]),
    (CompletionConfig(tolerated_failure_percentage=50), "ffoo", ["ALL_COMPLETED", "FAILED", 2, 2, 4]),
    (CompletionConfig(min_successful=2), "oooo", ["MIN_SUCCESSFUL_REACHED", "SUCCEEDED", 2, 0, 2]),
    (CompletionConfig(min_successful=3), "ofo", ["ALL_COMPLETED", "FAILED", 2, 1, 3]),
    (CompletionConfig.first_successful(), "ffo", ["MIN_SUCCESSFUL_REACHED", "FAILED", 1, 2, 3]),
    (CompletionConfig.all_successful(), "oof", ["FAILURE_TOLERANCE_EXCEEDED", "FAILED", 2, 1, 3]),
]  # fmt: skip


@pytest.mark.parametrize("nesting", NestingType)
@pytest.mark.parametrize("source", ["list", "generator", "async generator"])
@pytest.mark.parametrize(("completion", "items", "expected"), RULES)
def test_the_rules_decide_when_it_is_over(completion, items, expected, source, nesting):
    async def item(ctx: DurableContext, letter: str, index: int) -> str:
        if letter == "f":
            raise Declined(letter, amount=index)
        return letter

    async def slowly() -> AsyncIterator[str]:
        for letter in items:
            await asyncio.sleep(0)
            yield letter

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        sources: dict[str, Any] = {
            "list": list(items),
            "generator": (letter for letter in items),
            "async generator": slowly(),
        }
        config = MapConfig(max_concurrency=1, completion=completion, nesting=nesting)
        return outcome_of(await ctx.map(sources[source], item, config=config))

    if completion is not None and (completion.min_successful or 0) > len(items):
        return
    assert run_workflow(workflow).result == expected


def early_completion(probe: Probe) -> Workflow:
    async def item(ctx: DurableContext, n: int, index: int) -> int:
        try:
            await ctx.wait(seconds(10 * n + 5))
            return n
        except asyncio.CancelledError:
            probe.runs[f"cancelled {n}", 0] += 1
            await ctx.step(probe.body, "too late")
            raise

    async def run(event: Any, ctx: DurableContext) -> Any:
        config = MapConfig(completion=CompletionConfig(min_successful=2))
        batch = await ctx.map([3, 0, 1, 2], item, config=config)
        probe.see("statuses", [str(item.status) for item in batch])
        probe.see("counts", [batch.started_count, batch.total_count, outcome_of(batch)])
        probe.see("results", batch.results())
        await ctx.wait(seconds(100))
        return probe.see("after", await ctx.step(probe.body, "after"))

    return run


@whole_or_sample
def test_early_completion_cancels_running_items_and_records_no_more_of_them(*, whole: bool):
    ran = prove(early_completion, whole=whole)
    assert "too late" not in [event.name for event in ran.events]
    started = [event for event in ran.events if event.event_type == "ContextStarted"]
    ended = [event for event in ran.events if event.event_type == "ContextSucceeded"]
    assert (len(started), len(ended)) == (5, 3)
    # It does not wait for the slowest: the wait of 100 s begins 15 s after the start.
    waits = [event for event in ran.events if event.event_type == "WaitStarted"]
    assert waits[-1].event_timestamp - ran.events[0].event_timestamp < 20_000


# Sources of items.


@pytest.mark.parametrize("most", [1, 3])
def test_items_are_taken_as_branches_start(most):
    taken: list[int] = []
    begun: list[int] = []

    def source() -> Iterator[int]:
        for n in range(1_000_000):
            taken.append(n)
            yield n

    async def item(ctx: DurableContext, n: int, index: int) -> int:
        begun.append(len(taken))
        if n == 10:
            raise Declined("enough", amount=n)
        return n

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        return (await ctx.map(source(), item, config=MapConfig(max_concurrency=most))).total_count

    total = run_workflow(workflow).result
    assert total <= 10 + most
    assert len(taken) == total
    assert all(at <= n + most for n, at in enumerate(begun))


def paged_source(probe: Probe) -> Workflow:
    async def run(event: Any, ctx: DurableContext) -> Any:
        async def pages() -> AsyncIterator[int]:
            for page in range(3):
                both = [page * 2, page * 2 + 1]
                for item in await ctx.step(probe.body, f"page {page}", both, name=f"page {page}"):
                    yield item
                await ctx.wait(seconds(20))

        async def item(inner: DurableContext, n: int, index: int) -> int:
            await inner.wait(seconds(1 + 7 * (n % 2)))
            return int(await inner.step(probe.body, f"item {n}", n))

        async def beside() -> Any:
            return await ctx.step(probe.body, "beside", name="beside")

        batch = ctx.map(pages(), item, config=MapConfig(max_concurrency=2))
        task = asyncio.create_task(beside())
        probe.see("results", (await batch).results())
        probe.see("beside", await task)
        await ctx.wait(seconds(1))
        return await ctx.step(probe.body, "after")

    return run


@whole_or_sample
def test_an_async_generator_may_itself_start_operations(*, whole):
    ran = prove(paged_source, whole=whole)
    names = {event.name: event.id for event in ran.events if event.name}
    # Its task has a scope of its own, even if it does not run again: the next task's ids do not change.
    assert names["page 0"] == f"items_{operation('1')[:10]}-1"
    assert re.fullmatch(r"beside_[0-9a-f]{8}_1-1", names["beside"])


def test_a_generator_that_raises_fails_the_map():
    def source() -> Iterator[int]:
        yield 1
        raise LookupError("no second page")

    async def slow(ctx: DurableContext, n: int, index: int) -> int:
        await ctx.wait(seconds(100))
        return n

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        with pytest.raises(LookupError, match="no second page") as caught:
            await ctx.map(source(), slow)
        assert isinstance(caught.value, ChildContextError)
        return "caught"

    ran = run_workflow(workflow)
    assert ran.result == "caught"
    assert ran.invocations == 1


def test_an_async_generator_that_raises_fails_the_map_and_is_closed():
    closed: list[str] = []

    async def source(*, fails: bool) -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.sleep(0)
            if fails:
                raise LookupError("no second page")
            yield 2
            yield 3
        finally:
            closed.append("closed")

    async def item(ctx: DurableContext, n: int, index: int) -> int:
        if n == 2:
            raise Declined("two", amount=2)
        return n

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        with pytest.raises(LookupError, match="no second page"):
            await ctx.map(source(fails=True), item)
        batch = await ctx.map(source(fails=False), item, config=IN_ORDER)
        await ctx.wait(seconds(1))
        return batch.total_count

    assert run_workflow(workflow).result == 2
    assert closed == ["closed", "closed"]


def test_an_async_iterator_need_not_be_a_generator():
    class Countdown:
        def __init__(self) -> None:
            self.left = 3

        def __aiter__(self) -> AsyncIterator[int]:
            return self

        async def __anext__(self) -> int:
            if self.left == 0:
                raise StopAsyncIteration
            self.left -= 1
            return self.left

    async def same(ctx: DurableContext, n: int, index: int) -> int:
        return n

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        return (await ctx.map(Countdown(), same)).results()

    assert run_workflow(workflow).result == [2, 1, 0]


def test_a_list_may_change_while_its_items_run():
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        items = [1, 2, 3]

        async def item(inner: DurableContext, n: int, index: int) -> int:
            items.clear()
            return n

        return (await ctx.map(items, item, config=IN_ORDER)).results()

    assert run_workflow(workflow).result == [1, 2, 3]


# Options that are refused.


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"max_concurrency": 0}, "max_concurrency"),
        ({"max_concurrency": -1}, "max_concurrency"),
        ({"max_concurrency": True}, "max_concurrency"),
        ({"max_concurrency": 1.5}, "max_concurrency"),
        ({"completion": 3}, "completion"),
        ({"nesting": "DEEP"}, "nesting"),
        ({"serdes": 3}, "serdes"),
        ({"item_serdes": 3}, "item_serdes"),
        ({"summary_generator": "short"}, "summary_generator"),
        ({"item_namer": "name"}, "item_namer"),
        ({"item_batcher": 10}, "item_batcher"),
    ],
)
def test_a_config_is_checked_when_it_is_made(options, says):
    with pytest.raises(ConfigError, match=f"MapConfig.{says}"):
        MapConfig(**options)


@pytest.mark.parametrize(
    "options", [{}, {"max_items": 0}, {"max_bytes": 0}, {"max_items": "3"}, {"max_items": True}]
)
def test_a_batcher_has_room_for_an_item(options):
    with pytest.raises(ConfigError, match="ItemBatcher"):
        ItemBatcher(**options)


@pytest.mark.parametrize(
    ("items", "config", "says"),
    [
        ({1, 2}, None, "sorted"),
        (frozenset({1, 2}), None, "sorted"),
        (5, None, "iterable"),
        ([1], MapConfig(completion=CompletionConfig(min_successful=2)), "only 1 items"),
        (iter([1]), MapConfig(completion=CompletionConfig(min_successful=2)), "only 1 items"),
    ],
)
def test_impossible_options_are_refused_before_anything_is_recorded(items, config, says):
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        with pytest.raises(ConfigError, match=says):
            ctx.map(items, upper, config=config)
        with pytest.raises(ConfigError, match="did you call the function"):
            ctx.map(["a"], "upper")  # type: ignore[call-overload]
        with pytest.raises(ConfigError, match="cannot name a map"):
            ctx.map(["a"], upper, name="")
        return "refused"

    ran = run_workflow(workflow)
    assert ran.result == "refused"
    assert story(ran) == ["InvocationCompleted"]


def test_too_few_async_items_fail_the_map_since_they_are_counted_while_it_runs():
    async def source() -> AsyncIterator[str]:
        yield "a"

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        config = MapConfig(completion=CompletionConfig(min_successful=2))
        with pytest.raises(ConfigError, match="only 1 items"):
            await ctx.map(source(), upper, config=config)
        return "refused"

    assert run_workflow(workflow).result == "refused"


def test_a_bad_item_name_fails_the_map_and_names_the_name():
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        with pytest.raises(ConfigError, match="'é' cannot name a map item"):
            await ctx.map(["a"], upper, config=MapConfig(item_namer=lambda item, index: "é"))
        return "refused"

    assert run_workflow(workflow).result == "refused"


# Batches.


def test_a_batcher_drops_no_item_and_keeps_the_order():
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        batches: list[list[int]] = []

        async def double(inner: DurableContext, items: list[int], index: int) -> list[int]:
            assert len(batches) == index
            batches.append(items)
            return [item * 2 for item in items]

        config = MapConfig(max_concurrency=1, item_batcher=ItemBatcher(max_items=3))
        batch = await ctx.map(range(8), double, config=config)
        assert [item.index for item in batch] == list(range(8))
        return [batch.results(), batches]

    ran = run_workflow(workflow)
    assert ran.result == [[0, 2, 4, 6, 8, 10, 12, 14], [[0, 1, 2], [3, 4, 5], [6, 7]]]
    assert payload_of(ran, "MapIteration") == ["[0,2,4]", "[6,8,10]", "[12,14]"]
    assert "ContextStarted MapIteration map-batch-2" in story(ran)


def test_a_batcher_counts_bytes_of_json_and_an_item_that_is_larger_goes_alone():
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        async def sizes(inner: DurableContext, items: list[str], index: int) -> list[int]:
            return [len(items)] * len(items)

        items = ["é", "é", "é", "x" * 50, "é"]
        config = MapConfig(item_batcher=ItemBatcher(max_bytes=8))
        return (await ctx.map(iter(items), sizes, config=config)).results()

    assert run_workflow(workflow).result == [2, 2, 1, 1, 1]


def test_a_batcher_takes_items_from_an_async_iterable():
    async def source() -> AsyncIterator[int]:
        for n in range(5):
            await asyncio.sleep(0)
            yield n

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        async def same(inner: DurableContext, items: list[int], index: int) -> list[list[int]]:
            return [items for _ in items]

        config = MapConfig(item_batcher=ItemBatcher(max_items=2))
        return (await ctx.map(source(), same, config=config)).results()

    assert run_workflow(workflow).result == [[0, 1], [0, 1], [2, 3], [2, 3], [4]]


@pytest.mark.parametrize(
    ("returns", "description"),
    [([1], "1 results"), ([1, 2, 3], "3 results"), (None, "a NoneType"), ("ab", "a str")],
)
def test_a_wrong_number_of_results_fails_the_batch_and_says_so(returns, description):
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        async def wrong(inner: DurableContext, items: list[int], index: int) -> Any:
            return returns if index == 1 else items

        config = MapConfig(
            item_batcher=ItemBatcher(max_items=2),
            completion=CompletionConfig(tolerated_failure_count=2),
        )
        batch = await ctx.map(range(5), wrong, name="sums", config=config)
        assert [str(item.status)[0] for item in batch] == list("SSFFS")
        assert [type(error).__name__ for error in batch.errors()] == ["ConfigError"] * 2
        return [str(batch.errors()[0]), batch.results()]

    message, results = run_workflow(workflow).result
    assert (
        f"map 'sums': the function was given a batch of 2 items and returned {description}"
        in message
    )
    assert results == [0, 1, 4]


def test_completion_rules_count_items_and_not_batches():
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        async def fails(inner: DurableContext, items: list[int], index: int) -> list[int]:
            if index == 0:
                raise Declined("first", amount=1)
            return items

        config = MapConfig(
            max_concurrency=1,
            item_batcher=ItemBatcher(max_items=2),
            completion=CompletionConfig(tolerated_failure_count=1),
        )
        return outcome_of(await ctx.map(range(6), fails, config=config))

    assert run_workflow(workflow).result == ["FAILURE_TOLERANCE_EXCEEDED", "FAILED", 0, 2, 2]


@dataclass
class Point:
    x: int


@pytest.mark.parametrize("nesting", NestingType)
def test_each_result_of_a_batch_has_its_annotated_type(nesting):
    async def points(inner: DurableContext, items: list[int], index: int) -> list[Point]:
        return [Point(item) for item in items]

    async def untyped(inner: DurableContext, items: list[int], index: int):
        return tuple(items)

    async def pairs(inner: DurableContext, items: list[int], index: int) -> tuple[int, str]:
        return (items[0], "x")

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        config = MapConfig(item_batcher=ItemBatcher(max_items=2), nesting=nesting)
        batch = await ctx.map(range(3), points, config=config)
        assert batch.results() == [Point(0), Point(1), Point(2)]
        assert (await ctx.map(range(3), untyped, config=config)).results() == [0, 1, 2]
        assert (await ctx.map(range(4), pairs, config=config)).results() == [0, "x", 2, "x"]
        return "typed"

    assert run_workflow(workflow).result == "typed"


# Serdes.


class Wrapped:
    """A serdes that writes no JSON, and records the operations whose values it gets."""

    def __init__(self, seen: list[tuple[str, str | None]] | None = None) -> None:
        self.seen = [] if seen is None else seen

    def serialize(self, value: Any, context: SerDesContext) -> str:
        self.seen.append((context.operation_id, context.operation_name))
        return f"wrapped:{value}"

    def deserialize(self, payload: str, context: SerDesContext) -> Any:
        self.seen.append((context.operation_id, context.operation_name))
        return payload.removeprefix("wrapped:")


@pytest.mark.parametrize("nesting", NestingType)
def test_items_are_written_by_the_item_serdes_and_read_by_it(nesting):
    seen: list[tuple[str, str | None]] = []

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        config = MapConfig(
            max_concurrency=1, item_serdes=Wrapped(seen), nesting=nesting, item_namer=lambda i, n: i
        )
        results = (await ctx.map(["x", "y"], upper, config=config)).results()
        await ctx.wait(seconds(1))
        return results

    ran = run_workflow(workflow)
    assert ran.result == ["X", "Y"]
    top = operation("1")
    both = [(operation(f"{top}-0"), "x"), (operation(f"{top}-1"), "y")]
    assert seen == both * 3
    if nesting is NestingType.NESTED:
        assert payload_of(ran, "MapIteration") == ["wrapped:X", "wrapped:Y"]
    assert json.loads(payload_of(ran, "Map")[0])["all"][1]["result"] == "wrapped:Y"


def test_items_in_batches_are_written_by_the_item_serdes_one_by_one():
    async def same(inner: DurableContext, items: list[str], index: int) -> list[str]:
        return items

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        config = MapConfig(item_serdes=Wrapped(), item_batcher=ItemBatcher(max_items=2))
        return (await ctx.map("abc", same, config=config)).results()

    ran = run_workflow(workflow)
    assert ran.result == ["a", "b", "c"]
    assert payload_of(ran, "MapIteration") == ['["wrapped:a","wrapped:b"]', '["wrapped:c"]']


def test_a_serdes_for_the_whole_writes_and_reads_the_batch():
    class Whole:
        def serialize(self, batch: BatchResult[str], context: SerDesContext) -> str:
            return "OPSERDE:" + ",".join(batch.results())

        def deserialize(self, payload: str, context: SerDesContext) -> list[str]:
            return payload.removeprefix("OPSERDE:").split(",")

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        config = MapConfig(max_concurrency=1, serdes=Whole())
        return await ctx.map(["x", "y"], upper, name="op-serde", config=config)

    ran = run_workflow(workflow)
    assert ran.result == ["X", "Y"]
    assert payload_of(ran, "Map") == ["OPSERDE:X,Y"]
    assert payload_of(ran, "MapIteration") == ['"X"', '"Y"']


class Quoted:
    def serialize(self, value: Any, context: SerDesContext) -> str:
        return json.dumps(f"quoted {json.dumps(value)}")

    def deserialize(self, payload: str, context: SerDesContext) -> Any:
        return json.loads(json.loads(payload).removeprefix("quoted "))


def test_the_handlers_serdes_writes_items_and_the_batch_is_json_around_them():
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        return (await ctx.map(["x"], upper)).results()

    rig = rig_of(workflow, options={"serdes": Quoted()})
    arn = rig.start("quoted 0")
    ran = rig.drive(arn)
    assert ran.result == 'quoted ["X"]'
    assert json.loads(payload_of(ran, "Map")[0])["all"][0]["result"] == '"quoted \\"X\\""'


def test_the_handlers_serdes_writes_each_item_of_a_batch():
    async def same(inner: DurableContext, items: list[str], index: int) -> list[str]:
        return items

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        config = MapConfig(item_batcher=ItemBatcher(max_items=2))
        return (await ctx.map("abc", same, config=config)).results()

    rig = rig_of(workflow, options={"serdes": Quoted()})
    ran = rig.drive(rig.start("quoted 0"))
    assert ran.result == 'quoted ["a", "b", "c"]'
    first, second = (json.loads(payload) for payload in payload_of(ran, "MapIteration"))
    assert [json.loads(each) for each in first] == ['quoted "a"', 'quoted "b"']
    assert len(second) == 1


@pytest.mark.parametrize("nesting", NestingType)
def test_a_result_that_cannot_be_written_fails_its_item_only(nesting):
    async def item(ctx: DurableContext, n: int, index: int) -> Any:
        return object() if n else "fine"

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        config = MapConfig(completion=CompletionConfig.all_completed(), nesting=nesting)
        batch = await ctx.map([0, 1], item, config=config)
        return [batch.results(), batch.errors()[0].error_type]

    assert run_workflow(workflow).result == [["fine"], "SerDesError"]


def test_an_item_serdes_that_does_not_write_text_fails_the_item():
    class Numbers:
        def serialize(self, value: Any, context: SerDesContext) -> Any:
            return 5

        def deserialize(self, payload: str, context: SerDesContext) -> Any:
            return payload

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        batch = await ctx.map(["a"], upper, config=MapConfig(item_serdes=Numbers()))  # type: ignore[arg-type]
        return str(batch.errors()[0])

    told = run_workflow(workflow).result
    assert "what the item_serdes of map 'upper' writes must be a str, not int" in told


# Failures.


def failures(probe: Probe) -> Workflow:
    async def item(ctx: DurableContext, n: int, index: int) -> int:
        if n % 2:
            raise Declined(f"no {n}", amount=n)
        if n == 4:
            await ctx.step(probe.fails, "four", config=ONE_TRY)
        return n

    async def run(event: Any, ctx: DurableContext) -> Any:
        for nesting in NestingType:
            config = MapConfig(completion=CompletionConfig.all_completed(), nesting=nesting)
            batch = await ctx.map(range(5), item, config=config)
            probe.see("failed", [item.index for item in batch.failed()])
            for error in batch.errors():
                assert isinstance(error, (Declined, ChildContextError))
                probe.see("error", [error.code, error.amount, str(error), error.error_type])
            with pytest.raises(ExceptionGroup, match="3 of 5 items failed") as caught:
                batch.throw_if_error()
            probe.see("group", [type(error).__name__ for error in caught.value.exceptions])
        await ctx.wait(seconds(1))
        return "done"

    return run


@whole_or_sample
def test_failures_are_the_raised_exceptions_on_the_first_run_and_on_replay(*, whole: bool):
    prove(failures, seeds=2, whole=whole)


def test_a_single_failure_is_raised_as_it_is():
    async def item(ctx: DurableContext, n: int, index: int) -> int:
        raise Declined("alone", amount=n)

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        (await ctx.map([1], item)).throw_if_error()

    ran = run_workflow(workflow)
    assert ran.status == "FAILED"
    assert ran.error.error_type == "Declined"
    assert ran.error.error_message == "declined: alone"


def test_a_batch_result_may_be_returned_and_read_back_with_its_type():
    async def one(ctx: DurableContext, n: int, index: int) -> Point:
        if n == 2:
            raise Declined("two", amount=2)
        return Point(n)

    async def child(ctx: DurableContext) -> BatchResult[Point]:
        config = MapConfig(completion=CompletionConfig.all_completed())
        return await ctx.map([1, 2], one, config=config)

    async def workflow(event: Any, ctx: DurableContext) -> BatchResult[Point]:
        batch = await ctx.run_in_child_context(child)
        assert batch.results() == [Point(1)]
        assert isinstance(batch.errors()[0], Declined)
        assert batch.errors()[0].amount == 2
        return batch

    ran = run_workflow(workflow)
    assert [item["status"] for item in ran.result["all"]] == ["SUCCEEDED", "FAILED"]


# Contexts.


@pytest.mark.parametrize("nesting", NestingType)
def test_another_context_than_its_own_is_refused_in_an_item(nesting):
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        async def wrong(inner: DurableContext, item: str, index: int) -> Any:
            with pytest.raises(ContextMisuseError, match="use the context that the function was"):
                ctx.step(lambda: 1)

            async def body() -> str:
                with pytest.raises(ContextMisuseError, match="was used inside a step"):
                    inner.wait(seconds(1))
                assert StepContext.current().attempt == 1
                return item

            return await inner.step(body)

        return (await ctx.map("ab", wrong, config=MapConfig(nesting=nesting))).results()

    assert run_workflow(workflow).result == ["a", "b"]


def test_flat_items_have_ids_and_no_operations_of_their_own():
    async def item(ctx: DurableContext, n: int, index: int) -> int:
        async def double() -> int:
            return n * 2

        return await ctx.step(double)

    async def workflow(event: Any, ctx: DurableContext) -> Any:
        config = MapConfig(max_concurrency=1, nesting=NestingType.FLAT)
        return (await ctx.map([1, 2], item, name="flat", config=config)).results()

    ran = run_workflow(workflow)
    assert ran.result == [2, 4]
    assert story(ran) == [
        "ContextStarted Map flat",
        *["StepStarted Step double", "StepSucceeded Step double"] * 2,
        "ContextSucceeded Map flat",
        "InvocationCompleted",
    ]
    top = operation("1")
    steps = {event.id for event in ran.events if event.sub_type == "Step"}
    assert steps == {operation(f"{operation(f'{top}-{n}')}-1") for n in range(2)}
    assert {event.parent_id for event in ran.events if event.sub_type == "Step"} == {top}


def test_a_typed_serdes_is_embedded_as_json():
    async def workflow(event: Any, ctx: DurableContext) -> Any:
        async def point(inner: DurableContext, n: int, index: int) -> Any:
            return Point(n)

        batch = await ctx.map([1], point, config=MapConfig(item_serdes=JsonSerDes(Point)))
        assert batch.results() == [Point(1)]

    ran = run_workflow(workflow)
    assert json.loads(payload_of(ran, "Map")[0])["all"][0]["result"] == {"x": 1}


def test_items_that_know_their_map_go_with_an_invocation_that_ends_before_it() -> None:
    class Item:
        map: object = None

    gone: list[weakref.ref[Item]] = []

    async def branch(ctx: DurableContext, item: Item, index: int) -> None:
        await asyncio.Event().wait()

    async def workflow(event: Any, ctx: DurableContext) -> None:
        items = [Item() for _ in range(3)]
        gone.extend(map(weakref.ref, items))
        running = ctx.map(items, branch)
        for item in items:
            item.map = running
        await ctx.step(lambda: None)

    assert run_workflow(workflow).status == "SUCCEEDED"
    gc.collect()
    assert [item() for item in gone] == [None] * 3


@pytest.mark.parametrize(("items", "count"), [(2_998, 0), (2_999, 1), (9_000, 1)])
def test_more_items_than_an_execution_has_room_for_are_told_before_the_first(
    items: int, count: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def nothing(ctx: DurableContext, item: int, index: int) -> None:
        assert len(warnings()) == count
        raise ValueError("the first one")

    def warnings() -> list[str]:
        messages = [
            record.getMessage() for record in caplog.records if "quota" in record.getMessage()
        ]
        return [text for text in messages if "map 'wide'" in text and "ItemBatcher" in text]

    async def workflow(event: Any, ctx: DurableContext) -> None:
        config = MapConfig(max_concurrency=1)
        await ctx.map(range(items), nothing, name="wide", config=config)
        await ctx.wait(seconds(1))

    ran = run_workflow(workflow)
    assert ran.status == "SUCCEEDED", ran.error
    # Not again on replay.
    assert len(warnings()) == count


def test_too_many_operations_name_the_cures() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        for _ in range(20):
            await ctx.step(lambda: 1)

    error = run_workflow(workflow, limits=Limits(operations=10)).error
    for cure in ("NestingType.FLAT", "ItemBatcher", "invoke other durable functions"):
        assert cure in error.error_message


@pytest.mark.parametrize("nesting", NestingType)
@pytest.mark.parametrize("namer", [None, lambda item, _: f"order-{item}"])
def test_the_refusal_of_an_items_result_names_the_item_and_the_map(
    nesting: NestingType, namer: Any
) -> None:
    async def mistyped(_ctx: DurableContext, item: int, _index: int) -> int:
        return item if item else "none"  # type: ignore[return-value]

    async def workflow(event: Any, ctx: DurableContext) -> list[str]:
        config = MapConfig(
            nesting=nesting, item_namer=namer, completion=CompletionConfig.all_completed()
        )
        batch = await ctx.map([1, 0], mistyped, name="orders", config=config)
        return [str(error) for error in batch.errors()]

    (message,) = run_workflow(workflow).result
    name = "" if namer is None else "operation 'order-0', "
    assert message.startswith(f"{name}item 1 of 'orders' (")
    assert "Expected `int`, got `str` - at `$`" in message

"""One function over many items: order, names, failures, waits in the midst of it."""

from __future__ import annotations

from typing import Any

from tests.conformance.handlers.parallel import told

from durable_execution_sdk import (
    BatchItem,
    BatchItemStatus,
    BatchResult,
    CompletionConfig,
    CompletionReason,
    DurableContext,
    Duration,
    MapConfig,
    SerDesContext,
    durable_execution,
)

SECOND = Duration.from_seconds(1)
ONE_AT_A_TIME = MapConfig(max_concurrency=1)


async def returned(ctx: DurableContext, item: str, index: int) -> str:
    return item


async def in_capitals(ctx: DurableContext, item: str, index: int) -> str:
    return item.upper()


async def unless_bad(ctx: DurableContext, item: str, index: int) -> str:
    if item == "bad":
        raise RuntimeError(f"item {index} is bad")
    return item


@durable_execution
async def basic(names: list[str], ctx: DurableContext) -> list[str]:
    async def greet(name: str) -> str:
        return f"Hello, {name}!"

    async def greeting(child: DurableContext, name: str, index: int) -> str:
        return await child.step(greet, name)

    return (await ctx.map(names, greeting, name="map", config=ONE_AT_A_TIME)).results()


@durable_execution
async def indexed(numbers: list[int], ctx: DurableContext) -> list[int]:
    async def add(child: DurableContext, number: int, index: int) -> int:
        return number + index

    return (await ctx.map(numbers, add, name="indexed", config=ONE_AT_A_TIME)).results()


@durable_execution
async def fail_fast(event: None, ctx: DurableContext) -> dict[str, Any]:
    config = MapConfig(max_concurrency=1, completion=CompletionConfig(tolerated_failure_count=0))
    batch = await ctx.map(["ok", "bad", "never"], unless_bad, name="failfast", config=config)
    return told(batch, "completionReason", "status", "successCount", "failureCount", "totalCount")


@durable_execution
async def minimum_reached(event: None, ctx: DurableContext) -> dict[str, Any]:
    config = MapConfig(max_concurrency=1, completion=CompletionConfig(min_successful=2))
    batch = await ctx.map(["a", "b", "c", "d"], returned, name="min-successful", config=config)
    return told(batch, "completionReason", "successCount", "totalCount")


@durable_execution
async def tolerance_exceeded(event: None, ctx: DurableContext) -> dict[str, Any]:
    config = MapConfig(max_concurrency=1, completion=CompletionConfig(tolerated_failure_count=1))
    items = ["bad", "bad", "never"]
    batch = await ctx.map(items, unless_bad, name="tolerated-exceeded", config=config)
    return told(batch, "completionReason", "successCount", "failureCount", "totalCount")


@durable_execution
async def concurrent(event: None, ctx: DurableContext) -> list[str]:
    config = MapConfig(max_concurrency=2)
    batch = await ctx.map(["r0", "r1", "r2"], returned, name="concurrent", config=config)
    return batch.results()


@durable_execution
async def named_items(numbers: list[int], ctx: DurableContext) -> list[int]:
    async def times_ten(child: DurableContext, number: int, index: int) -> int:
        return number * 10

    config = MapConfig(max_concurrency=1, item_namer=lambda number, index: f"item-{number}")
    return (await ctx.map(numbers, times_ten, name="named-items", config=config)).results()


@durable_execution
async def waiting(event: None, ctx: DurableContext) -> list[str]:
    async def give(text: str) -> str:
        return text

    async def wait_in_the_second(child: DurableContext, text: str, index: int) -> str:
        if index == 1:
            await child.wait(SECOND)
        return await child.step(give, text)

    items = ["r0", "r1"]
    batch = await ctx.map(items, wait_in_the_second, name="suspend", config=ONE_AT_A_TIME)
    return batch.results()


@durable_execution
async def then_wait(event: None, ctx: DurableContext) -> list[str]:
    batch = await ctx.map(["a", "b"], in_capitals, name="then-wait", config=ONE_AT_A_TIME)
    await ctx.wait(SECOND)
    return batch.results()


class Joined:
    """Keeps the results of a batch as one line."""

    def serialize(self, value: BatchResult[str], context: SerDesContext, /) -> str:
        return "OPSERDE:" + ",".join(value.results())

    def deserialize(self, payload: str, context: SerDesContext, /) -> BatchResult[str]:
        results = payload.removeprefix("OPSERDE:").split(",")
        return BatchResult(
            items=tuple(
                BatchItem(index=index, status=BatchItemStatus.SUCCEEDED, result=result)
                for index, result in enumerate(results)
            ),
            completion_reason=CompletionReason.ALL_COMPLETED,
        )


@durable_execution
async def operation_serdes(event: None, ctx: DurableContext) -> list[str]:
    config = MapConfig(max_concurrency=1, serdes=Joined())
    return (await ctx.map(["x", "y"], in_capitals, name="op-serde", config=config)).results()


HANDLERS = {
    "9-1": basic,
    "9-3": indexed,
    "9-5": fail_fast,
    "9-7": minimum_reached,
    "9-9": tolerance_exceeded,
    "9-11": concurrent,
    "9-13": named_items,
    "9-15": waiting,
    "9-17": then_wait,
    "9-19": operation_serdes,
}

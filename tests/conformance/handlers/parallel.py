"""Branches side by side: order, names, failures, when enough is enough."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from durable_execution_sdk import (
    BatchResult,
    CompletionConfig,
    DurableContext,
    ParallelConfig,
    SerDesContext,
    durable_execution,
)

Branch = Callable[[DurableContext], Awaitable[str]]

ONE_AT_A_TIME = ParallelConfig(max_concurrency=1)


def returning(value: str) -> Branch:
    async def branch(ctx: DurableContext) -> str:
        return value

    return branch


def stepping(value: str) -> Branch:
    async def give() -> str:
        return value

    async def branch(ctx: DurableContext) -> str:
        return await ctx.step(give)

    return branch


async def failing(ctx: DurableContext) -> str:
    raise RuntimeError("this branch is broken")


def told(batch: BatchResult[Any], *names: str) -> dict[str, Any]:
    """Summarize a batch under the names that JSON readers expect."""
    everything = {
        "completionReason": batch.completion_reason,
        "status": batch.status,
        "successCount": batch.success_count,
        "failureCount": batch.failure_count,
        "totalCount": batch.total_count,
    }
    return {name: everything[name] for name in names}


COUNTS = ("successCount", "failureCount", "totalCount")


@durable_execution
async def basic(event: None, ctx: DurableContext) -> list[str]:
    branches = [stepping("task-1"), stepping("task-2")]
    batch = await ctx.parallel(branches, name="parallel", config=ONE_AT_A_TIME)
    return batch.results()


@durable_execution
async def named(event: None, ctx: DurableContext) -> list[str]:
    branches = {"first": returning("one"), "second": returning("two")}
    batch = await ctx.parallel(branches, name="named", config=ONE_AT_A_TIME)
    return batch.results()


@durable_execution
async def empty(event: None, ctx: DurableContext) -> list[str]:
    branches: list[Branch] = []
    return (await ctx.parallel(branches, name="empty")).results()


@durable_execution
async def throwing(event: None, ctx: DurableContext) -> list[str]:
    config = ParallelConfig(
        max_concurrency=1, completion=CompletionConfig(tolerated_failure_count=0)
    )
    batch = await ctx.parallel([failing, returning("never")], name="throwing", config=config)
    batch.throw_if_error()
    return batch.results()


@durable_execution
async def tolerated_count(event: None, ctx: DurableContext) -> dict[str, Any]:
    config = ParallelConfig(
        max_concurrency=1, completion=CompletionConfig(tolerated_failure_count=1)
    )
    branches = [returning("a"), failing, returning("c")]
    batch = await ctx.parallel(branches, name="tolerated", config=config)
    return told(batch, "completionReason", "status", *COUNTS)


@durable_execution
async def concurrent(event: None, ctx: DurableContext) -> list[str]:
    branches = [returning(f"r{index}") for index in range(3)]
    config = ParallelConfig(max_concurrency=2)
    return (await ctx.parallel(branches, name="concurrent", config=config)).results()


@durable_execution
async def tolerated_percentage(event: None, ctx: DurableContext) -> dict[str, Any]:
    config = ParallelConfig(
        max_concurrency=1, completion=CompletionConfig(tolerated_failure_percentage=25)
    )
    branches = [failing, failing, returning("c"), returning("d")]
    batch = await ctx.parallel(branches, name="tolerated-pct", config=config)
    return told(batch, "completionReason", *COUNTS)


class Wrapping:
    """Keeps a value in an envelope."""

    def serialize(self, value: Any, context: SerDesContext, /) -> str:
        return json.dumps({"wrapped": value})

    def deserialize(self, payload: str, context: SerDesContext, /) -> Any:
        return json.loads(payload)["wrapped"]


@durable_execution
async def custom_serdes(event: None, ctx: DurableContext) -> list[str]:
    config = ParallelConfig(max_concurrency=1, item_serdes=Wrapping())
    batch = await ctx.parallel([returning("x"), returning("y")], name="serde", config=config)
    return batch.results()


@durable_execution
async def minimum_not_reached(event: None, ctx: DurableContext) -> dict[str, Any]:
    config = ParallelConfig(max_concurrency=1, completion=CompletionConfig(min_successful=3))
    branches = [returning("a"), failing, returning("c")]
    batch = await ctx.parallel(branches, name="min-not-reached", config=config)
    return told(batch, "completionReason", "status", *COUNTS)


@durable_execution
async def invalid(event: None, ctx: DurableContext) -> list[str]:
    config = ParallelConfig(max_concurrency=0)
    branches = [returning("a"), returning("b")]
    return (await ctx.parallel(branches, name="bad-concurrency", config=config)).results()


@durable_execution
async def nested(event: None, ctx: DurableContext) -> list[list[str]]:
    async def branch(outer: DurableContext) -> list[str]:
        branches = [stepping("i1"), stepping("i2")]
        return (await outer.parallel(branches, name="inner", config=ONE_AT_A_TIME)).results()

    return (await ctx.parallel([branch], name="outer", config=ONE_AT_A_TIME)).results()


HANDLERS = {
    "8-1": basic,
    "8-3": named,
    "8-5": empty,
    "8-7": throwing,
    "8-9": tolerated_count,
    "8-11": concurrent,
    "8-13": tolerated_percentage,
    "8-15": custom_serdes,
    "8-17": minimum_not_reached,
    "8-19": invalid,
    "8-21": nested,
}

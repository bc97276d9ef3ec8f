"""Adapter of this SDK, which receives the service as a ``DataPlane``."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.metadata import version as version_of
from typing import Any

import msgspec
from benchmarks.data import add, double, rows
from benchmarks.service import Service

from durable_execution_sdk import DurableContext, Duration, MapConfig, durable_execution
from durable_execution_sdk.protocol.data_plane import (
    CheckpointRequest,
    CheckpointResponse,
    StatePage,
    StateRequest,
)
from durable_execution_sdk.protocol.operations import Operation

DISTRIBUTION = "durable-execution-sdk"
timestamp = int


def version() -> str:
    return version_of(DISTRIBUTION)


class _Plane:
    """The service as a ``DataPlane``; dictionaries are converted as by a client's codec."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def checkpoint(self, request: CheckpointRequest) -> CheckpointResponse:
        answer = await self._service.checkpoint_async(msgspec.to_builtins(request.updates))
        return CheckpointResponse(
            checkpoint_token=answer["CheckpointToken"],
            operations=_operations(answer["NewExecutionState"]["Operations"]),
        )

    async def get_state(self, request: StateRequest) -> StatePage:
        assert request.marker is not None
        answer = await self._service.state_async(request.marker)
        return StatePage(
            operations=_operations(answer["Operations"]),
            next_marker=answer.get("NextMarker"),
        )

    def now(self) -> int:
        return time.time_ns() // 1_000_000


def _operations(operations: list[dict[str, Any]]) -> list[Operation]:
    # One by one, because msgspec caches the class, but would inspect ``list[Operation]`` in each call.
    return [msgspec.convert(operation, Operation) for operation in operations]


async def add_async(a: int, b: int) -> int:
    return add(a, b)


async def double_async(n: int) -> int:
    return double(n)


async def rows_async(size: int) -> list[str]:
    return rows(size)


async def nothing(event: int, _ctx: DurableContext) -> int:
    return event


async def steps(event: int, ctx: DurableContext) -> int:
    total = 0
    for i in range(event):
        total += await ctx.step(add_async, i, 1)
    return total


async def item(ctx: DurableContext, n: int, _index: int) -> int:
    return await ctx.step(double_async, n)


async def mapped(event: list[int], ctx: DurableContext) -> int:
    items, most = event
    batch = await ctx.map(range(items), item, config=MapConfig(max_concurrency=most or None))
    return sum(batch.results())


async def wide(event: list[int], ctx: DurableContext) -> int:
    branches, count = event

    async def branch(inner: DurableContext) -> int:
        total = 0
        for i in range(count):
            total += await inner.step(add_async, i, 1)
        return total

    batch = await ctx.parallel([branch] * branches)
    return sum(batch.results())


async def level(ctx: DurableContext, depth: int) -> int:
    if depth == 0:
        return await ctx.step(add_async, 1, 1)
    return await ctx.run_in_child_context(level, depth - 1)


async def nested(event: int, ctx: DurableContext) -> int:
    return await level(ctx, event)


async def payloads(event: list[int], ctx: DurableContext) -> int:
    count, size = event
    total = 0
    for _ in range(count):
        total += len(await ctx.step(rows_async, size))
    return total


async def large(ctx: DurableContext, count: int, size: int) -> list[str]:
    gathered: list[str] = []
    for _ in range(count):
        gathered += await ctx.step(rows_async, size)
    return gathered


async def large_child(event: list[int], ctx: DurableContext) -> int:
    count, size = event
    return len(await ctx.run_in_child_context(large, count, size))


async def steps_and_wait(event: int, ctx: DurableContext) -> int:
    total = await steps(event, ctx)
    await ctx.wait(Duration.from_seconds(1))
    return total


WORKFLOWS: dict[str, Any] = {
    "nothing": nothing,
    "steps": steps,
    "map": mapped,
    "wide": wide,
    "nested": nested,
    "payloads": payloads,
    "large child": large_child,
    "steps and wait": steps_and_wait,
}


def handler(workload: str, service: Service) -> Callable[[Any, Any], dict[str, Any]]:
    return durable_execution(client=_Plane(service))(WORKFLOWS[workload])


def over_http(workload: str) -> Callable[[Any, Any], dict[str, Any]]:
    """Return a handler with the default client."""
    return durable_execution(WORKFLOWS[workload])


def in_test_runner(steps: int, waits: int) -> Callable[[], Any]:
    from durable_execution_sdk.testing import LocalDurableTestRunner

    async def workflow(_event: Any, ctx: DurableContext) -> int:
        total = 0
        for wait in range(waits):
            for i in range(wait * steps // waits, (wait + 1) * steps // waits):
                total += await ctx.step(add_async, i, 1)
            await ctx.wait(Duration.from_days(30))
        return total

    return lambda: LocalDurableTestRunner(durable_execution(workflow)).run_sync(None).result

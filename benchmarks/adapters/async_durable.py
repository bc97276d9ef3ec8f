"""Adapter of async-durable-execution, which receives the service as its asynchronous client."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version as version_of
from typing import Any

import async_durable_execution as sdk
from benchmarks.data import add, double, rows
from benchmarks.service import Service

DISTRIBUTION = "async-durable-execution"
logging.getLogger("async_durable_execution").setLevel(logging.CRITICAL)


def version() -> str:
    return version_of(DISTRIBUTION)


def timestamp(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


class _Client:
    """The methods of its own HTTP client."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def checkpoint_durable_execution(self, **request: Any) -> dict[str, Any]:
        return await self._service.checkpoint_async(request["Updates"])

    async def get_durable_execution_state(self, **request: Any) -> dict[str, Any]:
        return await self._service.state_async(request["Marker"])


async def add_async(a: int, b: int) -> int:
    return add(a, b)


async def double_async(n: int) -> int:
    return double(n)


async def rows_async(size: int) -> list[str]:
    return rows(size)


async def nothing(event: int) -> int:
    return event


async def steps(event: int) -> int:
    total = 0
    for i in range(event):
        total += await sdk.step(partial(add_async, i, 1), name="add_async")
    return total


async def item(n: int) -> int:
    return await sdk.step(partial(double_async, n), name="double_async")


async def mapped(event: list[int]) -> int:
    items, most = event
    batch = await sdk.map(item, range(items), max_concurrency=most or None)
    return sum(batch.get_results())


async def wide(event: list[int]) -> int:
    branches, count = event

    async def branch() -> int:
        total = 0
        for i in range(count):
            total += await sdk.step(partial(add_async, i, 1), name="add_async")
        return total

    batch = await sdk.parallel([branch] * branches)
    return sum(batch.get_results())


async def level(depth: int) -> int:
    if depth == 0:
        return await sdk.step(partial(add_async, 1, 1), name="add_async")
    return await sdk.run_in_child_context(partial(level, depth - 1), name="level")


async def nested(event: int) -> int:
    return await level(event)


async def payloads(event: list[int]) -> int:
    count, size = event
    total = 0
    for _ in range(count):
        total += len(await sdk.step(partial(rows_async, size), name="rows_async"))
    return total


async def large_child(event: list[int]) -> int:
    count, size = event

    async def large() -> list[str]:
        gathered: list[str] = []
        for _ in range(count):
            gathered += await sdk.step(partial(rows_async, size), name="rows_async")
        return gathered

    return len(await sdk.run_in_child_context(large, name="large"))


async def steps_and_wait(event: int) -> int:
    total = await steps(event)
    await sdk.wait(1)
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
    client: Any = _Client(service)
    return sdk.durable_execution(WORKFLOWS[workload], boto3_client=client)


def over_http(workload: str) -> Callable[[Any, Any], dict[str, Any]]:
    """Return a handler with the default client."""
    return sdk.durable_execution(WORKFLOWS[workload])


def in_test_runner(steps: int, waits: int) -> Callable[[], Any]:
    import asyncio
    import json
    import os

    # Its documented way to shorten timers.
    os.environ["DURABLE_EXECUTION_TIME_SCALE"] = "0"

    @sdk.durable_execution
    async def workflow(_event: Any) -> int:
        total = 0
        for wait in range(waits):
            for i in range(wait * steps // waits, (wait + 1) * steps // waits):
                total += await sdk.step(partial(add_async, i, 1), name="add_async")
            await sdk.wait(30 * 86_400)
        return total

    async def run() -> Any:
        async with sdk.create_local_runner(handler=workflow, input="null") as tests:
            return json.loads((await tests.run()).result)

    return lambda: asyncio.run(run())

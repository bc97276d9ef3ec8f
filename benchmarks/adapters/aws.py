"""Adapter of aws-durable-execution-sdk-python, which receives the service as its ``boto3_client``.

It is synchronous: steps are plain functions, and its map runs threads.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version as version_of
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import Duration, MapConfig
from benchmarks.data import add, double, rows
from benchmarks.service import Service

DISTRIBUTION = "aws-durable-execution-sdk-python"
logging.getLogger("aws_durable_execution_sdk_python").setLevel(logging.CRITICAL)


def version() -> str:
    return version_of(DISTRIBUTION)


def timestamp(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


class _Client:
    """The methods of boto3's client for the durable API."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def checkpoint_durable_execution(self, **request: Any) -> dict[str, Any]:
        return self._service.checkpoint(request["Updates"])

    def get_durable_execution_state(self, **request: Any) -> dict[str, Any]:
        return self._service.state(request["Marker"])


def nothing(event: int, _ctx: DurableContext) -> int:
    return event


def steps(event: int, ctx: DurableContext) -> int:
    total = 0
    for i in range(event):
        total += ctx.step(lambda _, i=i: add(i, 1), name="add_async")
    return total


def item(ctx: DurableContext, n: int, _index: int, _items: Any) -> int:
    return ctx.step(lambda _: double(n), name="double_async")


def mapped(event: list[int], ctx: DurableContext) -> int:
    items, most = event
    batch = ctx.map(range(items), item, config=MapConfig(max_concurrency=most or None))
    return sum(batch.get_results())


def wide(event: list[int], ctx: DurableContext) -> int:
    branches, count = event

    def branch(inner: DurableContext) -> int:
        return sum(inner.step(lambda _, i=i: add(i, 1), name="add_async") for i in range(count))

    batch = ctx.parallel([branch] * branches)
    return sum(batch.get_results())


def level(ctx: DurableContext, depth: int) -> int:
    if depth == 0:
        return ctx.step(lambda _: add(1, 1), name="add_async")
    return ctx.run_in_child_context(lambda inner: level(inner, depth - 1), name="level")


def nested(event: int, ctx: DurableContext) -> int:
    return level(ctx, event)


def payloads(event: list[int], ctx: DurableContext) -> int:
    count, size = event
    return sum(len(ctx.step(lambda _: rows(size), name="rows_async")) for _ in range(count))


def large_child(event: list[int], ctx: DurableContext) -> int:
    count, size = event

    def large(inner: DurableContext) -> list[str]:
        gathered: list[str] = []
        for _ in range(count):
            gathered += inner.step(lambda _: rows(size), name="rows_async")
        return gathered

    return len(ctx.run_in_child_context(large, name="large"))


def steps_and_wait(event: int, ctx: DurableContext) -> int:
    total = steps(event, ctx)
    ctx.wait(Duration.from_seconds(1))
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
    return durable_execution(boto3_client=client)(WORKFLOWS[workload])


def over_http(workload: str) -> Callable[[Any, Any], dict[str, Any]]:
    """Return a handler with the default client."""
    return durable_execution(WORKFLOWS[workload])


def in_test_runner(steps: int, waits: int) -> Callable[[], Any]:
    import json

    from aws_durable_execution_sdk_python_testing import DurableFunctionTestRunner

    logging.getLogger("aws_durable_execution_sdk_python_testing").setLevel(logging.CRITICAL)

    @durable_execution
    def workflow(_event: Any, ctx: DurableContext) -> int:
        total = 0
        for wait in range(waits):
            for i in range(wait * steps // waits, (wait + 1) * steps // waits):
                total += ctx.step(lambda _, i=i: add(i, 1), name="add_async")
            ctx.wait(Duration.from_days(30))
        return total

    def run() -> Any:
        with DurableFunctionTestRunner(handler=workflow, execution_timeout=31_622_400) as tests:
            result = tests.run(input="null")
        return json.loads(result.result)

    return run

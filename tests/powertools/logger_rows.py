"""Programs for the table about the logger: each returns the verdict that its row has."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
from aws_lambda_powertools import Logger
from tests.powertools.lambda_rig import Wrap, run, unwrapped

from durable_execution_sdk import ConfigError, DurableContext, Duration, durable_execution

_numbers = itertools.count()


class Lines:
    """A logger of Powertools, and the lines that it has written."""

    def __init__(self) -> None:
        self._output = io.StringIO()
        # Loggers of the same service share their output.
        self.logger = Logger(service=f"shop-{next(_numbers)}", stream=self._output)

    def take(self) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self._output.getvalue().splitlines()]
        self._output.truncate(0)
        self._output.seek(0)
        return lines

    def of(self, workflow: Any, event: Any = None, wrap: Wrap = unwrapped) -> list[dict[str, Any]]:
        """Run a workflow and return its lines."""
        handler = durable_execution(logger=self.logger)(workflow)
        assert run(handler, event, wrap=wrap).status == "SUCCEEDED"
        return self.take()


def line_of_a_workflow(lines: Lines) -> str:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        for n in range(3):
            lines.logger.info("line %d", n)
            await ctx.wait(Duration.from_seconds(5))

    written = [line["message"] for line in lines.of(workflow)]
    return "once" if written == ["line 0", "line 1", "line 2"] else str(written)


def line_of_a_step(lines: Lines) -> str:
    attempts = []

    def fail_once() -> None:
        attempts.append(1)
        lines.logger.info("charging")
        if len(attempts) == 1:
            raise ValueError("no")

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(fail_once)
        await ctx.wait(Duration.from_seconds(5))

    written = [(line["operation_name"], line["attempt"]) for line in lines.of(workflow)]
    return "each attempt" if written == [("fail_once", 1), ("fail_once", 2)] else str(written)


def line_of_the_context(lines: Lines) -> str:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        ctx.log_info("taken", order=7)
        await ctx.wait(Duration.from_seconds(5))

    [line] = lines.of(workflow)
    arn = line["durable_execution_arn"]
    return "once" if line["order"] == 7 and "/durable-execution/" in arn else str(line)


def injected_around(lines: Lines) -> str:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        lines.logger.info("before")
        await ctx.wait(Duration.from_seconds(5))
        lines.logger.info("after")

    before, after = lines.of(workflow, wrap=lines.logger.inject_lambda_context)
    assert before["function_name"] == after["function_name"] == "workflow"
    assert before["function_request_id"] == before["request_id"] != after["request_id"]
    return "works" if after["function_request_id"] == after["request_id"] else str(after)


def injected_below(lines: Lines) -> str:
    async def workflow(event: Any, ctx: DurableContext) -> None: ...

    with pytest.raises(ConfigError, match="no coroutine function"):
        durable_execution(lines.logger.inject_lambda_context(workflow))
    return "refused"


def event_logged(lines: Lines) -> str:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(lambda: "secret", name="read")
        await ctx.wait(Duration.from_seconds(5))

    def wrap(handler: Any) -> Any:
        return lines.logger.inject_lambda_context(handler, log_event=True)

    first, second = [line["message"] for line in lines.of(workflow, {"id": "A"}, wrap)]
    assert "CheckpointToken" in first
    return "wrong" if "secret" in json.dumps(second) else str(second)


def correlated(lines: Lines) -> str:
    async def workflow(event: Any, ctx: DurableContext) -> str:
        lines.logger.info("line")
        return ctx.execution_arn

    def wrap(handler: Any) -> Any:
        return lines.logger.inject_lambda_context(
            handler, correlation_id_path="DurableExecutionArn"
        )

    [line] = lines.of(workflow, wrap=wrap)
    return "works" if line["correlation_id"] == line["durable_execution_arn"] else str(line)


def key_of_an_execution(lines: Lines) -> str:
    async def workflow(event: str, ctx: DurableContext) -> None:
        lines.logger.info("before")
        lines.logger.append_keys(customer=event)
        await ctx.wait(Duration.from_seconds(5))
        lines.logger.info("after")

    def clear(handler: Any) -> Any:
        return lines.logger.inject_lambda_context(handler, clear_state=True)

    for wrap, left in ((unwrapped, "Ada"), (clear, None)):
        lines.of(workflow, "Ada", wrap)
        before, after = lines.of(workflow, "Bob", wrap)
        assert before.get("customer") == left
        assert after["customer"] == "Bob"  # replay has appended it again
    return "leaks"


def items_of(lines: Lines, append: Callable[..., None]) -> list[int]:
    async def line(ctx: DurableContext, item: int, index: int) -> None:
        append(item=item)
        await ctx.step(lambda: None, name="look")
        lines.logger.info("looked")

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.map([1, 2, 3], line)

    return sorted(line["item"] for line in lines.of(workflow))


def key_of_a_branch(lines: Lines) -> str:
    return "leaks" if items_of(lines, lines.logger.append_keys) == [3, 3, 3] else "works"


def key_of_a_branch_alone(lines: Lines) -> str:
    items = items_of(lines, lines.logger.thread_safe_append_keys)
    return "works" if items == [1, 2, 3] else str(items)


ROWS: dict[str, Callable[[Lines], str]] = {
    "`logger.info(...)` in workflow code": line_of_a_workflow,
    "`logger.info(...)` in a step": line_of_a_step,
    '`ctx.log_info("taken", order=7)`': line_of_the_context,
    "`logger.inject_lambda_context` around the durable handler": injected_around,
    "`@logger.inject_lambda_context` below `@durable_execution`": injected_below,
    "`log_event=True`, `POWERTOOLS_LOGGER_LOG_EVENT`": event_logged,
    '`correlation_id_path="DurableExecutionArn"`': correlated,
    "`logger.append_keys(...)` in workflow code": key_of_an_execution,
    "`logger.append_keys(...)` in branches of a map": key_of_a_branch,
    "`logger.thread_safe_append_keys(...)` in branches of a map": key_of_a_branch_alone,
}

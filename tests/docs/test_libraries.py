"""The page's statements about libraries are true: other loggers, and clients with background tasks."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import loguru
import pytest
import structlog
from tests.rig import run_workflow

from durable_execution_sdk import DurableContext, Duration

PAGE = Path(__file__).parents[2] / "docs" / "determinism.md"


def filter_of(library: str) -> str:
    """Return the line of the page that configures the library."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    [block] = [block for block in blocks if f"import {library}" in block]
    return str(block)


def run(log: Callable[[str], object]) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        for n in range(3):
            log(f"line {n}")
            await ctx.wait(Duration.from_seconds(5))

    assert run_workflow(workflow).status == "SUCCEEDED"


def texts(output: str, member: Callable[[Any], str]) -> list[str]:
    return [member(json.loads(line)) for line in output.splitlines()]


def test_loguru_writes_again_on_replay_and_once_with_the_filter(
    capsys: pytest.CaptureFixture[str],
) -> None:
    written: list[str] = []
    loguru.logger.configure(handlers=[{"sink": written.append, "format": "{message}"}])
    run(loguru.logger.info)
    assert len(written) > 3
    exec(filter_of("loguru"), {})
    run(loguru.logger.info)
    loguru.logger.remove()
    found = texts(capsys.readouterr().err, lambda line: line["record"]["message"])
    assert found == ["line 0", "line 1", "line 2"]


def test_structlog_writes_again_on_replay_and_once_with_the_renderer(
    capsys: pytest.CaptureFixture[str],
) -> None:
    structlog.reset_defaults()
    run(structlog.get_logger("app").info)
    assert capsys.readouterr().out.count("line") > 3
    exec(filter_of("structlog"), {})
    run(structlog.get_logger("app").info)
    found = texts(capsys.readouterr().out, lambda line: line["event"])
    assert found == ["line 0", "line 1", "line 2"]
    structlog.reset_defaults()


def test_structlog_through_logging_needs_no_renderer(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    structlog.configure(logger_factory=structlog.stdlib.LoggerFactory())
    run(structlog.get_logger("app").info)
    structlog.reset_defaults()
    assert len(caplog.messages) == 3
    assert all(f"line {n}" in line for n, line in enumerate(caplog.messages))


def test_structlog_through_logging_has_the_fields_by_the_lines_of_the_page(
    capsys: pytest.CaptureFixture[str],
) -> None:
    members: dict[str, Any] = {}
    exec(filter_of("structlog\n"), members)
    exec(filter_of("logging\n"), members)
    logging.getLogger("app").setLevel(logging.INFO)
    for log in (structlog.get_logger("app"), logging.getLogger("app")):
        run(log.info)
        lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
        assert [line["event"] for line in lines] == ["line 0", "line 1", "line 2"]
        assert len({line["executionArn"] for line in lines}) == 1
    members["handler"].close()


def test_a_background_task_that_a_step_starts_ends_with_the_invocation() -> None:
    kept: list[asyncio.Task[None]] = []
    seen: list[bool] = []

    async def workflow(event: Any, ctx: DurableContext) -> None:
        async def connect() -> None:
            async def refreshes() -> None:
                await asyncio.Event().wait()

            kept.append(asyncio.create_task(refreshes()))

        await ctx.step(connect)
        seen.append(kept[0].done())
        await ctx.wait(Duration.from_seconds(5))

    assert run_workflow(workflow).status == "SUCCEEDED"
    assert seen == [False, True]

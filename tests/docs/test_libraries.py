"""The page's statements about libraries are true: other loggers, and clients with background tasks.

loguru and structlog are not dependencies of the tests; without them, these tests are skipped.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.rig import run_workflow

from durable_execution_sdk import DurableContext, Duration

PAGE = Path(__file__).parents[2] / "docs" / "determinism.md"


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """Return the lines that the standard logger ``app`` writes."""
    written: list[str] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(record.getMessage())

    logger = logging.getLogger("app")
    handler = Keeping()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield written
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


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


def test_loguru_writes_again_on_replay_and_once_through_logging(lines: list[str]) -> None:
    loguru = pytest.importorskip("loguru")
    written: list[str] = []
    loguru.logger.configure(handlers=[{"sink": written.append, "format": "{message}"}])
    run(loguru.logger.info)
    assert len(written) > 3
    exec(filter_of("loguru"), {})
    run(loguru.logger.info)
    assert lines == ["line 0", "line 1", "line 2"]
    loguru.logger.remove()


def test_structlog_writes_again_on_replay_and_once_through_logging(
    lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    structlog = pytest.importorskip("structlog")
    structlog.reset_defaults()
    run(structlog.get_logger("app").info)
    assert capsys.readouterr().out.count("line") > 3
    exec(filter_of("structlog"), {})
    run(structlog.get_logger("app").info)
    assert len(lines) == 3
    assert all(f"line {n}" in line for n, line in enumerate(lines))
    structlog.reset_defaults()


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

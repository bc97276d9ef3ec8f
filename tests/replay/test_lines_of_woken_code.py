"""Lines of workflow code that the body of a step wakes: they are written, although no operation has ended."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from tests.rig import run_workflow
from tests.sampling import name_of, rotated

from durable_execution_sdk import (
    CheckpointingMode,
    DurableContext,
    Duration,
    StepConfig,
    StepContext,
    StepSemantics,
)
from durable_execution_sdk.retry import FixedDelay

Send = Callable[[str], None]
Take = Callable[[], Awaitable[str]]


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """The lines on the root logger."""
    written: list[str] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(record.getMessage())

    handler, root = Keeping(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield written
    root.removeHandler(handler)
    root.setLevel(level)


def by_queue() -> tuple[Send, Take]:
    queue: asyncio.Queue[str] = asyncio.Queue()
    return queue.put_nowait, queue.get


def by_event() -> tuple[Send, Take]:
    event, told = asyncio.Event(), list[str]()

    def send(what: str) -> None:
        told.append(what)
        event.set()

    async def take() -> str:
        while not told:
            event.clear()
            await event.wait()
        return told.pop(0)

    return send, take


def by_future() -> tuple[Send, Take]:
    loop = asyncio.get_running_loop()
    futures = [loop.create_future()]

    def send(what: str) -> None:
        futures[-1].set_result(what)
        futures.append(loop.create_future())

    async def take() -> str:
        while len(futures) > 1 and futures[0].done() and futures[0] in seen:
            futures.pop(0)
        taken: str = await futures[0]
        seen.add(futures[0])
        return taken

    seen: set[object] = set()
    return send, take


@pytest.mark.parametrize(
    ("make", "semantics", "is_nested", "mode"),
    rotated([by_queue, by_event, by_future], StepSemantics, [False, True], CheckpointingMode),
    ids=name_of,
)
def test_what_an_attempt_lets_the_code_write_is_written_once(
    make: Callable[[], tuple[Send, Take]],
    semantics: StepSemantics,
    is_nested: bool,
    mode: CheckpointingMode,
    lines: list[str],
) -> None:
    shown: list[bool] = []

    async def working(ctx: DurableContext) -> None:
        send, take = make()

        async def report() -> None:
            while True:
                what = await take()
                shown.append(ctx.is_replaying)
                ctx.log_info(what)

        async def work() -> None:
            attempt = StepContext.current().attempt
            for part in ("begins", "ends"):
                send(f"attempt {attempt} {part}")
                await asyncio.sleep(0.01)
            if attempt < 3:
                raise LookupError

        reporting = asyncio.create_task(report())
        ctx.log_info("before")
        again = FixedDelay(max_attempts=5, delay=Duration.from_seconds(10))
        await ctx.step(work, config=StepConfig(retry_strategy=again, semantics=semantics))
        ctx.log_info("after")
        reporting.cancel()

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await (ctx.run_in_child_context(working) if is_nested else working(ctx))

    ran = run_workflow(workflow, options={"checkpointing": mode})
    assert (ran.status, ran.invocations) == ("SUCCEEDED", 3)
    parts = [f"attempt {n} {part}" for n in (1, 2, 3) for part in ("begins", "ends")]
    assert lines == ["before", *parts, "after"]
    assert shown == [False] * 6

"""The warning of code that blocks the event loop: the step and the line that it names, and what it does not name."""

from __future__ import annotations

import asyncio
import inspect
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest
from tests.memory_service import MemoryService

from durable_execution_sdk import (
    ConfigError,
    DurableContext,
    durable_execution,
)
from durable_execution_sdk.runtime.event_loop import idle_selector
from durable_execution_sdk.runtime.event_loop.blocking import LOOKS, Sampler
from durable_execution_sdk.runtime.event_loop.idle_selector import BlockingWatch, IdleSelector
from durable_execution_sdk.testing import LocalDurableTestRunner

LIMIT = 30.0
ENOUGH = LOOKS + 1


class Watch(BlockingWatch):
    """The loops that run, at which the test looks itself, and no thread."""

    def __init__(self) -> None:
        super().__init__()
        self.sampler = Sampler()

    def begin(self, selector: IdleSelector) -> None:
        self.selectors[selector] = None

    def look(self, times: int = ENOUGH) -> None:
        for _ in range(times):
            self.sampler.look(list(self.selectors))


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    made = Watch()
    monkeypatch.setattr(idle_selector, "watch", made)
    return made


@pytest.fixture
def block() -> Iterator[Block]:
    made = Block()
    yield made
    made.gate.set()


class Block:
    """A call that blocks its thread until the test has looked."""

    def __init__(self) -> None:
        self.blocked = threading.Event()
        self.gate = threading.Event()

    def __call__(self) -> None:
        self.blocked.set()
        assert self.gate.wait(LIMIT)


def while_blocked(workflow: Any, block: Block, look: Callable[[], None], **options: Any) -> Any:
    """Run a workflow in a thread, look while it blocks, and return its outcome."""
    outcomes: list[Any] = []

    def run() -> None:
        service = MemoryService()
        handler = durable_execution(**options)(workflow).bind(service)
        outcomes.append(handler(service.event("1"), None))

    thread = threading.Thread(target=run)
    thread.start()
    assert block.blocked.wait(LIMIT)
    look()
    block.gate.set()
    thread.join(LIMIT)
    [outcome] = outcomes
    assert outcome["Status"] == "SUCCEEDED", outcome


def warnings(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    for thread in threading.enumerate():
        if thread.name == "durable-blocking":
            thread.join(LIMIT)
    return [each for each in caplog.records if "has blocked the event loop" in each.getMessage()]


def line_of(function: FunctionType, text: str) -> int:
    lines, first = inspect.getsourcelines(function)
    return first + next(number for number, line in enumerate(lines) if text in line)


def test_a_step_is_named_with_the_line(
    watch: Watch, block: Block, caplog: pytest.LogCaptureFixture
) -> None:
    async def charge() -> None:
        block()

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(charge)

    while_blocked(workflow, block, watch.look)
    [record] = warnings(caplog)
    message = record.getMessage()
    assert message.startswith("the body of step 'charge' of ")
    assert f"{__file__}:{line_of(Block.__call__, 'gate.wait')}, in Block.__call__" in message
    assert "assert self.gate.wait(LIMIT)" in message
    assert "(inside of it, " in message  # the module threading
    assert "plain def, which runs in a thread" in message
    assert record.__dict__["operation_name"] == "charge"
    assert record.levelno == logging.WARNING


def test_workflow_code_is_named_as_such(
    watch: Watch, block: Block, caplog: pytest.LogCaptureFixture
) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        block()

    while_blocked(workflow, block, watch.look)
    [record] = warnings(caplog)
    assert record.getMessage().startswith("workflow code of ")
    assert "which is in no step" in record.getMessage()
    assert "Move the work into a step" in record.getMessage()


def test_a_task_that_a_step_has_made_is_the_step_s(
    watch: Watch, block: Block, caplog: pytest.LogCaptureFixture
) -> None:
    async def inner() -> None:
        block()

    async def charge() -> None:
        await asyncio.create_task(inner())

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(charge)

    while_blocked(workflow, block, watch.look)
    [record] = warnings(caplog)
    assert "step 'charge'" in record.getMessage()


def test_the_line_is_that_of_the_user_and_not_of_a_library(
    watch: Watch, block: Block, caplog: pytest.LogCaptureFixture
) -> None:
    library: dict[str, Any] = {"__name__": "requests.api", "wait": block.gate.wait}
    library["blocked"] = block.blocked
    source = "def get():\n    blocked.set()\n    wait(30)\n"
    exec(compile(source, "/opt/python/requests/api.py", "exec"), library)

    async def charge() -> None:
        library["get"]()

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(charge)

    while_blocked(workflow, block, watch.look)
    [record] = warnings(caplog)
    assert 'library["get"]()' in record.getMessage()
    assert "threading.py:" in record.getMessage()


def test_so_many_looks_at_the_same_callback_are_needed(
    watch: Watch, block: Block, caplog: pytest.LogCaptureFixture
) -> None:
    async def charge() -> None:
        block()

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(charge)

    while_blocked(workflow, block, lambda: watch.look(ENOUGH - 1))
    assert warnings(caplog) == []
    assert LOOKS * idle_selector.SECONDS_BETWEEN_LOOKS == 1


def test_a_place_is_told_once(watch: Watch, block: Block, caplog: pytest.LogCaptureFixture) -> None:
    async def charge() -> None:
        watch.look(10)  # the thread of the loop may look itself: it shows that it is in a callback
        watch.look(10)

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(charge)
        await ctx.step(charge, name="again")
        block()

    while_blocked(workflow, block, lambda: None)
    assert [each.__dict__["operation_name"] for each in warnings(caplog)] == ["charge"]


def test_another_place_is_told_too(
    watch: Watch, block: Block, caplog: pytest.LogCaptureFixture
) -> None:
    async def one() -> None:
        for _ in range(ENOUGH):
            watch.sampler.look(list(watch.selectors))

    async def other() -> None:
        for _ in range(ENOUGH):
            watch.sampler.look(list(watch.selectors))

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(one)
        await ctx.step(other)
        block()

    while_blocked(workflow, block, lambda: None)
    assert [each.__dict__["operation_name"] for each in warnings(caplog)] == ["one", "other"]


def test_a_step_that_waits_is_not_told(
    watch: Watch, block: Block, caplog: pytest.LogCaptureFixture
) -> None:
    loops: list[asyncio.AbstractEventLoop] = []
    over: list[asyncio.Event] = []

    async def charge() -> None:
        loops.append(asyncio.get_running_loop())
        over.append(asyncio.Event())
        block.gate.set()
        block()
        await over[0].wait()

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(charge)

    def look() -> None:
        [selector] = watch.selectors
        assert selector.observer is not None
        thread = selector.observer.observed.thread
        ends_at = time.monotonic() + LIMIT
        idle = IdleSelector.select.__code__
        while True:  # until the loop waits for sockets
            frame = sys._current_frames()[thread]
            if frame.f_back is not None and frame.f_back.f_code is idle:
                break
            assert time.monotonic() < ends_at
        watch.look(3 * ENOUGH)
        loops[0].call_soon_threadsafe(over[0].set)

    while_blocked(workflow, block, look)
    assert warnings(caplog) == []


def test_a_turn_of_many_short_callbacks_is_not_told(
    watch: Watch, block: Block, caplog: pytest.LogCaptureFixture
) -> None:
    async def charge() -> None:
        loop = asyncio.get_running_loop()
        for _ in range(50):
            loop.call_soon(watch.look, 1)
        await asyncio.sleep(0)

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(charge)
        block()

    while_blocked(workflow, block, lambda: None)
    assert warnings(caplog) == []


def test_a_long_replay_is_not_told_since_it_asks_for_operations(
    watch: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    turns: list[int] = []

    async def number(n: int) -> int:
        return n

    async def workflow(event: Any, ctx: DurableContext) -> None:
        for n in range(40):
            await ctx.step(number, n)
            if ctx.is_replaying:
                [selector] = watch.selectors
                turns.append(selector.turns)
                watch.look(1)

    service = MemoryService()
    bound = durable_execution(workflow).bind(service)
    for _ in range(2):
        assert bound(service.event("1"), None)["Status"] == "SUCCEEDED"
    assert len(turns) >= 39
    assert len(set(turns[:-1])) <= 2  # all in one turn of the loop, or nearly
    assert warnings(caplog) == []


def test_code_that_a_debugger_has_stopped_is_not_told(
    watch: Watch, block: Block, caplog: pytest.LogCaptureFixture
) -> None:
    debugger: dict[str, Any] = {"__name__": "pdb", "block": block}
    exec("def set_trace(): block()", debugger)

    async def charge() -> None:
        debugger["set_trace"]()

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(charge)

    while_blocked(workflow, block, watch.look)
    assert warnings(caplog) == []


def test_a_frozen_process_is_not_told_since_looks_count_and_not_seconds(
    watch: Watch, block: Block, caplog: pytest.LogCaptureFixture
) -> None:
    """After a freeze the clock has moved on by hours, and the thread has looked once more."""

    async def charge() -> None:
        block()

    async def workflow(event: Any, ctx: DurableContext) -> None:
        await ctx.step(charge)

    def look() -> None:
        watch.look(2)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(time, "monotonic", lambda: 1e9)
            watch.look(1)

    while_blocked(workflow, block, look)
    assert warnings(caplog) == []


def test_the_option_turns_it_off(
    watch: Watch, block: Block, caplog: pytest.LogCaptureFixture
) -> None:
    async def workflow(event: Any, ctx: DurableContext) -> None:
        block()

    def look() -> None:
        assert not watch.selectors
        watch.look()

    while_blocked(workflow, block, look, warn_of_blocking=False)
    assert warnings(caplog) == []


def test_the_option_is_a_flag() -> None:
    with pytest.raises(ConfigError, match=r"takes True or False, not 2\.5"):
        durable_execution(warn_of_blocking=2.5)  # type: ignore[call-overload]


def test_an_invocation_is_looked_at_until_it_ends(watch: Watch) -> None:
    seen: list[int] = []

    async def workflow(event: Any, ctx: DurableContext) -> None:
        seen.append(len(watch.selectors))

    service = MemoryService()
    durable_execution(workflow).bind(service)(service.event("1"), None)
    assert seen == [1]
    assert not watch.selectors


class Heard(logging.Handler):
    """Sets an event at a warning."""

    def __init__(self) -> None:
        super().__init__()
        self.warned = threading.Event()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        if "has blocked the event loop" in record.getMessage():
            self.records.append(record)
            self.warned.set()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> BlockingWatch:
    """A watch with a thread of its own that looks often."""
    made = BlockingWatch()
    monkeypatch.setattr(idle_selector, "watch", made)
    monkeypatch.setattr(idle_selector, "SECONDS_BETWEEN_LOOKS", 0.005)
    return made


def resting(watch: BlockingWatch) -> bool:
    ends_at = time.monotonic() + LIMIT
    while not watch._rests and time.monotonic() < ends_at:
        pass
    return watch._rests


def test_the_thread_looks_while_an_invocation_runs_and_rests_in_between(
    quick: BlockingWatch,
) -> None:
    before = threading.active_count()
    logger = logging.getLogger("blocked")
    heard = Heard()
    logger.addHandler(heard)

    async def first() -> bool:
        return heard.warned.wait(LIMIT)

    async def second() -> bool:
        return heard.warned.wait(LIMIT)

    for step in (first, second):
        heard.warned.clear()

        @durable_execution(logger=logger)
        async def workflow(event: Any, ctx: DurableContext) -> bool:
            return await ctx.step(step)

        service = MemoryService()
        assert workflow.bind(service)(service.event("1"), None)["Result"] == "true"
        assert resting(quick)
    logger.removeHandler(heard)
    assert len(heard.records) == 2
    for thread in threading.enumerate():
        if thread.name == "durable-blocking":
            thread.join(LIMIT)
    assert threading.active_count() == before  # it would count as a thread that may wake a workflow


def test_the_runner_has_the_warning_in_the_lines_of_the_execution(quick: BlockingWatch) -> None:
    heard = Heard()
    logging.root.addHandler(heard)

    async def charge() -> bool:
        return heard.warned.wait(LIMIT)

    async def workflow(event: Any, ctx: DurableContext) -> bool:
        return await ctx.step(charge)

    try:
        result = LocalDurableTestRunner(durable_execution(workflow)).run_sync()
    finally:
        logging.root.removeHandler(heard)
    assert result.result is True
    assert any("has blocked the event loop" in each.getMessage() for each in result.logs)


FORK = """
import os, sys
from durable_execution_sdk.runtime.event_loop import idle_selector
from tests.performance.test_work import MemoryService, run, steps
run(steps, MemoryService(), "1")
child = os.fork()
if child == 0:
    assert not idle_selector.watch._has_thread
    run(steps, MemoryService(), "1")
    assert idle_selector.watch._has_thread
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_a_forked_process_has_a_thread_of_its_own() -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert ran.stdout == "7\n", ran.stderr

"""In optimistic mode, code sees a result before the log holds it, and only where replay delivers it: when nothing can move."""

from __future__ import annotations

import asyncio
import textwrap
from typing import Any

import pytest
from tests.generated.oracle import check_execution
from tests.generated.programs import Program
from tests.generated.runner import Playing, compiled
from tests.generated.schedules import Schedule
from tests.rig import rig_of
from tests.sampling import rotated, thinned

from durable_execution_sdk import CheckpointingMode, DurableContext

HEADER = """\
from tests.generated.program_api import *
from tests.generated import program_api
from tests.generated.clock import HeldCall
"""

# Each program takes some turns of the loop for what comes before the result of the step.
PROGRAMS = {
    "the handler returns, and its task goes on": """
        async def workflow(event, c):
            async def job():
                see(c, "1", await c.step(work, "1"))
                see(c, "2", await c.step(work, "2"))
            asyncio.create_task(job())
            await asyncio.sleep(0)
        """,
    "timeouts of 0 and in the past": """
        async def workflow(event, c):
            async def job():
                see(c, "1", await c.step(work, "1"))
                see(c, "2", await c.step(work, "2"))
            try:
                async with asyncio.timeout(0):
                    try:
                        async with asyncio.timeout(-1):
                            left_behind = asyncio.create_task(job())
                            see(c, "3", await c.step(ask, "3"))
                    except TimeoutError as error:
                        see(c, "4", error)
            except TimeoutError as error:
                see(c, "5", error)
        """,
    "a timeout that callbacks move into the past": """
        async def workflow(event, c):
            loop = asyncio.get_running_loop()
            def hop(left):
                if left:
                    loop.call_soon(hop, left - 1)
                else:
                    scope.reschedule(-1)
            try:
                async with asyncio.timeout(None) as scope:
                    hop(5)
                    see(c, "1", await c.step(work, "1"))
                    see(c, "2", await c.step(work, "2"))
            except TimeoutError as error:
                see(c, "3", error)
        """,
    "call_soon": """
        async def workflow(event, c):
            loop = asyncio.get_running_loop()
            def hop(left):
                loop.call_soon(hop, left - 1) if left else see(c, "hopped")
            hop(5)
            see(c, "1", await c.step(work, "1"))
            see(c, "2", await c.step(work, "2"))
        """,
    "call_later of 0 and in the past": """
        async def workflow(event, c):
            loop = asyncio.get_running_loop()
            def hop(left):
                loop.call_later(-(left % 2), hop, left - 1) if left else see(c, "hopped")
            hop(5)
            see(c, "1", await c.step(work, "1"))
            see(c, "2", await c.step(work, "2"))
        """,
    "wait_for of 0 and in the past": """
        async def workflow(event, c):
            async def job():
                for n in range(3):
                    await asyncio.sleep(0)
                    see(c, f"job {n}", await c.step(work, f"job {n}"))
            running = asyncio.create_task(job())
            for seconds in (0, -1):
                try:
                    see(c, "1", await asyncio.wait_for(c.step(work, "1"), seconds))
                except TimeoutError as error:
                    see(c, "2", error)
            see(c, "3", await c.step(work, "3"))
        """,
    "sleep of 0": """
        async def workflow(event, c):
            async def job():
                see(c, "1", await c.step(work, "1"))
                see(c, "2", await c.step(work, "2"))
            running = asyncio.create_task(job())
            for n in range(4):
                await asyncio.sleep(0)
                see(c, f"turn {n}")
        """,
    "callbacks of futures": """
        async def workflow(event, c):
            loop = asyncio.get_running_loop()
            def hop(done):
                left = done.result()
                if left:
                    then = asyncio.Future()
                    then.add_done_callback(hop)
                    then.set_result(left - 1)
                else:
                    see(c, "hopped")
            first = asyncio.Future()
            first.add_done_callback(hop)
            first.set_result(4)
            see(c, "1", await c.step(work, "1"))
            see(c, "2", await c.step(work, "2"))
        """,
    "a callback that asks for a step": """
        async def workflow(event, c):
            loop, others = asyncio.get_running_loop(), []
            def hop(left):
                loop.call_soon(hop, left - 1) if left else others.append(c.step(work, "other"))
            hop(3)
            see(c, "1", await c.step(work, "1"))
            see(c, "2", await c.step(work, "2"))
            see(c, "3", await others[0])
        """,
    "a child context": """
        async def workflow(event, c):
            async def child(c):
                loop = asyncio.get_running_loop()
                def hop(left):
                    loop.call_soon(hop, left - 1) if left else see(c, "child/hopped")
                hop(4)
                see(c, "child/1", await c.step(work, "1"))
            await c.run_in_child_context(child)
            see(c, "2", await c.step(work, "2"))
        """,
}

# The service may give its end the same time as that of a step whose result came early.
A_CALL_IN_A_THREAD = """
    async def workflow(event, c):
        clock, call = program_api.WORLD.clock, HeldCall()
        clock.holds(call)
        future = asyncio.get_running_loop().run_in_executor(None, call)
        future.add_done_callback(lambda _: see(c, "thread"))
        try:
            for n in range(6):
                see(c, f"{n}", await c.step(work, f"{n}"))
            await future
        finally:
            clock.lets_go(call)
    """


def faults(source: str, schedules: list[Schedule]) -> list[tuple[str, str]]:
    """Return what is wrong with a program under these schedules: its executions, and replay of their logs."""
    program = Program((), source=HEADER + textwrap.dedent(source))
    playing = Playing(program, compiled(program))
    return [
        (str(schedule), found)
        for schedule in schedules
        for found in check_execution(playing, playing.run(schedule), cuts=2)
    ]


@pytest.mark.parametrize(
    ("name", "page", "mode"), thinned(rotated(PROGRAMS, [None, 1], CheckpointingMode), 2)
)
def test_replay_sees_a_result_where_the_first_run_saw_it(
    name: str, page: int | None, mode: CheckpointingMode
) -> None:
    source = PROGRAMS[name]
    schedules = [
        Schedule(seed=seed, mode=mode, page=page, slow=slow)
        for seed in range(3)
        for slow in (False, True)
    ]
    assert faults(source, schedules) == []


@pytest.mark.parametrize("mode", CheckpointingMode)
def test_no_early_result_overtakes_a_call_in_a_thread(mode: CheckpointingMode) -> None:
    schedules = [Schedule(seed=seed, mode=mode, slow=True) for seed in range(20)]
    assert faults(A_CALL_IN_A_THREAD, schedules) == []


def test_code_that_polls_sees_an_early_result() -> None:
    async def workflow(event: Any, ctx: DurableContext) -> int:
        total = 0
        for n in range(3):
            step = ctx.step(lambda n=n: n)
            while not step.done():
                await asyncio.sleep(0)
            total += step.result()
        return total

    ran = rig_of(workflow, options={"checkpointing": CheckpointingMode.OPTIMISTIC}).run()
    assert (ran.status, ran.result) == ("SUCCEEDED", 3), ran.error

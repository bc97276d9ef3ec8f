"""Programs in which the generator found a fault, as it printed them, each with what was wrong."""

from __future__ import annotations

import textwrap
from itertools import product

import pytest
from tests.generated.oracle import Execution, check_execution, check_lines
from tests.generated.programs import CORE, Program
from tests.generated.runner import CALM, Playing, check_program, compiled
from tests.generated.schedules import Schedule
from tests.sampling import rotated, whole_or_sample

from durable_execution_sdk import CheckpointingMode

HEADER = "from tests.generated.program_api import *\n"

A_TASK_AWAITS_ANOTHER = """
    async def workflow(event, c):
        async def job(at):
            return see(c, f"{at}.3", await c.step(work, f"{at}.2"))
        return await asyncio.gather(job("a"), job("b"))
    """

AN_INVOKE_ENDS_BESIDE_A_TIMER = """
    async def workflow(event, c):
        async def beat():
            while True:
                await asyncio.sleep(0.5)
        beating = asyncio.create_task(beat())
        invoked = c.invoke("echo:1", "1")
        see(c, "3", await c.step(work, "2"))
        out = see(c, "4", await invoked)
        beating.cancel()
        return out
    """

# A callback of another thread has woken the loop before, so a byte may be left in the loop's own pipe.
THREADS_END_ONE_AFTER_THE_OTHER = """
    async def workflow(event, c):
        async def job(at):
            asyncio.get_running_loop().call_soon_threadsafe(len, at)
            for how in range(3):
                see(c, f"{at}.1-{how}", await in_thread(how))
            return see(c, f"{at}.2", await c.step(work, f"{at}.3"))
        return await asyncio.gather(job("a"), job("b"), c.step(work, "c"))
    """


# The service refuses to cancel the wait that has ended. So the SDK asks it for no other CANCEL, and the timer of the
# scope is STARTED when the execution ends.
A_TIMER_IS_LEFT_BEHIND_AT_A_DEADLOCK = """
    async def workflow(event, c):
        ended = c.wait(seconds(1))
        see(c, "2", await c.step(work, "1"))
        ended.cancel()
        with anyio.move_on_after(30):
            await c.wait(seconds(2))
        see(c, "3")
        await asyncio.gather(*asyncio.all_tasks())
    """


# The process dies when the log holds all that the code does before it deadlocks, and the step that was given up is due.
A_DEADLOCK_AFTER_A_STEP_WAS_GIVEN_UP = """
    async def workflow(event, c):
        try:
            async with asyncio.timeout(1.5):
                await c.step(flaky, "1", name="job", config=RETRIED)
        except TimeoutError as error:
            see(c, "2", error)
        see(c, "4", await c.step(work, "3"))
        await asyncio.gather(*asyncio.all_tasks())
    """


# On replay the call may end before the step that had won is delivered.
A_RACE_LEAVES_A_THREAD = """
    async def workflow(event, c):
        async def called_back(at):
            callback = await c.create_callback()
            await c.step(give, callback.callback_id, f"{at}.1")
            return see(c, f"{at}.2", await callback)
        async def calls(at):
            return see(c, f"{at}.3", await in_thread(1))
        async def steps(at):
            return see(c, f"{at}.4", await c.step(work, f"{at}.5", name="work"))
        running = asyncio.create_task(called_back("a"))
        racing = [asyncio.create_task(calls("b")), asyncio.create_task(steps("c"))]
        await asyncio.wait(racing, return_when=asyncio.FIRST_COMPLETED)
        see(c, "d", [job.result() for job in racing if job.done()])
        for job in racing:
            job.cancel()
        await asyncio.gather(*racing, return_exceptions=True)
        return see(c, "e", await running)
    """


def program(source: str) -> Program:
    return Program((), source=HEADER + textwrap.dedent(source))


@whole_or_sample
@pytest.mark.parametrize(
    "source",
    [
        A_TASK_AWAITS_ANOTHER,
        AN_INVOKE_ENDS_BESIDE_A_TIMER,
        THREADS_END_ONE_AFTER_THE_OTHER,
        A_RACE_LEAVES_A_THREAD,
    ],
    ids=["a task awaits another", "an invoke ends beside a timer", "threads end", "a race"],
)
def test_a_program_that_had_a_fault_replays_exactly(source: str, *, whole: bool) -> None:
    report = check_program(program(source), 30 if whole else 8, CORE | {"logs"})
    assert not [(str(each.schedule), each.what) for each in report.findings]


def test_a_process_that_dies_in_a_body_unwinds_without_a_complaint() -> None:
    # The tasks of the workflow were refused their cancellation, as if the step had asked for it.
    at_fault = program(A_TASK_AWAITS_ANOTHER)
    playing = Playing(at_fault, compiled(at_fault))
    calm, died = playing.run(CALM), playing.run(Schedule(crash=(1, "in body")))
    assert died.trace.crashes == 1
    assert died.trace.findings == []
    assert died.result == calm.result


def status_of_timer(execution: Execution) -> str:
    operations = execution.service.operations.values()
    return next(str(op["Status"]) for op in operations if op.get("Name") == "asyncio timer")


@pytest.mark.parametrize(("page", "mode"), rotated([None, 1], CheckpointingMode))
def test_an_execution_that_leaves_a_timer_behind_ends_the_same_way_on_replay(
    page: int | None, mode: CheckpointingMode
) -> None:
    # Replay asked for the CANCEL, and the answer to that cut it off before it came to the deadlock.
    left_behind = program(A_TIMER_IS_LEFT_BEHIND_AT_A_DEADLOCK)
    playing = Playing(left_behind, compiled(left_behind))
    statuses = set()
    for seed in range(20):
        schedule = Schedule(seed=seed, mode=mode, page=page, slow=True, refuses=True)
        execution = playing.run(schedule)
        assert execution.error["ErrorType"] == "DeadlockError"
        assert check_execution(playing, execution, cuts=2) == []
        statuses.add(status_of_timer(execution))
    assert "STARTED" in statuses


def test_an_execution_does_not_depend_on_what_the_service_refused_to_an_earlier_one() -> None:
    left_behind = program(A_TIMER_IS_LEFT_BEHIND_AT_A_DEADLOCK)
    playing = Playing(left_behind, compiled(left_behind))
    schedules = [Schedule(seed=seed, slow=True, refuses=True) for seed in range(20)]
    refused = [each for each in schedules if status_of_timer(playing.run(each)) == "STARTED"]
    assert refused
    for schedule in refused:
        playing.run(schedule)
        assert status_of_timer(playing.run(CALM)) == "CANCELLED"


@whole_or_sample
def test_no_line_is_lost_in_an_execution_that_deadlocks_after_a_crash(*, whole: bool) -> None:
    deadlocked = program(A_DEADLOCK_AFTER_A_STEP_WAS_GIVEN_UP)
    playing = Playing(deadlocked, compiled(deadlocked))
    deaths = 0
    for mode, seed, call in product(CheckpointingMode, range(12 if whole else 3), range(1, 9)):
        schedule = Schedule(seed=seed, mode=mode, page=1, slow=True, crash=(call, "after"))
        execution = playing.run(schedule)
        assert execution.error["ErrorType"] == "DeadlockError"
        assert list(check_lines(playing, execution)) == [], str(schedule)
        deaths += len(execution.deaths)
    assert deaths

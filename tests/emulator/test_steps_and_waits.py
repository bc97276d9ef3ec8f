"""Steps and waits, from their start to their end."""

from __future__ import annotations

import threading
from functools import partial
from operator import mul

from tests.emulator.emulator_rig import (
    DAY,
    PENDING,
    EmulatorRig,
    Invoked,
    succeeded,
    update,
    waits,
)

from durable_execution_sdk.emulator.driver import Ending
from durable_execution_sdk.protocol.data_plane import Outcome
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.operations import OperationType
from durable_execution_sdk.protocol.updates import (
    OperationAction,
    StepOptions,
)


def test_steps_run_in_one_invocation(rig: EmulatorRig) -> None:
    async def workflow(run: Invoked) -> Outcome:
        total = 0
        for number in range(5):
            total += await run.step(f"s{number}", partial(mul, number, run.input))
        return succeeded(total)

    rig.add("f", workflow)
    arn = rig.start(payload=10)
    assert rig.run(arn) is Ending.DONE
    assert rig.result(arn) == 100
    assert rig.history(arn) == [
        "ExecutionStarted",
        *["StepStarted", "StepSucceeded"] * 5,
        "InvocationCompleted",
        "ExecutionSucceeded",
    ]


def test_a_wait_suspends_and_the_clock_jumps_to_its_end(rig: EmulatorRig) -> None:
    operation_ids: list[list[str]] = []

    async def workflow(run: Invoked) -> Outcome:
        operation_ids.append(run.updated)
        if not await run.wait("w", 300 * DAY):
            return PENDING
        return succeeded(await run.step("s", lambda: "done"))

    rig.add("f", workflow)
    began = rig.clock.now()
    arn = rig.start()
    assert rig.run(arn) is Ending.DONE
    assert rig.result(arn) == "done"
    assert 300 * DAY * 1_000 <= rig.clock.now() - began < 300 * DAY * 1_000 + 100
    assert len(operation_ids) == 2
    assert operation_ids[1] == ["w"]
    assert rig.history(arn) == [
        "ExecutionStarted",
        "WaitStarted",
        "InvocationCompleted",
        "WaitSucceeded",
        "StepStarted",
        "StepSucceeded",
        "InvocationCompleted",
        "ExecutionSucceeded",
    ]


def test_without_wait_only_due_work_is_done(memory: EmulatorRig) -> None:
    memory.add("f", waits)
    arn = memory.start()
    began = memory.clock.now()
    assert memory.driver.run_until(lambda: False, wait=False) is Ending.IDLE
    assert memory.status(arn) == "RUNNING"
    memory.clock.advance(60_100)
    assert memory.driver.run_until(lambda: False, wait=False) is Ending.IDLE
    assert memory.result(arn) == "waited"
    assert memory.clock.now() == began + 60_100


def test_a_run_ends_at_the_time_it_may_take(memory: EmulatorRig) -> None:
    memory.add("f", waits)
    arn = memory.start()
    until = memory.clock.now() + 30_000
    assert memory.driver.run_until_closed(arn, until=until) is Ending.LATE
    assert memory.clock.now() == until
    assert memory.run(arn) is Ending.DONE


def test_a_run_ends_when_it_is_stopped(memory: EmulatorRig) -> None:
    memory.add("f", waits)
    arn = memory.start()
    stop = threading.Event()
    stop.set()
    assert memory.driver.run_until_closed(arn, stop=stop) is Ending.STOPPED
    assert memory.history(arn) == ["ExecutionStarted"]


def test_a_failed_step_is_due_again_after_its_delay(rig: EmulatorRig) -> None:
    attempts: list[int] = []

    async def workflow(run: Invoked) -> Outcome:
        operation = run.operations.get("s")
        ended_attempts = (
            operation.step_details.attempt if operation and operation.step_details else 0
        )
        attempts.append(ended_attempts or 0)
        start = update("s", OperationType.STEP, OperationAction.START)
        if len(attempts) < 3:
            await run.send(
                start,
                update(
                    "s",
                    OperationType.STEP,
                    OperationAction.RETRY,
                    error=ErrorObject(error_type="Flaky"),
                    step_options=StepOptions(next_attempt_delay_seconds=7),
                ),
            )
            return PENDING
        assert run.status("s") == "READY"
        await run.send(
            start, update("s", OperationType.STEP, OperationAction.SUCCEED, payload='"ok"')
        )
        return succeeded("ok")

    rig.add("f", workflow)
    began = rig.clock.now()
    arn = rig.start()
    assert rig.run(arn) is Ending.DONE
    assert attempts == [0, 1, 2]
    assert 14_000 <= rig.clock.now() - began < 14_100
    assert rig.history(arn).count("StepFailed") == 2


def test_unrelated_executions_are_left_alone_when_one_is_driven(memory: EmulatorRig) -> None:
    memory.add("f", waits)
    memory.add("g", waits)
    other = memory.start("g")
    arn = memory.start("f")
    assert memory.run(arn) is Ending.DONE
    assert memory.history(other) == ["ExecutionStarted"]
    assert memory.driver.run_until(lambda: memory.status(other) == "SUCCEEDED") is Ending.DONE


def test_a_wait_after_many_quick_steps_is_not_late(rig: EmulatorRig) -> None:
    """The clock stands still while they run, and the log's time rises with each of them."""
    began: list[int] = []

    async def workflow(run: Invoked) -> Outcome:
        if "w" not in run.operations:
            for number in range(400):
                await run.step(f"s{number}", lambda: 1)
            began.append(rig.clock.now())
        return succeeded(None) if await run.wait("w", 1) else PENDING

    rig.add("f", workflow)
    arn = rig.start()
    assert rig.run(arn) is Ending.DONE
    [wait_began] = began
    assert rig.clock.now() - wait_began == 1_000
    operations = {operation.id: operation for operation in rig.emulator.operations(arn)}
    wait = operations["w"]
    assert wait.start_timestamp is not None and wait.end_timestamp is not None
    assert wait.start_timestamp > wait_began + 350  # the log is ahead
    assert wait.end_timestamp - wait.start_timestamp == 1_000

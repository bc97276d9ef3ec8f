"""Callbacks: completed, timed out, or kept alive by heartbeats."""

from __future__ import annotations

import pytest
from tests.emulator.emulator_rig import (
    PENDING,
    EmulatorRig,
    Invoked,
    calls_back,
    succeeded,
)

from durable_execution_sdk.emulator.driver import Ending
from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.protocol.data_plane import Outcome
from durable_execution_sdk.protocol.error_object import ErrorObject


def test_a_callback_without_a_timeout_leaves_nothing_to_do_until_it_is_answered(
    rig: EmulatorRig,
) -> None:
    rig.add("f", calls_back)
    arn = rig.start()
    assert rig.run(arn) is Ending.IDLE
    rig.emulator.callback_success(rig.callback_id(arn), b'"yes"')
    assert rig.run(arn) is Ending.DONE
    assert rig.result(arn) == '"yes"'


def test_a_callback_that_fails_carries_the_senders_error(memory: EmulatorRig) -> None:
    memory.add("f", calls_back)
    arn = memory.start()
    memory.run(arn)
    error = ErrorObject(error_type="Declined", error_message="no", error_data="42")
    memory.emulator.callback_failure(memory.callback_id(arn), error)
    assert memory.run(arn) is Ending.DONE
    assert memory.emulator.describe(arn).error == error


@pytest.mark.parametrize(
    ("options", "error_type", "seconds"),
    [
        ({"timeout_seconds": 90}, "Callback.Timeout", 90),
        ({"timeout_seconds": 90, "heartbeat_timeout_seconds": 20}, "Callback.Heartbeat", 20),
    ],
)
def test_a_callback_without_a_result_times_out(
    rig: EmulatorRig, options: dict[str, int], error_type: str, seconds: int
) -> None:
    async def workflow(run: Invoked) -> Outcome:
        callback = await run.callback("cb", **options)
        if callback.status == "STARTED":
            return PENDING
        assert callback.callback_details is not None
        assert callback.callback_details.error is not None
        return succeeded([callback.status, callback.callback_details.error.error_type])

    rig.add("f", workflow)
    began = rig.clock.now()
    arn = rig.start()
    assert rig.run(arn) is Ending.DONE
    assert rig.result(arn) == ["TIMED_OUT", error_type]
    assert seconds * 1_000 <= rig.clock.now() - began < seconds * 1_000 + 100
    with pytest.raises(ServiceError) as refused:
        rig.emulator.callback_success(rig.callback_id(arn))
    assert refused.value.code == "CallbackTimeoutException"


def test_heartbeats_keep_a_callback_alive(memory: EmulatorRig) -> None:
    async def workflow(run: Invoked) -> Outcome:
        callback = await run.callback("cb", timeout_seconds=100, heartbeat_timeout_seconds=20)
        if callback.status == "STARTED":
            return PENDING
        return succeeded(callback.status)

    memory.add("f", workflow)
    arn = memory.start()
    memory.driver.run_until(lambda: False, wait=False)
    for _ in range(4):
        memory.clock.advance(15_000)
        memory.emulator.callback_heartbeat(memory.callback_id(arn))
    memory.emulator.callback_success(memory.callback_id(arn), b"1")
    assert memory.run(arn) is Ending.DONE
    assert memory.result(arn) == "SUCCEEDED"


def test_a_callback_answered_while_the_handler_runs_is_seen_in_its_next_checkpoint(
    memory: EmulatorRig,
) -> None:
    async def workflow(run: Invoked) -> Outcome:
        callback = await run.callback("cb")
        assert callback.callback_details is not None
        assert callback.callback_details.callback_id is not None
        memory.emulator.callback_success(callback.callback_details.callback_id, b'"fast"')
        await run.send()
        return succeeded(run.status("cb"))

    memory.add("f", workflow)
    arn = memory.start()
    assert memory.run(arn) is Ending.DONE
    assert memory.result(arn) == "SUCCEEDED"
    assert memory.history(arn).count("InvocationCompleted") == 1


def test_due_timers_fire_before_a_late_answer(memory: EmulatorRig) -> None:
    async def workflow(run: Invoked) -> Outcome:
        await run.callback("cb", timeout_seconds=10)
        return PENDING

    memory.add("f", workflow)
    arn = memory.start()
    memory.driver.run_until(lambda: False, wait=False)
    memory.clock.advance(11_000)
    with pytest.raises(ServiceError) as refused:
        memory.emulator.callback_success(memory.callback_id(arn), b"1")
    assert refused.value.code == "CallbackTimeoutException"
    assert "CallbackTimedOut" in memory.history(arn)


@pytest.mark.parametrize("callback_id", ["nonsense", "WyJhIiwiYiJd"])
def test_an_unknown_callback_is_not_found(memory: EmulatorRig, callback_id: str) -> None:
    with pytest.raises(ServiceError) as refused:
        memory.emulator.callback_heartbeat(callback_id)
    assert refused.value.status == 404


def test_an_answer_that_is_not_text_is_refused(memory: EmulatorRig) -> None:
    with pytest.raises(ServiceError, match="UTF-8"):
        memory.emulator.callback_success("WyJhIiwiYiJd", b"\xff")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ErrorObject(error_type="Late", error_message="too late"), " (Late: too late)."),
        (ErrorObject(error_message="m" * 600), f" ({'m' * 500}...)."),
        (ErrorObject(error_type="Late"), " (Late)."),
    ],
)
def test_a_late_answer_is_refused_with_the_error_of_the_execution(
    memory: EmulatorRig, error: ErrorObject, message: str
) -> None:
    memory.add("f", calls_back)
    arn = memory.start()
    memory.run(arn)
    memory.emulator.stop(arn, error)
    with pytest.raises(ServiceError) as refused:
        memory.emulator.callback_success(memory.callback_id(arn), b"1")
    assert str(refused.value).endswith(f"is closed: its execution is STOPPED{message}")

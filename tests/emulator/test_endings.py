"""Ends of executions and of their invocations."""

from __future__ import annotations

from typing import Any

import pytest
from tests.emulator.emulator_rig import (
    PENDING,
    EmulatorRig,
    Invoked,
    bound,
    calls_back,
    returns,
    succeeded,
    waits,
)

from durable_execution_sdk.emulator.driver import Ending
from durable_execution_sdk.emulator.functions.invokers import Handler
from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.ports import DataPlane
from durable_execution_sdk.protocol.control_plane import HistoryRequest, PauseRequest, ResumeRequest
from durable_execution_sdk.protocol.data_plane import Outcome
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.limits import MAX_RESPONSE_BYTES


def test_an_execution_times_out(rig: EmulatorRig) -> None:
    rig.add("f", calls_back, execution_timeout=100)
    began = rig.clock.now()
    arn = rig.start()
    assert rig.run(arn) is Ending.DONE
    assert rig.status(arn) == "TIMED_OUT"
    assert 100_000 <= rig.clock.now() - began < 100_100


def test_a_stopped_execution_is_not_invoked_again(rig: EmulatorRig) -> None:
    rig.add("f", waits)
    arn = rig.start()
    rig.driver.run_until(lambda: False, wait=False)
    ended_at = rig.emulator.stop(arn, ErrorObject(error_type="Enough"))
    assert rig.emulator.describe(arn).end_timestamp == ended_at
    assert rig.emulator.stop(arn) == ended_at
    rig.driver.run_until(lambda: False)
    assert rig.history(arn)[-1] == "ExecutionStopped"


def test_a_handler_that_is_running_when_it_is_stopped_may_not_checkpoint(
    memory: EmulatorRig,
) -> None:
    codes: list[str | None] = []

    async def workflow(run: Invoked) -> Outcome:
        memory.emulator.stop(run.arn)
        try:
            await run.step("s", lambda: 1)
        except ServiceError as error:
            assert error.is_stale_token
            codes.append(error.code)
        return PENDING

    memory.add("f", workflow)
    arn = memory.start()
    assert memory.run(arn) is Ending.DONE
    assert memory.status(arn) == "STOPPED"
    assert codes == ["InvalidParameterValueException"]


def test_a_paused_execution_waits_on_but_is_not_invoked_until_it_is_resumed(
    rig: EmulatorRig,
) -> None:
    rig.add("f", waits)
    arn = rig.start()
    rig.driver.run_until(lambda: False, wait=False)
    rig.emulator.pause(arn, PauseRequest(reason="lunch"))
    assert rig.status(arn) == "PAUSED"
    assert rig.run(arn) is Ending.IDLE
    assert "WaitSucceeded" in rig.history(arn)
    assert rig.history(arn).count("InvocationCompleted") == 1
    rig.emulator.resume(arn, ResumeRequest())
    assert rig.run(arn) is Ending.DONE
    assert rig.result(arn) == "waited"


def test_a_deleted_execution_is_gone_and_its_name_is_free(rig: EmulatorRig) -> None:
    rig.add("f", waits)
    arn = rig.start(durable_execution_name="once")
    with pytest.raises(ServiceError) as refused:
        rig.emulator.delete(arn)
    assert refused.value.code == "ResourceConflictException"
    rig.run(arn)
    assert rig.emulator.delete(arn) > 0
    with pytest.raises(ServiceError) as missing:
        rig.emulator.describe(arn)
    assert missing.value.status == 404
    assert rig.emulator.find_name("once") is None
    assert rig.emulator.is_closed(arn)
    second_arn = rig.start(durable_execution_name="once", payload="other")
    assert second_arn != arn
    assert rig.emulator.find_name("once") == second_arn


def test_an_invocation_that_raises_is_tried_again_after_a_delay(rig: EmulatorRig) -> None:
    tried: list[int] = []

    async def workflow(run: Invoked) -> Outcome:
        tried.append(rig.clock.now())
        if len(tried) < 3:
            raise ConnectionError("no network")
        return succeeded("at last")

    rig.add("f", workflow)
    arn = rig.start()
    assert rig.run(arn) is Ending.DONE
    assert rig.result(arn) == "at last"
    assert tried[2] - tried[1] > tried[1] - tried[0] > 0
    page = rig.emulator.history(HistoryRequest(durable_execution_arn=arn))
    details = page.events[1].invocation_completed_details
    assert details is not None and details.error is not None and details.error.payload is not None
    assert details.error.payload.error_type == "ConnectionError"


@pytest.mark.parametrize("answer", ["junk", {"Status": "MAYBE"}, None, {"Status": 7}, [1]])
def test_an_answer_that_is_no_outcome_fails_the_execution(
    memory: EmulatorRig, answer: object
) -> None:
    memory.functions.add_durable("f", lambda _: returns(answer))
    arn = memory.start()
    assert memory.run(arn) is Ending.DONE
    assert memory.status(arn) == "FAILED"
    error = memory.emulator.describe(arn).error
    assert error is not None and error.error_type == "InvalidParameterValueException"


def test_an_invocation_that_takes_too_long_is_cut_off_and_tried_again(memory: EmulatorRig) -> None:
    remaining: list[int] = []

    async def workflow(run: Invoked) -> Outcome:
        remaining.append(run.context.get_remaining_time_in_millis())
        if len(remaining) == 1:
            memory.clock.advance(3_001)
        return succeeded("in time")

    memory.add("f", workflow, timeout=3)
    arn = memory.start()
    assert memory.run(arn) is Ending.DONE
    assert memory.result(arn) == "in time"
    assert remaining == [3_000, 3_000]
    page = memory.emulator.history(HistoryRequest(durable_execution_arn=arn))
    details = page.events[1].invocation_completed_details
    assert details is not None and details.error is not None and details.error.payload is not None
    assert details.error.payload.error_type == "Sandbox.Timedout"


def test_an_answer_that_is_larger_than_lambda_takes_is_a_failed_invocation(
    memory: EmulatorRig,
) -> None:
    answers = ["x" * MAX_RESPONSE_BYTES, "small"]

    async def workflow(run: Invoked) -> Outcome:
        return succeeded(answers.pop(0))

    memory.add("f", workflow)
    arn = memory.start()
    assert memory.run(arn) is Ending.DONE
    assert memory.result(arn) == "small"


def test_an_interrupted_invocation_is_seen_as_failed_and_made_again(rig: EmulatorRig) -> None:
    interrupts = [KeyboardInterrupt()]

    async def workflow(run: Invoked) -> Outcome:
        await run.step("before", lambda: 1)
        return succeeded("resumed")

    def bind(plane: DataPlane) -> Handler:
        handler = bound(workflow)(plane)

        def interrupted(event: Any, context: Any) -> Any:
            answer = handler(event, context)
            if interrupts:
                raise interrupts.pop()
            return answer

        return interrupted

    rig.functions.add_durable("f", bind)
    arn = rig.start()
    with pytest.raises(KeyboardInterrupt):
        rig.run(arn)
    assert rig.status(arn) == "RUNNING"
    assert rig.run(arn) is Ending.DONE
    assert rig.result(arn) == "resumed"
    page = rig.emulator.history(HistoryRequest(durable_execution_arn=arn))
    errors = [
        event.invocation_completed_details.error
        for event in page.events
        if event.invocation_completed_details is not None
    ]
    assert errors[0] is not None and errors[0].payload is not None
    assert errors[0].payload.error_type == "Runtime.ExitError"
    assert errors[1] is None

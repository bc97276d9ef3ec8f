"""Ends of executions and of their invocations."""

from __future__ import annotations

from typing import Any

import pytest
from tests.emulator.world import (
    PENDING,
    Invoked,
    World,
    bound,
    calls_back,
    returns,
    succeeded,
    waits,
)

from durable_execution_sdk.emulator.caller import RESPONSE_BYTES
from durable_execution_sdk.emulator.driver import Ending
from durable_execution_sdk.emulator.invokers import Handler
from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.model.control import HistoryRequest, PauseRequest, ResumeRequest
from durable_execution_sdk.model.failure import ErrorObject
from durable_execution_sdk.model.invocation import Outcome
from durable_execution_sdk.service import DataPlane


def test_an_execution_times_out(world: World) -> None:
    world.add("f", calls_back, execution_timeout=100)
    began = world.clock.now()
    arn = world.start()
    assert world.run(arn) is Ending.DONE
    assert world.status(arn) == "TIMED_OUT"
    assert 100_000 <= world.clock.now() - began < 100_100


def test_a_stopped_execution_is_not_invoked_again(world: World) -> None:
    world.add("f", waits)
    arn = world.start()
    world.driver.run_until(lambda: False, wait=False)
    ended_at = world.emulator.stop(arn, ErrorObject(error_type="Enough"))
    assert world.emulator.describe(arn).end_timestamp == ended_at
    assert world.emulator.stop(arn) == ended_at
    world.driver.run_until(lambda: False)
    assert world.history(arn)[-1] == "ExecutionStopped"


def test_a_handler_that_is_running_when_it_is_stopped_may_not_checkpoint(memory: World) -> None:
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


def test_a_paused_execution_waits_on_but_is_not_invoked_until_it_is_resumed(world: World) -> None:
    world.add("f", waits)
    arn = world.start()
    world.driver.run_until(lambda: False, wait=False)
    world.emulator.pause(arn, PauseRequest(reason="lunch"))
    assert world.status(arn) == "PAUSED"
    assert world.run(arn) is Ending.IDLE
    assert "WaitSucceeded" in world.history(arn)
    assert world.history(arn).count("InvocationCompleted") == 1
    world.emulator.resume(arn, ResumeRequest())
    assert world.run(arn) is Ending.DONE
    assert world.result(arn) == "waited"


def test_a_deleted_execution_is_gone_and_its_name_is_free(world: World) -> None:
    world.add("f", waits)
    arn = world.start(durable_execution_name="once")
    with pytest.raises(ServiceError) as refused:
        world.emulator.delete(arn)
    assert refused.value.code == "ResourceConflictException"
    world.run(arn)
    assert world.emulator.delete(arn) > 0
    with pytest.raises(ServiceError) as missing:
        world.emulator.describe(arn)
    assert missing.value.status == 404
    assert world.emulator.find_name("once") is None
    assert world.emulator.is_closed(arn)
    second_arn = world.start(durable_execution_name="once", payload="other")
    assert second_arn != arn
    assert world.emulator.find_name("once") == second_arn


def test_an_invocation_that_raises_is_tried_again_after_a_delay(world: World) -> None:
    tried: list[int] = []

    async def workflow(run: Invoked) -> Outcome:
        tried.append(world.clock.now())
        if len(tried) < 3:
            raise ConnectionError("no network")
        return succeeded("at last")

    world.add("f", workflow)
    arn = world.start()
    assert world.run(arn) is Ending.DONE
    assert world.result(arn) == "at last"
    assert tried[2] - tried[1] > tried[1] - tried[0] > 0
    page = world.emulator.history(HistoryRequest(durable_execution_arn=arn))
    details = page.events[1].invocation_completed_details
    assert details is not None and details.error is not None and details.error.payload is not None
    assert details.error.payload.error_type == "ConnectionError"


@pytest.mark.parametrize("answer", ["junk", {"Status": "MAYBE"}, None, {"Status": 7}, [1]])
def test_an_answer_that_is_no_outcome_fails_the_execution(memory: World, answer: object) -> None:
    memory.functions.add_durable("f", lambda _: returns(answer))
    arn = memory.start()
    assert memory.run(arn) is Ending.DONE
    assert memory.status(arn) == "FAILED"
    error = memory.emulator.describe(arn).error
    assert error is not None and error.error_type == "InvalidParameterValueException"


def test_an_invocation_that_takes_too_long_is_cut_off_and_tried_again(memory: World) -> None:
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


def test_an_answer_that_is_larger_than_lambda_takes_is_a_failed_invocation(memory: World) -> None:
    answers = ["x" * RESPONSE_BYTES, "small"]

    async def workflow(run: Invoked) -> Outcome:
        return succeeded(answers.pop(0))

    memory.add("f", workflow)
    arn = memory.start()
    assert memory.run(arn) is Ending.DONE
    assert memory.result(arn) == "small"


def test_an_interrupted_invocation_is_seen_as_failed_and_made_again(world: World) -> None:
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

    world.functions.add_durable("f", bind)
    arn = world.start()
    with pytest.raises(KeyboardInterrupt):
        world.run(arn)
    assert world.status(arn) == "RUNNING"
    assert world.run(arn) is Ending.DONE
    assert world.result(arn) == "resumed"
    page = world.emulator.history(HistoryRequest(durable_execution_arn=arn))
    errors = [
        event.invocation_completed_details.error
        for event in page.events
        if event.invocation_completed_details is not None
    ]
    assert errors[0] is not None and errors[0].payload is not None
    assert errors[0].payload.error_type == "Runtime.ExitError"
    assert errors[1] is None

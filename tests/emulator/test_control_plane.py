"""The control plane over an emulator."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from tests.emulator.emulator_rig import (
    EmulatorRig,
    Invoked,
    calls_back,
    waits,
)

from durable_execution_sdk.emulator.control_plane import EmulatorControlPlane, invoke
from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.protocol.control_plane import (
    HistoryRequest,
    InvocationType,
    InvokeRequest,
    ListRequest,
    PauseRequest,
    ResumeRequest,
)
from durable_execution_sdk.protocol.data_plane import Outcome, OutcomeStatus
from durable_execution_sdk.protocol.error_object import ErrorObject


def request(name: str, payload: object = None, **members: Any) -> InvokeRequest:
    return InvokeRequest(function_name=name, payload=json.dumps(payload).encode(), **members)


def test_a_synchronous_invoke_waits_for_the_result(memory: EmulatorRig) -> None:
    memory.add("f", waits)
    response = invoke(memory.driver, request("f:$LATEST"))
    assert (response.status_code, response.payload) == (200, b'"waited"')
    assert (response.function_error, response.executed_version) == (None, "$LATEST")
    assert response.durable_execution_arn is not None
    assert memory.status(response.durable_execution_arn) == "SUCCEEDED"


def test_a_synchronous_invoke_returns_the_error_of_a_failure(memory: EmulatorRig) -> None:
    async def fails(_: Invoked) -> Outcome:
        error = ErrorObject(error_type="Declined", error_message="no", error_data="d")
        return Outcome(status=OutcomeStatus.FAILED, error=error)

    memory.add("f", fails)
    response = invoke(memory.driver, request("f:$LATEST"))
    assert (response.status_code, response.function_error) == (200, "Unhandled")
    assert json.loads(response.payload) == {
        "errorType": "Declined",
        "errorMessage": "no",
        "errorData": "d",
    }


def test_a_synchronous_invoke_gives_up_after_a_quarter_of_an_hour(memory: EmulatorRig) -> None:
    memory.add("f", calls_back)
    response = invoke(memory.driver, request("f:$LATEST"))
    assert response.function_error == "Unhandled"
    assert json.loads(response.payload)["errorType"] == "Sandbox.Timedout"
    assert response.durable_execution_arn is not None
    assert memory.status(response.durable_execution_arn) == "RUNNING"


def test_an_event_invoke_returns_at_once(memory: EmulatorRig) -> None:
    memory.add("f", waits)
    response = invoke(memory.driver, request("f:$LATEST", invocation_type=InvocationType.EVENT))
    assert (response.status_code, response.payload) == (202, b"")
    assert response.durable_execution_arn is not None
    assert memory.history(response.durable_execution_arn) == ["ExecutionStarted"]


def test_a_dry_run_only_checks_that_the_function_is_there(memory: EmulatorRig) -> None:
    memory.add("f", waits)
    dry = request("f:$LATEST", invocation_type=InvocationType.DRY_RUN)
    assert invoke(memory.driver, dry).status_code == 204
    with pytest.raises(ServiceError):
        invoke(memory.driver, request("g", invocation_type=InvocationType.DRY_RUN))


def test_a_plain_function_is_simply_called(memory: EmulatorRig) -> None:
    calls: list[Any] = []

    def plain(event: Any, _: Any) -> Any:
        calls.append(event)
        return event["n"]

    memory.functions.add_plain("plain", plain)
    response = invoke(memory.driver, request("plain", {"n": 1}))
    assert (response.status_code, response.payload) == (200, b"1")
    assert response.durable_execution_arn is None
    failed = invoke(memory.driver, request("plain", {}))
    assert failed.function_error == "Unhandled"
    assert json.loads(failed.payload)["errorType"] == "KeyError"
    event = request("plain", {"n": 3}, invocation_type=InvocationType.EVENT)
    assert invoke(memory.driver, event).status_code == 202
    assert calls == [{"n": 1}, {}]
    memory.driver.run_until(lambda: False)
    assert calls == [{"n": 1}, {}, {"n": 3}]
    with pytest.raises(ServiceError, match="takes no"):
        invoke(memory.driver, request("plain", durable_execution_name="x"))


def test_the_control_plane_speaks_wire_json(memory: EmulatorRig) -> None:
    memory.add("f", calls_back)
    control = EmulatorControlPlane(memory.driver)

    async def use() -> None:
        started = await control.invoke(
            request("f:$LATEST", {"a": 1}, invocation_type=InvocationType.EVENT)
        )
        arn = started.durable_execution_arn
        assert arn is not None
        await asyncio.to_thread(memory.driver.run_until, lambda: False)
        await control.callback_heartbeat(memory.callback_id(arn))
        await control.pause(arn, PauseRequest(reason="r"))
        assert (await control.describe(arn)).status == "PAUSED"
        await control.resume(arn, ResumeRequest())
        await control.callback_success(memory.callback_id(arn), b"x")
        response = await control.invoke(
            request("f:$LATEST", {"a": 1}, durable_execution_name=arn.split("/")[-2])
        )
        assert (response.payload, response.durable_execution_arn) == (b'"x"', arn)
        description = await control.describe(arn)
        assert isinstance(description.start_timestamp, int)
        assert description.input_payload == '{"a": 1}'
        page = await control.history(HistoryRequest(durable_execution_arn=arn))
        assert page.events[0].event_timestamp == description.start_timestamp
        listed = await control.list_executions(ListRequest(function_name="f"))
        assert [execution.durable_execution_arn for execution in listed.durable_executions] == [arn]
        assert await control.stop(arn, ErrorObject(error_type="x")) == description.end_timestamp
        assert await control.delete(arn) > 0
        other = await control.invoke(
            request("f:$LATEST", {"a": 2}, invocation_type=InvocationType.EVENT)
        )
        assert other.durable_execution_arn is not None
        await asyncio.to_thread(memory.driver.run_until, lambda: False)
        await control.callback_failure(memory.callback_id(other.durable_execution_arn))
        await asyncio.to_thread(memory.driver.run_until, lambda: False)
        failed = await control.describe(other.durable_execution_arn)
        assert failed.status == "FAILED"

    asyncio.run(use())

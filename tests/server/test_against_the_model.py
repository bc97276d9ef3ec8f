"""Every response fits the service's own model: no member is missing or unknown."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from msgspec.structs import replace
from tests.aws.shapes import operation, violations
from tests.server.house import House, callback, execution

from durable_execution_sdk.emulator.caller import Seams
from durable_execution_sdk.emulator.driver import Driver
from durable_execution_sdk.model import wire
from durable_execution_sdk.model.api import (
    CheckpointRequest,
    CheckpointResponse,
    StatePage,
    StateRequest,
)
from durable_execution_sdk.service import DataPlane


@pytest.fixture(scope="module")
def busy() -> tuple[House, str]:
    """Make an emulator whose executions have every kind of event."""
    house = House()
    return house, house.run({"do": "everything"}, "busy")


def assert_modelled(name: str, body: Any) -> Any:
    assert violations(operation(name).output_shape, body) == []
    return body


@pytest.mark.parametrize("data", ["true", "false"])
def test_the_history_of_everything(busy: tuple[House, str], data: str) -> None:
    house, arn = busy
    query = {"MaxItems": "1000", "IncludeExecutionData": data}
    page = house.call("GET", execution(arn, "/history"), params=query).json()
    events = assert_modelled("GetDurableExecutionHistory", page)["Events"]
    assert len({event["EventType"] for event in events}) >= 14


@pytest.mark.parametrize("event", ["everything", "fail", "ask"])
def test_descriptions(house: House, event: str) -> None:
    arn = house.begin({"do": event})
    assert_modelled("GetDurableExecution", house.call("GET", execution(arn)).json())


def test_a_paused_execution(house: House) -> None:
    arn = house.begin({"do": "ask"})
    house.call("POST", execution(arn, "/pause"), json={"Reason": "lunch"})
    assert_modelled("GetDurableExecution", house.call("GET", execution(arn)).json())
    page = house.call("GET", execution(arn, "/history")).json()
    assert_modelled("GetDurableExecutionHistory", page)


def test_lists(busy: tuple[House, str]) -> None:
    house, _ = busy
    house.begin({"do": "ask"}, "asking")
    for query in ({}, {"MaxItems": "1"}, {"DurableExecutionName": "nobody"}):
        page = house.call(
            "GET", "/2025-12-01/functions/workflow/durable-executions", params=query
        ).json()
        assert_modelled("ListDurableExecutionsByFunction", page)


def test_checkpoints_and_states_while_everything_runs(house: House) -> None:
    answers: list[tuple[str, bytes]] = []

    class Overheard:
        """Encodes the responses to the handler as the server does."""

        def __init__(self, plane: DataPlane) -> None:
            self._plane = plane

        async def checkpoint(self, request: CheckpointRequest) -> CheckpointResponse:
            response = await self._plane.checkpoint(request)
            token = response.checkpoint_token
            assert token is not None
            body = {"CheckpointToken": token}
            state = await asyncio.to_thread(
                house.call, "GET", execution(request.durable_execution_arn, "/state"), params=body
            )
            answers.append(("GetDurableExecutionState", state.content))
            answer = await asyncio.to_thread(
                house.call,
                "POST",
                execution(request.durable_execution_arn, "/checkpoint"),
                content=wire.encode_checkpoint(
                    replace(request, checkpoint_token=token, updates=[])
                ),
            )
            answers.append(("CheckpointDurableExecution", answer.content))
            fresh = wire.decode_checkpoint_response(answer.content)
            return replace(response, checkpoint_token=fresh.checkpoint_token)

        async def get_state(self, request: StateRequest) -> StatePage:
            return await self._plane.get_state(request)

        def now(self) -> int:
            return self._plane.now()

    house.driver = Driver(house.emulator, seams=Seams(data_plane=Overheard))
    arn = house.run({"do": "everything"})
    assert house.emulator.describe(arn).status == "SUCCEEDED"
    assert len(answers) > 10
    for name, body in answers:
        assert_modelled(name, json.loads(body))


def test_the_small_answers(house: House) -> None:
    arn = house.begin({"do": "ask"})
    callback_id = house.callback_id(arn)
    calls = {
        "SendDurableExecutionCallbackHeartbeat": ("POST", callback(callback_id, "heartbeat")),
        "PauseDurableExecution": ("POST", execution(arn, "/pause")),
        "ResumeDurableExecution": ("POST", execution(arn, "/resume")),
        "SendDurableExecutionCallbackSuccess": ("POST", callback(callback_id, "succeed")),
        "StopDurableExecution": ("POST", execution(arn, "/stop")),
        "DeleteDurableExecution": ("DELETE", execution(arn)),
    }
    for name, (method, path) in calls.items():
        answer = house.call(method, path)
        assert answer.status_code == operation(name).http["responseCode"]
        assert_modelled(name, answer.json())

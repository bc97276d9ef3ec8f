"""Every response fits the service's own model: no member is missing or unknown."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from msgspec.structs import replace
from tests.aws.shapes import operation, violations
from tests.server.server_rig import ServerRig, callback, execution

from durable_execution_sdk.emulator.driver import Driver
from durable_execution_sdk.emulator.function_caller import Wrappers
from durable_execution_sdk.ports import DataPlane
from durable_execution_sdk.protocol import codec
from durable_execution_sdk.protocol.data_plane import (
    CheckpointRequest,
    CheckpointResponse,
    StatePage,
    StateRequest,
)


@pytest.fixture(scope="module")
def busy() -> tuple[ServerRig, str]:
    """Make an emulator whose executions have every kind of event."""
    server_rig = ServerRig()
    return server_rig, server_rig.run({"do": "everything"}, "busy")


def assert_modelled(name: str, body: Any) -> Any:
    assert violations(operation(name).output_shape, body) == []
    return body


@pytest.mark.parametrize("data", ["true", "false"])
def test_the_history_of_everything(busy: tuple[ServerRig, str], data: str) -> None:
    server_rig, arn = busy
    query = {"MaxItems": "1000", "IncludeExecutionData": data}
    page = server_rig.call("GET", execution(arn, "/history"), params=query).json()
    events = assert_modelled("GetDurableExecutionHistory", page)["Events"]
    assert len({event["EventType"] for event in events}) >= 14


@pytest.mark.parametrize("event", ["everything", "fail", "ask"])
def test_descriptions(server_rig: ServerRig, event: str) -> None:
    arn = server_rig.begin({"do": event})
    assert_modelled("GetDurableExecution", server_rig.call("GET", execution(arn)).json())


def test_a_paused_execution(server_rig: ServerRig) -> None:
    arn = server_rig.begin({"do": "ask"})
    server_rig.call("POST", execution(arn, "/pause"), json={"Reason": "lunch"})
    assert_modelled("GetDurableExecution", server_rig.call("GET", execution(arn)).json())
    page = server_rig.call("GET", execution(arn, "/history")).json()
    assert_modelled("GetDurableExecutionHistory", page)


def test_lists(busy: tuple[ServerRig, str]) -> None:
    server_rig, _ = busy
    server_rig.begin({"do": "ask"}, "asking")
    for query in ({}, {"MaxItems": "1"}, {"DurableExecutionName": "nobody"}):
        page = server_rig.call(
            "GET", "/2025-12-01/functions/workflow/durable-executions", params=query
        ).json()
        assert_modelled("ListDurableExecutionsByFunction", page)


@pytest.mark.parametrize(
    ("name", "path", "query"),
    [
        ("GetFunction", "/workflow", {}),
        ("GetFunction", "/greet", {"Qualifier": "$LATEST"}),
        ("ListFunctions", "", {"MaxItems": "2"}),
        ("ListFunctions", "", {"FunctionVersion": "ALL"}),
        ("ListVersionsByFunction", "/workflow/versions", {}),
        ("ListAliases", "/workflow/aliases", {"FunctionVersion": "$LATEST"}),
    ],
)
def test_functions(server_rig: ServerRig, name: str, path: str, query: dict[str, str]) -> None:
    answer = server_rig.call("GET", f"/2015-03-31/functions{path}", params=query)
    assert answer.status_code == 200
    assert assert_modelled(name, answer.json())


def test_checkpoints_and_states_while_everything_runs(server_rig: ServerRig) -> None:
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
                server_rig.call,
                "GET",
                execution(request.durable_execution_arn, "/state"),
                params=body,
            )
            answers.append(("GetDurableExecutionState", state.content))
            answer = await asyncio.to_thread(
                server_rig.call,
                "POST",
                execution(request.durable_execution_arn, "/checkpoint"),
                content=codec.encode_checkpoint(
                    replace(request, checkpoint_token=token, updates=[])
                ),
            )
            answers.append(("CheckpointDurableExecution", answer.content))
            fresh = codec.decode_checkpoint_response(answer.content)
            return replace(response, checkpoint_token=fresh.checkpoint_token)

        async def get_state(self, request: StateRequest) -> StatePage:
            return await self._plane.get_state(request)

        def now(self) -> int:
            return self._plane.now()

    server_rig.driver = Driver(server_rig.emulator, wrappers=Wrappers(data_plane=Overheard))
    arn = server_rig.run({"do": "everything"})
    assert server_rig.emulator.describe(arn).status == "SUCCEEDED"
    assert len(answers) > 10
    for name, body in answers:
        assert_modelled(name, json.loads(body))


def test_the_small_answers(server_rig: ServerRig) -> None:
    arn = server_rig.begin({"do": "ask"})
    callback_id = server_rig.callback_id(arn)
    calls = {
        "SendDurableExecutionCallbackHeartbeat": ("POST", callback(callback_id, "heartbeat")),
        "PauseDurableExecution": ("POST", execution(arn, "/pause")),
        "ResumeDurableExecution": ("POST", execution(arn, "/resume")),
        "SendDurableExecutionCallbackSuccess": ("POST", callback(callback_id, "succeed")),
        "StopDurableExecution": ("POST", execution(arn, "/stop")),
        "DeleteDurableExecution": ("DELETE", execution(arn)),
    }
    for name, (method, path) in calls.items():
        answer = server_rig.call(method, path)
        assert answer.status_code == operation(name).http["responseCode"]
        assert_modelled(name, answer.json())

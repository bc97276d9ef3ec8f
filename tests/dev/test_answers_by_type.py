"""Answers are checked by the type that a callback's code waits for, which its process tells the server."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import botocore.config
import botocore.session
import pytest
from tests.dev.dev_server_rig import execution
from tests.dev.session_rig import SessionClient, declared, session_of

from durable_execution_sdk.cli.main import main

pytestmark = pytest.mark.dev

APP = """
from dataclasses import dataclass

import pydantic

from durable_execution_sdk import (
    CallbackConfig, DurableContext, PassThroughSerDes, WaitForCallbackConfig, durable_execution
)

@dataclass
class Decision:
    approved: bool
    comment: str | None = None

class Guest(pydantic.BaseModel):
    name: str = pydantic.Field(min_length=2)

@durable_execution
async def order(event, ctx: DurableContext):
    config = WaitForCallbackConfig(result_type=Decision)
    return repr(await ctx.wait_for_callback(lambda callback_id: None, name="approval", config=config))

@durable_execution
async def visit(event, ctx: DurableContext):
    config = CallbackConfig(result_type=Guest)
    return (await (await ctx.create_callback(name="guest", config=config))).name

@durable_execution
async def free(event, ctx: DurableContext):
    config = CallbackConfig(serdes=PassThroughSerDes())
    return await (await ctx.create_callback(name="any", config=config))

class Broken(pydantic.BaseModel):
    name: str

    @classmethod
    def __get_pydantic_json_schema__(cls, core, handler):
        raise RuntimeError("no schema")

@durable_execution
async def broken(event, ctx: DurableContext):
    config = CallbackConfig(result_type=Broken)
    return (await (await ctx.create_callback(name="any", config=config))).name
"""
NAMES = ["order", "visit", "free", "broken"]


@pytest.fixture
def client(tmp_path: Path) -> Iterator[SessionClient]:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "app.py").write_text(APP)
    with session_of(tmp_path / "x.db", declared(tmp_path / "code", NAMES)) as client:
        yield client


def asking(client: SessionClient, function: str, name: str) -> str:
    """Start an execution, and return the path of its callback once the server knows its code."""
    client.start(function, name)
    [waiting] = client.until_waiting(name)["waiting"]
    seen: dict[str, Any] = {}

    def is_placed(message: dict[str, Any]) -> bool:
        seen.update({each["operation_id"]: each for each in message["data"].get("places", ())})
        return function == "free" or seen.get(waiting["id"], {}).get("awaited_type") is not None

    client.until(execution(name, "/events"), is_placed)
    return f"/_durable/callbacks/{quote(waiting['callback_id'], safe='')}"


def refused(client: SessionClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    status, answer = client.posted(path, json.dumps(body).encode())
    assert status == 400, answer
    document: dict[str, Any] = json.loads(answer)
    return document


def result(client: SessionClient, name: str) -> Any:
    client.until_ended(name)
    return json.loads(client.get(execution(name, "/payload"), kind="result")["payload"])


PAGE = (Path(__file__).parents[2] / "docs" / "dev-api.md").read_text("utf-8")


def test_an_answer_that_does_not_fit_is_refused_with_its_places(client: SessionClient) -> None:
    path = asking(client, "order", "a")
    document = client.get(path)
    assert document["awaited_type"] == "Decision"
    assert document["schema"]["$defs"]["Decision"]["required"] == ["approved"]
    (line,) = re.findall(r"^\| callback's type \| (.*) \|$", PAGE, re.MULTILINE)
    assert list(document) == re.findall(r"`(\w+)`", line)
    answer = refused(client, f"{path}/succeed", {"result": '{"approved": "yes", "comment": 3}'})
    assert answer == {
        "Type": "User",
        "message": "The code that waits for the callback reads Decision, and this does not fit:"
        ' $.approved: expected true or false, not "yes"; $.comment: expected text or null, not 3.',
        "mistakes": [
            {"path": ["approved"], "message": 'expected true or false, not "yes"'},
            {"path": ["comment"], "message": "expected text or null, not 3"},
        ],
    }
    assert "Decision" in refused(client, f"{path}/succeed", {})["message"]
    assert client.get(execution("a"))["execution"]["activity"] == "asking"
    client.post(f"{path}/succeed", {"result": '{"approved": true}'})
    assert result(client, "a") == "Decision(approved=True, comment=None)"
    again = refused(client, f"{path}/succeed", {"result": '{"approved": true}'})
    assert "mistakes" not in again


def test_an_answer_that_does_not_fit_is_sent_anyway(client: SessionClient) -> None:
    path = asking(client, "visit", "a")
    answer = refused(client, f"{path}/succeed", {"result": '{"name": "x"}'})
    assert answer["mistakes"][0]["path"] == ["name"]
    client.post(f"{path}/succeed", {"result": '{"name": "x"}', "anyway": True})
    client.until_ended("a")
    error = client.get(execution("a"))["execution"]
    assert error["status"] == "FAILED"


@pytest.mark.parametrize("function", ["free", "broken"])
def test_a_callback_without_a_schema_takes_any_answer(client: SessionClient, function: str) -> None:
    path = asking(client, function, "a")
    assert client.get(path)["schema"] is None
    client.post(f"{path}/succeed", {"result": '{"name": "yes"}'})
    assert "yes" in result(client, "a")


def test_the_service_api_takes_any_answer(client: SessionClient) -> None:
    path = asking(client, "order", "a")
    api = botocore.session.Session().create_client(
        "lambda",
        region_name="us-east-1",
        endpoint_url=client.server.url,
        aws_access_key_id="a",
        aws_secret_access_key="b",
        config=botocore.config.Config(retries={"total_max_attempts": 1}),
    )
    try:
        api.send_durable_execution_callback_success(
            CallbackId=client.get(path)["callback_id"], Result=b'"no decision"'
        )
    finally:
        api.close()
    client.until_ended("a")
    assert client.get(execution("a"))["execution"]["status"] == "FAILED"


def test_the_command_refuses_what_does_not_fit(
    client: SessionClient, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    asking(client, "visit", "a")
    assert main(["callback", "list", "--store", str(tmp_path / "x.db")]) == 0
    assert capfd.readouterr().out.splitlines()[2:] == ['  answer: {"name": string}']
    words = ["callback", "succeed", "a/guest", "--store", str(tmp_path / "x.db")]
    assert main([*words, "--data", '{"name": ""}']) == 2
    told = " ".join(capfd.readouterr().err.split())
    assert '$.name: expected at least 2 characters, not "".' in told
    assert "--anyway" in told
    assert main([*words, "--data", '{"name": ""}', "--anyway"]) == 0
    client.until_ended("a")


def test_the_command_refuses_a_misspelt_name_that_the_code_would_leave_out(
    client: SessionClient, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = asking(client, "order", "a")
    words = ["callback", "succeed", "a/approval", "--store", str(tmp_path / "x.db")]
    answer = '{"approved": true, "coment": "no"}'
    assert main([*words, "--data", answer]) == 2
    told = " ".join(capfd.readouterr().err.split())
    assert '$.coment: it is not known; "comment" may be meant' in told
    client.post(f"{path}/succeed", {"result": answer})  # programs may send more
    assert result(client, "a") == "Decision(approved=True, comment=None)"


def test_a_fork_takes_no_answer_that_does_not_fit(
    client: SessionClient, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    operation_id = client.get(asking(client, "visit", "a"))["operation_id"]
    fork = {"results": {operation_id: '{"name": 1}'}}
    answer = refused(client, execution("a", "/fork"), fork)
    assert answer["mistakes"] == [{"path": ["name"], "message": "expected text, not 1"}]
    client.post(execution("a", "/fork"), {"results": {operation_id: '{"name": "xy"}'}, "name": "b"})
    assert result(client, "b") == "xy"
    words = ["fork", "a", "--store", str(tmp_path / "x.db"), "--result", 'guest={"name": 1}']
    assert main(words) == 2
    assert "$.name: expected text, not 1" in " ".join(capfd.readouterr().err.split())
    assert main([*words, "--as", "c", "--anyway"]) == 0
    client.until_ended("c")
    assert client.get(execution("c"))["execution"]["status"] == "FAILED"

"""Messages from the page and from commands beside a server, which knows the type of an inbox."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.dev.dev_server_rig import execution
from tests.dev.session_rig import SessionClient, declared, session_of

from durable_execution_sdk.cli.main import main

pytestmark = pytest.mark.dev

APP = """
from dataclasses import dataclass

from durable_execution_sdk import DurableContext, durable_execution

@dataclass
class Ticket:
    id: int
    text: str | None = None

@durable_execution
async def desk(event, ctx: DurableContext):
    inbox, seen = ctx.inbox("tickets", Ticket, window=2), []
    async for ticket in inbox:
        seen.append(ticket.id)
        if ticket.id == 0:
            return seen

@durable_execution
async def free(event, ctx: DurableContext):
    return await ctx.inbox("anything").get()
"""


@pytest.fixture
def client(tmp_path: Path) -> Iterator[SessionClient]:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "app.py").write_text(APP)
    with session_of(tmp_path / "x.db", declared(tmp_path / "code", ["desk", "free"])) as client:
        yield client


def waiting(client: SessionClient, function: str) -> dict[str, Any]:
    """Start the execution ``a``, and return what it waits for once the server knows its code."""
    client.start(function, "a")
    listed = client.get("/_durable/executions")
    rows = {each["durable_execution_name"]: each for each in listed["executions"]}

    def waits(row: Any) -> bool:
        if row.get("durable_execution_name") == "a":
            rows["a"] = row
        return bool(rows.get("a", {}).get("activity") == "suspended")

    if not waits({}):
        client.until(
            f"/_durable/events?since={listed['number']}", lambda message: waits(message["data"])
        )
    [found] = rows["a"]["waiting"]
    seen: dict[str, Any] = {}

    def is_placed(message: dict[str, Any]) -> bool:
        seen.update({each["operation_id"]: each for each in message["data"].get("places", ())})
        return function == "free" or seen.get(found["id"], {}).get("awaited_type") is not None

    client.until(execution("a", "/events"), is_placed)
    return found


def send(client: SessionClient, **body: Any) -> tuple[int, dict[str, Any]]:
    status, answer = client.posted(execution("a", "/send"), json.dumps(body).encode())
    return status, json.loads(answer)


def result(client: SessionClient) -> Any:
    client.until_ended("a")
    return json.loads(client.get(execution("a", "/payload"), kind="result")["payload"])


def test_a_message_that_fits_is_taken_and_another_is_refused_with_its_places(
    client: SessionClient,
) -> None:
    found = waiting(client, "desk")
    assert found["waits_for"] == "message"
    assert found["name"] == "inbox:tickets:1"
    assert client.get("/_durable/callbacks")["callbacks"] == []
    status, refused = send(client, inbox="tickets", message='{"id": "one"}')
    assert status == 400
    [mistake] = refused["mistakes"]
    assert mistake["path"] == ["value", "id"]
    assert "message of Ticket" in refused["message"]
    status, answer = send(client, inbox="tickets", message='{"id": 1}', id="one")
    assert (status, answer) == (200, {"id": "one"})
    for body, problem in [
        ({"inbox": "tickets", "message": "{"}, "The message is not JSON"),
        ({"inbox": "ticket", "message": "1"}, "has no inbox 'ticket' yet"),
    ]:
        status, refused = send(client, **body)
        assert status == 400
        assert problem in refused["message"]
    assert send(client, inbox="tickets", message='{"id": 0}')[0] == 200
    assert result(client) == [1, 0]
    status, refused = send(client, inbox="tickets", message='{"id": 1}')
    assert (status, "has ended" in refused["message"]) == (400, True)


def test_a_message_that_does_not_fit_is_sent_anyway(client: SessionClient) -> None:
    waiting(client, "desk")
    assert send(client, inbox="tickets", message='"no ticket"', anyway=True)[0] == 200
    client.until_ended("a")
    assert client.get(execution("a"))["execution"]["status"] == "FAILED"


def test_an_inbox_without_a_type_takes_any_message(client: SessionClient) -> None:
    waiting(client, "free")
    assert send(client, inbox="anything", message='{"a": [1]}')[0] == 200
    assert result(client) == {"a": [1]}


def test_the_command_refuses_what_does_not_fit_too(
    client: SessionClient, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    waiting(client, "desk")
    words = ["send", "a", "tickets", '{"id": "one"}', "--store", str(tmp_path / "x.db")]
    assert main(words) == 2
    assert "message of Ticket" in capfd.readouterr().err
    assert main(["send", "a", "tickets", '{"id": 0}', "--store", str(tmp_path / "x.db")]) == 0
    assert "accepted:" in capfd.readouterr().out
    assert result(client) == [0]

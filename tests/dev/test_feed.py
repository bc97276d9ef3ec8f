"""The routes under `/_durable`: JSON without payloads, payloads apart, and streams of changes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.dev.dev_server_rig import Client, dev_server, execution

from durable_execution_sdk.dev.feed import changes as changes_module
from durable_execution_sdk.dev.feed.changes import Changes
from durable_execution_sdk.emulator.clock import RealClock, VirtualClock
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.functions.registry import Functions
from durable_execution_sdk.emulator.stores.memory import MemoryStore
from durable_execution_sdk.emulator.stores.sqlite import SqliteStore
from durable_execution_sdk.protocol.control_plane import InvokeRequest


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with dev_server(tmp_path / "x.db") as server:
        yield Client(server)


def test_an_execution_is_told_with_attempts_and_invocations_and_no_payloads(
    client: Client,
) -> None:
    arn = client.start("order", "first", {"secret": "word"})
    row = client.until_waiting("first")
    document = client.get(execution("first"))
    assert document == client.get(execution(arn))
    assert document["execution"] == row
    assert row["waiting"][0]["path"] == ["approval"]
    operations = {each["name"]: each for each in document["operations"]}
    assert list(operations) == ["group", "one", "charge", "approval"]
    assert operations["one"]["parent_id"] == operations["group"]["id"]
    assert operations["one"]["result_bytes"] == 1
    [attempt] = operations["charge"]["attempts"]
    assert attempt["error"] == {"error_type": "DeclinedError", "error_message": "no money"}
    assert attempt["number"] == 1 and attempt["next_attempt_timestamp"] is None
    assert operations["approval"]["waits_for"] == "answer"
    [invocation] = document["invocations"]
    assert invocation["end_timestamp"] is not None and invocation["error"] is None
    assert document["input_bytes"] == len('{"secret": "word"}')
    assert "word" not in str(document)


def test_a_retry_is_told_with_its_time(client: Client) -> None:
    client.start("retries", "r")
    client.until(
        execution("r", "/events"), lambda m: m["data"]["execution"]["activity"] == "suspended"
    )
    [operation] = client.get(execution("r"))["operations"]
    [attempt] = operation["attempts"]
    assert attempt["next_attempt_timestamp"] == operation["until"]
    assert (operation["waits_for"], operation["attempt"]) == ("retry", 2)


def test_payloads_are_fetched_apart(client: Client) -> None:
    client.start("outer", "o", {"a": "<b>"})
    row = client.until_waiting("o")
    inner = row["waiting"][0]
    assert inner["path"] == ["inner", "approval"]
    assert client.get(execution("o", "/payload"), kind="input") == {"payload": '{"a": "<b>"}'}
    assert client.get(execution("o", "/payload"), kind="result") == {"payload": None}
    [invoke] = client.get(execution("o"))["operations"]
    payload = client.get(execution("o", "/payload"), kind="input", operation=invoke["id"])
    assert payload == {"payload": '{"from":"outer"}'}
    child = invoke["invoked_execution_arn"]
    operations = {each["name"]: each["id"] for each in client.get(execution(child))["operations"]}
    error = client.get(execution(child, "/payload"), kind="error", operation=operations["charge"])
    assert error["error"]["error_type"] == "DeclinedError"
    assert any("charge" in line for line in error["error"]["stack_trace"])
    result = client.get(execution(child, "/payload"), kind="result", operation=operations["one"])
    assert result == {"payload": "1"}
    client.answer(row)
    client.until(execution("o", "/events"), lambda m: m["data"]["execution"]["activity"] == "ended")
    assert client.get(execution("o", "/payload"), kind="result") == {"payload": "1"}


def test_executions_are_listed_in_pages_with_filters(client: Client) -> None:
    for name in ("a", "b", "c"):
        client.start("order", name)
        client.until_waiting(name)
    first = client.get("/_durable/executions", limit=2)
    assert [each["durable_execution_name"] for each in first["executions"]] == ["c", "b"]
    rest = client.get("/_durable/executions", limit=2, after=first["next"])
    assert [each["durable_execution_name"] for each in rest["executions"]] == ["a"]
    assert rest["next"] is None
    for query, count in (
        ({"text": "B"}, 1),
        ({"function": "outer"}, 0),
        ({"status": ["RUNNING", "FAILED"]}, 3),
        ({"status": "FAILED"}, 0),
        ({"since": "2999-01-01"}, 0),
    ):
        assert len(client.get("/_durable/executions", **query)["executions"]) == count


def test_callbacks_and_functions_are_listed(client: Client) -> None:
    client.start("outer", "o")
    row = client.until_waiting("o")
    [callback] = client.get("/_durable/callbacks")["callbacks"]
    assert callback["callback"] == "o/approval"
    assert callback["callback_id"] == row["waiting"][0]["callback_id"]
    functions = client.get("/_durable/functions")["functions"]
    assert [each["function_name"] for each in functions] == ["order", "outer", "retries"]
    assert functions[0]["durable"] is True


def test_the_stream_carries_changed_rows_and_the_rows_of_those_that_wait_for_them(
    client: Client,
) -> None:
    number = client.get("/_durable/executions")["number"]
    with client.stream(f"/_durable/events?since={number}") as messages:
        client.start("outer", "o")
        seen: list[dict[str, Any]] = []
        for message in messages:
            seen.append(message)
            data = message["data"]
            if data["durable_execution_name"] == "o" and data["activity"] == "asking":
                break
        client.answer(message["data"])
        for message in messages:
            seen.append(message)
            if (
                message["data"]["durable_execution_name"] == "o"
                and message["data"]["activity"] == "ended"
            ):
                break
        client.server.emulator.delete(message["data"]["durable_execution_arn"])
        for message in messages:
            seen.append(message)
            if message["event"] == "deleted":
                break
    numbers = [each["id"] for each in seen]
    assert numbers == sorted(set(numbers))
    assert {each["event"] for each in seen} == {"execution", "deleted"}
    assert {each["data"].get("function_name") for each in seen} >= {"order", "outer"}


def test_a_reader_goes_on_after_the_last_message(client: Client) -> None:
    number = client.get("/_durable/executions")["number"]
    client.start("order", "a")
    client.until_waiting("a")
    with client.stream(f"/_durable/events?since={number}") as messages:
        first = next(messages)
    assert first["data"]["durable_execution_name"] == "a"
    client.start("order", "b")
    client.until_waiting("b")
    # The header of a browser that connects again comes before the address.
    with client.stream(
        f"/_durable/events?since={number}", Last_Event_ID=str(first["id"])
    ) as messages:
        assert next(messages)["data"]["durable_execution_name"] == "b"


def test_a_reader_of_an_earlier_server_is_told_to_read_anew(client: Client, tmp_path: Path) -> None:
    number = client.get("/_durable/executions")["number"]
    for unknown in (number - 1, number + 1_000_000, 0):
        message = client.until(f"/_durable/events?since={unknown}", lambda m: True)
        assert message["event"] == "reset"
        assert message["data"] == {"number": message["id"]}
    client.server.close()
    with dev_server(tmp_path / "x.db") as server:
        after = Client(server)
        message = after.until(f"/_durable/events?since={number}", lambda m: True)
        assert (message["event"], message["id"] > number) == ("reset", True)


def test_the_stream_of_an_execution_carries_only_what_changed(client: Client) -> None:
    client.start("order", "a")
    row = client.until_waiting("a")
    whole = client.get(execution("a"))
    with client.stream(execution("a", f"/events?since={whole['head']}")) as messages:
        client.answer(row)
        changed: dict[str, Any] = {}
        for message in messages:
            data = message["data"]
            assert message["id"] == data["head"] > whole["head"]
            changed |= {each["name"]: each for each in data["operations"]}
            if data["execution"]["activity"] == "ended":
                break
    assert list(changed) == ["approval"]
    assert changed["approval"]["status"] == "SUCCEEDED"
    first = client.until(execution("a", "/events"), lambda m: True)["data"]
    assert first["operations"] == client.get(execution("a"))["operations"]
    reset = client.until(execution("a", "/events?since=99999"), lambda m: True)
    assert (reset["event"], reset["data"]) == ("reset", {"head": first["head"]})


def test_a_heartbeat_is_a_change(client: Client) -> None:
    client.start("order", "a")
    row = client.until_waiting("a")
    head = client.get(execution("a"))["head"]
    with client.stream(execution("a", f"/events?since={head}")) as messages:
        client.server.emulator.callback_heartbeat(row["waiting"][0]["callback_id"])
        assert [each["name"] for each in next(messages)["data"]["operations"]] == ["approval"]


def test_what_another_process_does_is_told(client: Client, tmp_path: Path) -> None:
    arn = client.start("order", "a")
    client.until_waiting("a")
    number = client.get("/_durable/executions")["number"]
    other = Emulator(SqliteStore(tmp_path / "x.db"), RealClock(), Functions())
    other.stop(arn)
    other.close()
    message = client.until(f"/_durable/events?since={number}", lambda m: True)
    assert message["data"]["status"] == "STOPPED"


def test_a_server_that_stops_ends_its_streams(client: Client) -> None:
    with client.stream("/_durable/events") as messages:
        client.server.close()
        assert list(messages) == []


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/_durable/nothing", 404, "There is nothing at /_durable/nothing"),
        ("/_durable/executions/nope", 404, "There is no execution 'nope'"),
        ("/_durable/executions/nope/events", 404, "There is no execution 'nope'"),
        ("/_durable/executions?status=HAPPY", 400, "status is one of RUNNING"),
        ("/_durable/executions?after=x", 400, "after is the 'next' of an earlier answer"),
        ("/_durable/executions?limit=x", 400, "limit is a whole number"),
        ("/_durable/executions?since=x", 400, "since is a time"),
        ("/_durable/events?since=x", 400, "since is the id of a message"),
        ("/_durable/executions/a/payload", 400, "kind is missing"),
        ("/_durable/executions/a/payload?kind=x", 400, "kind is one of input"),
        ("/_durable/executions/a/payload?kind=input&operation=x", 404, "no operation 'x'"),
    ],
)
def test_what_cannot_be_answered_is_refused(
    client: Client, path: str, status: int, message: str
) -> None:
    client.start("order", "a")
    answer = client.refused(path)
    assert (answer[0], message in answer[1]) == (status, True), answer


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_is_changed_by_these_routes(client: Client, method: str) -> None:
    status, body = client.refused("/_durable/executions", method)
    assert (status, "are changed through Lambda's API" in body) == (405, True)


SITE = "https://evil.example"


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example:80"},
        {"Origin": SITE},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
@pytest.mark.parametrize(
    "path",
    ["/_durable/executions", "/_durable/events", "/_durable/callbacks", "/_durable/functions"],
)
def test_a_page_of_another_site_and_a_rebinding_host_are_refused(
    client: Client, path: str, headers: dict[str, str]
) -> None:
    status, body = client.refused(path, **headers)
    assert (status, "callback_id" in body) == (403, False)


def test_answers_cannot_be_framed_guessed_or_kept(client: Client) -> None:
    for path in ("/_durable/executions", "/_durable/events"):
        with client.asked(path) as answer:
            assert answer.getheader("x-content-type-options") == "nosniff"
            assert answer.getheader("cross-origin-resource-policy") == "same-origin"
            assert answer.getheader("cache-control") == "no-store"


def test_a_token_is_asked_for(tmp_path: Path) -> None:
    with dev_server(tmp_path / "x.db", token="t0ken") as server:
        client = Client(server)
        assert client.refused("/_durable/executions")[0] == 403
        assert client.refused("/_durable/executions", X_Durable_Token="t0ken")[0] == 200


def test_old_changes_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes_module, "_MOST_KEPT", 3)
    functions = Functions()
    functions.add_durable("f", lambda _: lambda event, context: None)
    emulator = Emulator(MemoryStore(), VirtualClock(), functions)
    changes = Changes(emulator)
    numbers = []
    for name in "abcde":
        emulator.start(InvokeRequest(function_name="f:$LATEST", durable_execution_name=name))
        numbers.append(changes.number)

    def names(since: int) -> list[str] | None:
        changed = changes.since(since)
        return None if changed is None else [key.split("/")[-2] for _, key in changed]

    assert names(numbers[0]) is None
    assert names(numbers[1]) == ["c", "d", "e"]
    assert names(numbers[3]) == ["e"]
    assert names(numbers[4]) == []
    assert names(numbers[4] + 1) is None


PAGE = (Path(__file__).parents[2] / "docs" / "dev-api.md").read_text("utf-8")


def documented(part: str) -> list[str]:
    (line,) = re.findall(rf"^\| {part} \| (.*) \|$", PAGE, re.MULTILINE)
    return re.findall(r"`(\w+)`", line)


def test_the_page_lists_the_members_of_each_document(client: Client) -> None:
    client.start("order", "a")
    row = client.until_waiting("a")
    document = client.get(execution("a"))
    assert list(row) == documented("row")
    assert list(document) == documented("execution")
    for operation in document["operations"]:
        assert list(operation) == documented("operation")
        for attempt in operation["attempts"]:
            assert list(attempt) == documented("attempt")
    assert any(operation["attempts"] for operation in document["operations"])
    assert list(document["invocations"][0]) == documented("invocation")
    assert list(client.get("/_durable/callbacks")["callbacks"][0]) == documented("callback")
    assert list(client.get("/_durable/functions")["functions"][0]) == documented("function")

"""The routes under `/_durable`: JSON without payloads, payloads apart, and streams of changes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.dev.dev_server_rig import Client, dev_server, execution, tells

from durable_execution_sdk.dev.feed import changes as changes_module
from durable_execution_sdk.dev.feed.changes import Changes
from durable_execution_sdk.emulator.clock import RealClock, VirtualClock
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.functions.registry import Functions
from durable_execution_sdk.emulator.stores.memory import MemoryStore
from durable_execution_sdk.emulator.stores.sqlite import SqliteStore
from durable_execution_sdk.engine.execution_time import TimeMode
from durable_execution_sdk.protocol.control_plane import InvokeRequest


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with dev_server(tmp_path / "x.db") as server:
        yield Client(server)


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Start a server with an execution ``a``, for tests that change nothing: servers close slowly."""
    with dev_server(tmp_path_factory.mktemp("refusing") / "x.db") as server:
        client = Client(server)
        client.start("order", "a")
        client.until_waiting("a")
        yield client


def test_an_execution_is_told_with_attempts_and_invocations_and_no_payloads(
    client: Client,
) -> None:
    arn = client.start("order", "first", {"secret": "word"})
    row = client.until_waiting("first")
    document = client.get(execution("first"))
    assert document == client.get(execution(arn))
    assert document["execution"] == row
    assert row["waiting"][0]["path"] == ["approval"]
    assert row["operations"] == len(document["operations"])
    assert row["attempts"] == sum(len(each["attempts"]) for each in document["operations"]) == 2
    operations = {each["name"]: each for each in document["operations"]}
    assert list(operations) == ["group", "one", "charge", "approval"]
    assert operations["one"]["parent_id"] == operations["group"]["id"]
    assert operations["one"]["result_bytes"] == 1
    [(start, end, following, failed)] = operations["charge"]["attempts"]
    assert 0 <= start <= end and following is None and failed == 1
    assert operations["approval"]["waits_for"] == "answer"
    [invocation] = document["invocations"]
    assert invocation["end_timestamp"] is not None and invocation["error"] is None
    assert document["input_bytes"] == len('{"secret": "word"}')
    assert "word" not in str(document)


def test_an_invocation_tells_what_it_replayed_and_what_it_ran(client: Client) -> None:
    client.start("outer", "o")
    row = client.until_waiting("o")
    client.answer(row)
    client.until_ended("o")
    document = client.get(execution("o"))
    [invoke] = document["operations"]
    first, second = document["invocations"]
    assert (first["replayed"], first["began"], first["attempts"]) == (0, 1, 0)
    assert (second["replayed"], second["began"], second["attempts"]) == (1, 0, 0)
    assert (first["ran"], second["ran"]) == ([invoke["id"]], [])
    inner = client.get(execution(invoke["invoked_execution_arn"]))
    first, second = inner["invocations"]
    assert (first["replayed"], first["began"], first["attempts"]) == (0, 4, 2)
    assert first["ran"] == [each["id"] for each in inner["operations"]]
    assert (second["replayed"], second["began"], second["attempts"]) == (4, 0, 0)


def test_the_invocation_of_a_fork_replays_what_is_kept(client: Client) -> None:
    client.start("order", "a")
    client.until_waiting("a")
    operations = {each["name"]: each["id"] for each in client.get(execution("a"))["operations"]}
    client.post(execution("a", "/fork"), {"name": "b", "before": operations["charge"]})
    client.until_waiting("b")
    *_, last = client.get(execution("b"))["invocations"]
    assert (last["replayed"], last["began"], last["attempts"]) == (2, 2, 1)
    assert last["ran"] == [operations["charge"], operations["approval"]]


def test_a_retry_is_told_with_its_time(client: Client) -> None:
    client.start("retries", "r")
    client.until(
        execution("r", "/events"), lambda m: m["data"]["execution"]["activity"] == "suspended"
    )
    [operation] = client.get(execution("r"))["operations"]
    [(start, end, following, failed)] = operation["attempts"]
    assert failed == 1
    answer = client.get(execution("r", "/attempts"), operation=operation["id"])
    [attempt] = answer["attempts"]
    assert answer["count"] == attempt["number"] == 1
    assert attempt["error"]["error_type"] == operation["error"]["error_type"]
    assert attempt["next_attempt_timestamp"] == operation["until"]
    assert (operation["waits_for"], operation["attempt"]) == ("retry", 2)
    for milliseconds, name in (
        (start, "start_timestamp"),
        (end, "end_timestamp"),
        (following, "next_attempt_timestamp"),
    ):
        after = moment(attempt[name]) - moment(operation["start_timestamp"])
        assert after == timedelta(milliseconds=milliseconds)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_attempts_are_those_of_one_operation_and_the_last_ones(client: Client) -> None:
    arn = client.start("order", "first")
    client.until_waiting("first")
    operations = {each["name"]: each for each in client.get(execution("first"))["operations"]}
    charge = operations["charge"]["id"]
    [attempt] = client.get(execution(arn, "/attempts"), operation=charge, limit=1)["attempts"]
    assert attempt["error"] == {"error_type": "DeclinedError", "error_message": "no money"}
    # A context has none, though its id is in the events of the operations inside it.
    group = client.get(execution(arn, "/attempts"), operation=operations["group"]["id"])
    assert group == {"count": 0, "attempts": []}
    status, text = client.refused(execution(arn, "/attempts?operation=x"))
    assert status == 404 and "no operation 'x'" in text


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
    client.until_ended("o")
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
    assert [each["function_name"] for each in functions] == [
        "order",
        "outer",
        "retries",
        "spread",
        "support",
    ]
    assert functions[0]["durable"] is True


def test_the_inputs_of_a_function_are_told_each_once_the_newest_first(client: Client) -> None:
    for name, payload in (("a", {"n": 1}), ("b", {"n": 2}), ("c", {"n": 1}), ("d", "x" * 70_000)):
        client.start("order", name, payload)
    inputs = client.get("/_durable/functions/order/inputs")["inputs"]
    assert inputs == ['{"n": 1}', '{"n": 2}']
    assert client.get("/_durable/functions/outer/inputs") == {"inputs": []}
    status, text = client.refused("/_durable/functions/nothing/inputs")
    assert status == 404 and "no function 'nothing'" in text


def test_an_execution_that_was_deleted_is_told_from_one_that_never_was(client: Client) -> None:
    arn = client.start("order", "a")
    client.answer(client.until_waiting("a"))
    client.until_ended("a")
    client.server.emulator.delete(arn)
    for reference in ("a", arn):
        status, text = client.refused(execution(reference))
        assert status == 404 and "was deleted" in text
    for reference in ("b", "%", f"{arn}x", ""):
        status, text = client.refused(execution(reference))
        assert status == 404 and "There is no" in text


def rows_until(
    messages: Iterator[dict[str, Any]], seen: list[dict[str, Any]], name: str, activity: str = ""
) -> dict[str, Any]:
    """Read messages into a list until the row of an execution says what it does; return the row.

    Without ``activity`` any row will do. A stream may leave out what lasts a moment only.
    """
    for message in messages:
        seen.append(message)
        row: dict[str, Any] = message["data"]
        if message["event"] == "execution" and row["durable_execution_name"] == name:
            if activity in ("", row["activity"]):
                return row
    raise AssertionError(f"{name} was never {activity}: {seen}")


def test_the_stream_carries_changed_rows_and_the_rows_of_those_that_wait_for_them(
    client: Client,
) -> None:
    number = client.get("/_durable/executions")["number"]
    seen: list[dict[str, Any]] = []
    with client.stream(f"/_durable/events?since={number}") as messages:
        client.start("outer", "o")
        client.answer(rows_until(messages, seen, "o", "asking"))
        row = rows_until(messages, seen, "o", "ended")
        client.server.emulator.delete(row["durable_execution_arn"])
        for message in messages:
            seen.append(message)
            if message["event"] == "deleted":
                break
    numbers = [each["id"] for each in seen]
    assert numbers == sorted(set(numbers))
    assert {each["event"] for each in seen} == {"execution", "callbacks", "deleted"}
    assert {each["data"].get("function_name") for each in seen} >= {"order", "outer"}


def test_the_stream_tells_which_callbacks_wait_in_a_family(client: Client) -> None:
    number = client.get("/_durable/executions")["number"]
    arn = client.start("outer", "o")
    row = client.until_waiting("o")
    with client.stream(f"/_durable/events?since={number}") as messages:
        asked = next(message for message in messages if message["event"] == "callbacks")
        assert asked["data"]["durable_execution_arn"] == arn
        [callback] = asked["data"]["callbacks"]
        assert (callback["callback"], callback["path"]) == ("o/approval", ["inner", "approval"])
        client.answer(row)
        answered = next(message for message in messages if message["event"] == "callbacks")
        assert answered["data"] == {"durable_execution_arn": arn, "callbacks": []}


def test_an_end_takes_the_callbacks_that_wait_with_it(client: Client) -> None:
    arn = client.start("order", "a")
    client.until_waiting("a")
    number = client.get("/_durable/executions")["number"]
    client.server.emulator.stop(arn)
    ended = client.until(
        f"/_durable/events?since={number}", lambda message: message["event"] == "callbacks"
    )
    assert ended["data"] == {"durable_execution_arn": arn, "callbacks": []}


def test_a_reader_goes_on_after_the_last_message(client: Client) -> None:
    number = client.get("/_durable/executions")["number"]
    client.start("order", "a")
    client.until_waiting("a")
    with client.stream(f"/_durable/events?since={number}") as messages:
        # The row, and the callback that waits.
        first, second = next(messages), next(messages)
    assert {first["event"], second["event"]} == {"execution", "callbacks"}
    client.start("order", "b")
    client.until_waiting("b")
    # The header of a browser that connects again comes before the address.
    with client.stream(
        f"/_durable/events?since={number}", Last_Event_ID=str(second["id"])
    ) as messages:
        assert "/b/" in next(messages)["data"]["durable_execution_arn"]


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
            assert message["id"] == data["position"] and data["head"] > whole["head"]
            changed |= {each["name"]: each for each in data["operations"]}
            if data["execution"]["activity"] == "ended":
                break
    assert list(changed) == ["approval"]
    assert changed["approval"]["status"] == "SUCCEEDED"
    first = client.until(execution("a", "/events"), lambda m: True)["data"]
    assert first["operations"] == client.get(execution("a"))["operations"]
    reset = client.until(execution("a", "/events?since=99999"), lambda m: True)
    assert reset["event"] == "reset"
    assert reset["data"] == {"head": first["head"], "position": first["position"]}


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
    with client.stream(f"/_durable/events?since={number}") as messages:
        seen: list[dict[str, Any]] = []
        other.stop(arn)
        assert rows_until(messages, seen, "a", "ended")["status"] == "STOPPED"
        other.rerun(arn, name="again")
        other.stop(rows_until(messages, seen, "again")["durable_execution_arn"])
        rows_until(messages, seen, "again", "ended")
        other.delete(arn)
        deleted = next(message for message in messages if message["event"] == "deleted")
        assert deleted["data"] == {"durable_execution_arn": arn}
    other.close()


def test_the_stream_of_an_execution_that_another_process_deletes_ends(
    client: Client, tmp_path: Path
) -> None:
    arn = client.start("order", "a")
    client.until_waiting("a")
    other = Emulator(SqliteStore(tmp_path / "x.db"), RealClock(), Functions())
    with client.stream(execution("a", "/events")) as messages:
        next(messages)
        other.stop(arn)
        other.delete(arn)
        *_, last = messages
        assert (last["event"], last["data"]) == ("deleted", {"durable_execution_arn": arn})
    other.close()


def test_a_change_of_time_is_told(client: Client) -> None:
    arn = client.start("order", "a")
    row = client.until_waiting("a")
    assert row["time"] == {
        "mode": "real",
        "offset_milliseconds": 0,
        "stands_at": None,
        "advances_to": None,
    }
    number = client.get("/_durable/executions")["number"]
    client.server.emulator.set_time_mode(arn, TimeMode.PAUSED)
    changed = client.until(
        f"/_durable/events?since={number}", lambda message: message["event"] == "execution"
    )
    assert changed["data"]["time"]["mode"] == "paused"
    assert changed["data"]["time"]["stands_at"] is not None
    assert client.get("/_durable/time")["mode"] == "real"


def test_timers_are_listed_the_next_one_first(client: Client) -> None:
    client.start("retries", "r")
    client.until(
        execution("r", "/events"), lambda m: m["data"]["execution"]["activity"] == "suspended"
    )
    document = client.get(execution("r"))
    [operation] = document["operations"]
    retry, timeout = document["timers"]
    assert retry == {
        "kind": "step retry",
        "operation_id": operation["id"],
        "fires_at": operation["until"],
    }
    assert (timeout["kind"], timeout["operation_id"]) == ("execution timeout", None)


def test_a_map_tells_its_progress(client: Client) -> None:
    client.start("spread", "m")
    client.until_waiting("m")
    [batch, *_] = client.get(execution("m"))["operations"]
    # The log does not have the number of items: functions in processes tell it.
    assert batch["progress"] == {
        "total": None,
        "started": 3,
        "succeeded": 1,
        "failed": 1,
        "estimated_end_timestamp": None,
    }


def test_a_status_that_code_has_set_is_no_operation(client: Client) -> None:
    client.server.functions.add_durable("tells", tells.bind)
    client.start("tells", "t", {"phase": 1})
    row = client.until_waiting("t")
    assert row["custom_status"] == {"phase": 1}
    document = client.get(execution("t"))
    assert document["execution"] == row
    assert [each["name"] for each in document["operations"]] == ["first", "approval"]
    assert row["operations"] == 4  # the two that AWS charges for besides are records of statuses
    ran = [each for one in document["invocations"] for each in one["ran"]]
    assert set(ran) == {each["id"] for each in document["operations"]}
    client.answer(row)
    client.until_ended("t")
    ended = client.get(execution("t"))["execution"]
    assert ended["custom_status"] == {"done": 2, "total": 2, "label": "answers"}
    [listed] = client.get("/_durable/executions")["executions"]
    assert listed == ended


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
        (
            f"/_durable/executions?after=1-{'9' * 19}",
            400,
            "after is the 'next' of an earlier answer",
        ),
        ("/_durable/executions?after=x", 400, "after is the 'next' of an earlier answer"),
        ("/_durable/executions?limit=x", 400, "limit is a whole number"),
        ("/_durable/executions?since=x", 400, "since is a time"),
        ("/_durable/events?since=x", 400, "since is the id of a message"),
        ("/_durable/executions/a/events?since=1-2", 400, "since is the id of a message"),
        ("/_durable/executions/a/payload", 400, "kind is missing"),
        ("/_durable/executions/a/payload?kind=x", 400, "kind is one of input"),
        ("/_durable/executions/a/payload?kind=input&operation=x", 404, "no operation 'x'"),
    ],
)
def test_what_cannot_be_answered_is_refused(
    refusing: Client, path: str, status: int, message: str
) -> None:
    answer = refusing.refused(path)
    assert (answer[0], message in answer[1]) == (status, True), answer


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_is_changed_by_these_routes(refusing: Client, method: str) -> None:
    status, body = refusing.refused("/_durable/executions", method)
    assert (status, "/_durable/executions takes GET, not" in body) == (405, True)


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
    refusing: Client, path: str, headers: dict[str, str]
) -> None:
    status, body = refusing.refused(path, **headers)
    assert (status, "callback_id" in body) == (403, False)


def test_answers_cannot_be_framed_guessed_or_kept(refusing: Client) -> None:
    for path in ("/_durable/executions", "/_durable/events"):
        with refusing.asked(path) as answer:
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
    assert list(row["time"]) == documented("time")
    assert list(document["timers"][0]) == documented("timer")
    for operation in document["operations"]:
        assert list(operation) == documented("operation")
        for attempt in operation["attempts"]:
            assert len(attempt) == 4
    [charge] = [each for each in document["operations"] if each["name"] == "charge"]
    answer = client.get(execution("a", "/attempts"), operation=charge["id"])
    assert list(answer["attempts"][0]) == documented("attempt")
    assert list(document["invocations"][0]) == documented("invocation")
    assert list(client.get("/_durable/callbacks")["callbacks"][0]) == documented("callback")
    assert list(client.get("/_durable/functions")["functions"][0]) == documented("function")


def test_a_stream_of_all_carries_the_details_of_those_that_are_watched(client: Client) -> None:
    first, second = client.start("order", "first"), client.start("order", "second")
    client.until_waiting("first")
    client.until_waiting("second")
    documents = {arn: client.get(execution(arn)) for arn in (first, second)}
    watched = urlencode(
        [("since", client.get("/_durable/executions")["number"])]
        + [("watch", arn) for arn in documents]
        + [("position", document["position"]) for document in documents.values()]
    )
    with client.stream(f"/_durable/events?{watched}") as messages:
        client.answer(client.until_waiting("second"))
        for message in messages:
            if message["event"] != "watched":
                assert message["event"] in {"execution", "callbacks"}
                continue
            data = message["data"]
            assert data["durable_execution_arn"] == second
            # The end of its invocation may be told of after its own.
            is_ended = data["data"]["execution"]["activity"] == "ended"
            if is_ended and data["position"] == client.get(execution(second))["position"]:
                break
    assert data["event"] == "changes"
    assert data["data"] == client.get(execution(second)) | {
        name: data["data"][name] for name in ("operations", "invocations", "position", "places")
    }


def test_what_was_watched_too_late_comes_at_once(client: Client) -> None:
    arn = client.start("order", "first")
    client.until_waiting("first")
    query = urlencode({"watch": arn, "position": "1"})
    message = client.until(f"/_durable/events?{query}", lambda m: m["event"] == "watched")
    names = [each["name"] for each in message["data"]["data"]["operations"]]
    assert names == ["group", "one", "charge", "approval"]


def test_what_cannot_be_watched_is_refused(client: Client) -> None:
    status, text = client.refused("/_durable/events?watch=x")
    assert status == 400 and "Give a position for each execution" in text
    many = urlencode([("watch", "x"), ("position", "1")] * 21)
    assert client.refused(f"/_durable/events?{many}")[0] == 400
    status, text = client.refused("/_durable/events?watch=x&position=y")
    assert status == 400 and "not 'y'" in text

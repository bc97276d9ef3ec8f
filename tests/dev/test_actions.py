"""The routes under `/_durable` that change something, and requests that they refuse."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.dev.dev_server_rig import Client, dev_server, execution

from durable_execution_sdk.engine.execution_time import TimeMode


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with dev_server(tmp_path / "x.db") as server:
        yield Client(server)


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Start a server with a waiting execution ``a``, for tests that change nothing: servers close slowly."""
    with dev_server(tmp_path_factory.mktemp("refusing") / "x.db") as server:
        client = Client(server)
        waiting(client)
        yield client


def waiting(client: Client, name: str = "a") -> str:
    """Start an execution, wait until it asks for an answer, and return its ARN."""
    arn = client.start("order", name, {"n": 1})
    client.until_waiting(name)
    return arn


def test_a_fork_has_what_was_done_before_an_operation(client: Client) -> None:
    arn = waiting(client)
    operations = {each["name"]: each["id"] for each in client.get(execution("a"))["operations"]}
    forked = client.post(
        execution("a", "/fork"),
        {
            "before": operations["approval"],
            "input": '{"n": 2}',
            "results": {operations["group"]: "7"},
            "name": "b",
        },
    )
    assert (forked["durable_execution_name"], forked["origin_arn"]) == ("b", arn)
    row = client.until_waiting("b")
    document = client.get(execution("b"))
    assert document["forked_from"] == {
        "durable_execution_arn": arn,
        "before": operations["approval"],
    }
    payload = execution("b", "/payload")
    assert client.get(payload, kind="input") == {"payload": '{"n": 2}'}
    assert client.get(payload, kind="result", operation=operations["group"]) == {"payload": "7"}
    client.answer(row)
    assert client.until_ended("b")["execution"]["status"] == "SUCCEEDED"
    assert client.get(execution("a"))["execution"]["status"] == "RUNNING"


def test_a_rerun_has_the_input_and_the_time_of_the_server(tmp_path: Path) -> None:
    with dev_server(tmp_path / "x.db", time_mode=TimeMode.SKIP) as server:
        client = Client(server)
        arn = waiting(client)
        again = client.post(execution(arn, "/rerun"))
        assert again["origin_arn"] == arn
        name = again["durable_execution_name"]
        assert client.until_waiting(name)["time"]["mode"] == "skip"
        assert client.get(execution(name, "/payload"), kind="input") == {"payload": '{"n": 1}'}
        other = client.post(execution(arn, "/rerun"), {"input": "3", "name": "other"})
        assert other["durable_execution_name"] == "other"
        assert client.get(execution("other", "/payload"), kind="input") == {"payload": "3"}


def test_time_is_changed_and_advanced(client: Client) -> None:
    client.start("retries", "r")
    client.until(
        execution("r", "/events"), lambda m: m["data"]["execution"]["activity"] == "suspended"
    )
    assert client.get(execution("r", "/time"))["mode"] == "real"
    assert client.post(execution("r", "/time"), {"mode": "paused"})["mode"] == "paused"
    before = client.get(execution("r"))["operations"][0]
    client.post(execution("r", "/time"), {"advance_to_next": True})
    changed = client.until(
        execution("r", "/events"),
        lambda m: m["event"] == "changes" and m["data"]["operations"][0]["attempt"] > 2,
    )
    assert changed["data"]["operations"][0]["attempt"] == before["attempt"] + 1
    now = client.get(execution("r", "/time"))
    assert now["mode"] == "paused" and now["offset_milliseconds"] > 3_000_000
    # 30 minutes are less than the hour to the next retry.
    later = client.post(execution("r", "/time"), {"advance_milliseconds": 1_800_000})
    assert later["offset_milliseconds"] > now["offset_milliseconds"] + 1_500_000


def test_a_planned_fault_strikes_the_next_checkpoint_that_it_names(client: Client) -> None:
    waiting(client)
    planned = client.post(
        execution("a", "/crash"), {"kind": "throttle", "operation": "approval", "times": 2}
    )
    assert planned == {
        "planned": [{"kind": "throttle", "checkpoint": 1, "operation": "approval", "times": 2}]
    }
    more = client.post(execution("a", "/crash"), {"kind": "crash_after", "checkpoint": 3})
    assert [each["kind"] for each in more["planned"]] == ["throttle", "crash_after"]


@pytest.mark.parametrize(
    ("rest", "body", "status", "message"),
    [
        ("/fork", {"before": "nope"}, 400, "no operation nope"),
        ("/fork", {"until": "x"}, 400, "unknown field `until`"),
        ("/fork", [], 400, "Expected `object`"),
        ("/rerun", {"name": "a"}, 409, "use another name"),
        ("/rerun", {"input": "{"}, 400, "parse"),
        ("/time", {}, 400, "Give one of mode"),
        ("/time", {"mode": "skip", "advance_to_next": True}, 400, "Give one of mode"),
        ("/time", {"mode": "fast"}, 400, "Invalid enum value 'fast'"),
        ("/time", {"advance_milliseconds": 0}, 400, "1 millisecond or more"),
        ("/time", {"advance_milliseconds": 10**16}, 400, "to the year 9000 at most"),
        ("/time", {"advance_milliseconds": 10**30}, 400, "to the year 9000 at most"),
        ("/crash", {}, 409, "no invocation of it runs now"),
        ("/crash", {"times": 2}, 400, "are for a fault of some kind"),
        ("/crash", {"kind": "throttle", "times": 0}, 400, "1 time or more"),
    ],
)
def test_an_action_that_is_not_possible_is_refused(
    refusing: Client, rest: str, body: Any, status: int, message: str
) -> None:
    answer = refusing.posted(execution("a", rest), json.dumps(body).encode())
    assert (answer[0], message in answer[1]) == (status, True), answer
    assert set(json.loads(answer[1])) in ({"Type", "message"}, {"Type", "Message"})


ACTIONS = [
    *(execution("a", rest) for rest in ("/fork", "/rerun", "/time", "/crash")),
    "/_durable/functions/order/versions",
]


@pytest.mark.parametrize("path", ACTIONS)
def test_an_action_without_the_content_type_of_json_is_refused(refusing: Client, path: str) -> None:
    for kind, status in ((None, 415), ("application/xml", 415), ("text/plain", 403)):
        answer = refusing.posted(path, b"{}", kind)
        assert answer[0] == status, answer


@pytest.mark.parametrize("path", ACTIONS)
@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Origin": "https://evil.example"},
        {"Sec_Fetch_Site": "cross-site"},
    ],
)
def test_an_action_of_another_site_or_to_another_host_is_refused(
    refusing: Client, path: str, headers: dict[str, str]
) -> None:
    status, _ = refusing.refused(path, "POST", Content_Type="application/json", **headers)
    assert status == 403
    assert len(refusing.get("/_durable/executions")["executions"]) == 1


def test_functions_of_this_process_have_no_versions(client: Client) -> None:
    status, body = client.posted("/_durable/functions/order/versions", b"{}")
    assert (status, "are not processes, so they have no versions" in body) == (400, True)
    status, body = client.posted("/_durable/functions/order/versions", b'{"version": "1"}')
    assert (status, "version is for alias" in body) == (400, True)


@pytest.mark.parametrize("path", ACTIONS)
def test_an_action_is_a_post(refusing: Client, path: str) -> None:
    status, body = refusing.refused(path, "PUT")
    assert (status, "not PUT" in body) == (405, True)


def test_code_is_accepted_for_held_executions_alone(refusing: Client) -> None:
    status, text = refusing.posted(execution("a", "/accept-code"), b"{}")
    assert status == 400 and "a is not held" in text

"""A saved history gives the documents of the server that it was saved from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.dev.dev_server_rig import Client, dev_server, execution
from tests.dev.viewer.viewer_rig import as_the_aws_cli_prints, document, page_of, saved, viewed

from durable_execution_sdk.dev.viewer.saved_history import SavedHistory


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with dev_server(tmp_path / "x.db") as server:
        yield Client(server)


def ended(client: Client) -> str:
    arn = client.start("order", "first", {"n": 1})
    client.answer(client.until_waiting("first"))
    client.until_ended("first")
    return arn


def test_the_documents_are_those_of_the_server(client: Client, tmp_path: Path) -> None:
    arn = ended(client)
    with viewed(SavedHistory(saved(client, arn, tmp_path / "h.json"))) as viewer:
        assert document(viewer, arn) == document(client, arn)
        assert viewer.get("/_durable/executions")["executions"] == [
            client.get("/_durable/executions")["executions"][0]
        ]
        for kind in ("input", "result", "error"):
            path = execution(arn, "/payload")
            assert viewer.get(path, kind=kind) == client.get(path, kind=kind)
        [charge] = [
            each for each in document(client, arn)["operations"] if each["name"] == "charge"
        ]
        asked = {"kind": "error", "operation": charge["id"]}
        assert viewer.get(path, **asked) == client.get(path, **asked)


def test_the_history_is_served_as_it_was_saved(client: Client, tmp_path: Path) -> None:
    arn = ended(client)
    with viewed(SavedHistory(saved(client, arn, tmp_path / "h.json"))) as viewer:
        path = execution(arn, "/history").replace("/_durable/", "/2025-12-01/durable-")
        assert viewer.get(path) == page_of(client, arn)


def test_one_that_has_not_ended_stands_at_its_last_event(client: Client, tmp_path: Path) -> None:
    arn = client.start("order", "first", {"n": 1})
    client.until_waiting("first")
    with viewed(SavedHistory(saved(client, arn, tmp_path / "h.json"))) as viewer:
        seen, real = document(viewer, arn), document(client, arn)
        about = viewer.get("/_durable/server")
        assert not about["is_live"]
        assert seen["execution"]["time"]["stands_at"] == about["as_of"]
        for each in (seen, real):
            del each["execution"]["time"], each["execution"]["processes"]
        assert seen == real
        [callback] = viewer.get("/_durable/callbacks")["callbacks"]
        assert callback["path"] == ["approval"]


@pytest.mark.parametrize("form", ["page", "pages", "events"])
def test_what_the_aws_cli_prints_is_read(client: Client, tmp_path: Path, form: str) -> None:
    arn = ended(client)
    page = as_the_aws_cli_prints(page_of(client, arn))
    events = page["Events"]
    forms: dict[str, Any] = {
        "page": page,
        "pages": [{"Events": events[:3], "NextMarker": "x"}, {"Events": events[3:]}],
        "events": events,
    }
    path = tmp_path / "h.json"
    path.write_text(json.dumps(forms[form]))
    with viewed(SavedHistory(path)) as viewer:
        assert not viewer.get("/_durable/server")["is_arn_known"]
        [row] = viewer.get("/_durable/executions")["executions"]
        assert row["durable_execution_name"] == "first"
        found = viewer.get(execution("first"))
        assert found["operations"] == client.get(execution(arn))["operations"]


def test_a_history_without_payloads_says_so_and_shows_the_rest(
    client: Client, tmp_path: Path
) -> None:
    arn = ended(client)
    path = tmp_path / "h.json"
    path.write_text(json.dumps(page_of(client, arn, with_data=False)))
    with viewed(SavedHistory(path)) as viewer:
        assert not viewer.get("/_durable/server")["has_payloads"]
        operations = viewer.get(execution("first"))["operations"]
        names = [each["name"] for each in client.get(execution(arn))["operations"]]
        assert [each["name"] for each in operations] == names


def test_nothing_can_be_done(client: Client, tmp_path: Path) -> None:
    arn = client.start("order", "first", {"n": 1})
    row = client.until_waiting("first")
    callback = row["waiting"][0]["callback_id"]
    with viewed(SavedHistory(saved(client, arn, tmp_path / "h.json"))) as viewer:
        assert viewer.get("/_durable/server")["read_only"]
        for path in (
            execution(arn, "/fork"),
            execution(arn, "/rerun"),
            execution(arn, "/time"),
            execution(arn, "/crash"),
            execution(arn, "/stop").replace("/_durable/", "/2025-12-01/durable-"),
            f"/2025-12-01/durable-execution-callbacks/{callback}/succeed",
            "/2015-03-31/functions/order/invocations?Qualifier=$LATEST",
        ):
            status, text = viewer.posted(path, b"{}")
            assert (status, "only read here" in text) == (403, True), path


def test_other_sites_are_refused(client: Client, tmp_path: Path) -> None:
    arn = ended(client)
    with viewed(SavedHistory(saved(client, arn, tmp_path / "h.json"))) as viewer:
        for headers in (
            {"Host": "evil.example"},
            {"Origin": "http://evil.example"},
            {"Sec-Fetch-Site": "cross-site"},
        ):
            assert viewer.refused("/_durable/executions", **headers)[0] == 403
        with viewer.asked("/executions") as answer:
            assert "default-src 'none'" in answer.headers["content-security-policy"]

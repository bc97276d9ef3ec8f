"""The routes of the web page: its document at every address, its files, and the headers of each answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.dev.dev_server_rig import Client, dev_server

from durable_execution_sdk.dev import page
from durable_execution_sdk.dev.page.routes import POLICY

FILES = Path(page.__file__).parent / "static"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with dev_server(tmp_path / "x.db") as server:
        yield Client(server)


def fetched(client: Client, path: str) -> tuple[int, dict[str, str], bytes]:
    with client.asked(path) as answer:
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, headers, answer.read()


@pytest.mark.parametrize(
    "path",
    ["/", "/executions", "/executions/a%2Fb/timeline?operation=x", "/callbacks", "/functions"],
)
def test_the_document_is_at_every_address(client: Client, path: str) -> None:
    status, headers, body = fetched(client, path)
    assert status == 200
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert headers["content-security-policy"] == POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert body == (FILES / "index.html").read_bytes()


def test_each_file_is_served_as_it_lies_there(client: Client) -> None:
    kinds = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
    for file in FILES.iterdir():
        status, headers, body = fetched(client, f"/page/{file.name}")
        assert (status, body) == (200, file.read_bytes())
        assert headers["content-security-policy"] == POLICY
        assert headers["content-type"].startswith(kinds.get(file.suffix, "text/html"))


@pytest.mark.parametrize(
    "path",
    [
        "/page/",
        "/page/nothing.js",
        "/page/../routes.py",
        "/page/%2e%2e%2froutes.py",
        "/page/..",
        "/x",
    ],
)
def test_nothing_else_is_served(client: Client, path: str) -> None:
    status, _, body = fetched(client, path)
    assert status == 404
    assert b"import" not in body


def test_what_the_policy_forbids_is_not_in_the_files() -> None:
    document = (FILES / "index.html").read_text(encoding="utf-8")
    assert re.findall(r"<script(?![^>]* src=)|<style|\son\w+=|\sstyle=|//", document) == []
    for file in FILES.glob("*.js"):
        text = file.read_text(encoding="utf-8")
        assert (
            re.findall(r"innerHTML|outerHTML|insertAdjacent|\beval\b|document\.write", text) == []
        )


def test_a_module_is_imported_from_a_file_that_is_there() -> None:
    for file in FILES.glob("*.js"):
        for name in re.findall(r'from "\./([^"]+)"', file.read_text(encoding="utf-8")):
            assert (FILES / name).exists(), (file.name, name)


def test_no_module_is_longer_than_300_lines() -> None:
    lengths = {each.name: len(each.read_text("utf-8").splitlines()) for each in FILES.glob("*.js")}
    assert {name: length for name, length in lengths.items() if length > 300} == {}


def test_a_page_of_another_site_is_refused(client: Client) -> None:
    status, _ = client.refused("/executions", Host="evil.example")
    assert status == 403


def test_the_page_is_only_read(client: Client) -> None:
    status, text = client.refused("/executions", "DELETE")
    assert status == 405
    assert "takes GET, not DELETE" in text


def test_the_table_of_criteria_names_tests_that_are_there() -> None:
    folder = Path(__file__).parent.parent / "browser"
    named = re.findall(r"`(test_\w+)::(test_\w+)`", (folder / "criteria.md").read_text("utf-8"))
    assert len(named) > 60
    for module, name in named:
        assert f"def {name}(" in (folder / f"{module}.py").read_text("utf-8"), name

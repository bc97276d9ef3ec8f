"""A source that cannot be opened is refused in words."""

from __future__ import annotations

import json
import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from durable_execution_sdk.cli.main import durable, main
from durable_execution_sdk.emulator.stores.sqlite import SqliteStore

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:f:$LATEST/durable-execution/first/run-1"


def nothing(_: Path) -> None:
    pass


def text(content: str) -> Callable[[Path], None]:
    return lambda path: path.write_text(content) and None


def foreign(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE mine (x)")
    db.close()


def damaged(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\0" + b"x" * 4_000)


def newer(path: Path) -> None:
    SqliteStore(path).close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()


def event(kind: str, number: int) -> dict[str, object]:
    return {"EventType": kind, "EventId": number, "EventTimestamp": 1.0}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (nothing, "there is no file x. Name a store"),
        (lambda path: path.mkdir(), "there is no file x. Name a store"),
        (text(""), "x is not JSON"),
        (text("{}"), "x is not the history of an execution"),
        (text('{"Events": []}'), "does not begin with ExecutionStarted but with nothing"),
        (text(json.dumps([event("StepStarted", 1)])), "does not begin with ExecutionStarted"),
        (
            text(json.dumps([event("ExecutionStarted", 1), event("StepStarted", 3)])),
            "event 2 is missing",
        ),
        (text('{"Events": [{"EventType": 1}], "NextMarker": "m"}'), "only the first part"),
        (text("execution  SUCCEEDED  1\n"), "x is the text that assert_history compares"),
        (foreign, "x is a SQLite database of something else"),
        (damaged, "x is not a SQLite database, or it is damaged"),
        (newer, "x has format 99"),
    ],
)
def test_a_file(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    make: Callable[[Path], object],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "x")
    assert main(["ui", "x", "--no-open"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.startswith("durable: "), words in err) == ("", True, True), err


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["ui", *arguments, "--no-open"]) == 2
    return capsys.readouterr().err


@pytest.fixture
def no_aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("AWS_ENDPOINT_URL_LAMBDA", raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


@pytest.mark.usefixtures("no_aws")
def test_an_endpoint(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    assert f"{url} does not answer" in refused(capsys, ARN, "--endpoint", url)
    assert "not an endpoint URL" in refused(capsys, ARN, "--endpoint", "ftp://x")
    assert "not a durable execution ARN" in refused(capsys, "arn:aws:lambda:x")
    assert "not an AWS region" in refused(capsys, ARN, "--region", "x/y")


@pytest.mark.usefixtures("no_aws")
def test_credentials(capsys: pytest.CaptureFixture[str]) -> None:
    # No call is made without credentials, so no other host is asked.
    assert "no AWS credentials" in refused(capsys, ARN)
    assert "could not be found" in refused(capsys, ARN, "--profile", "nobody")


def test_options_of_an_endpoint_are_for_an_arn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.db"
    SqliteStore(path).close()
    words = refused(capsys, str(path), "--profile", "p")
    assert "are for the ARN of an execution" in words


def test_the_help_names_the_three_kinds_of_source() -> None:
    shown = CliRunner().invoke(durable, ["ui", "--help"]).output
    for word in ("store", "history", "ARN"):
        assert word in shown

"""Checks of a deployed function, read from a server over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from tests.cli.command import Durable
from tests.cli.remote_shop import RemoteShop

_TEMPLATE = """\
Resources:
  Greet:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: {name}
      Runtime: python3.13
      Handler: app.greet
      DurableConfig:
        ExecutionTimeout: 60
      LoggingConfig: {{LogFormat: JSON}}
      AutoPublishAlias: live
      AutoPublishAliasAllProperties: true
"""


def findings(durable: Durable, *words: str) -> list[tuple[Any, ...]]:
    output = durable("doctor", *words, "--json")
    found = output.document["findings"]
    assert output.code == int(any(each["level"] == "error" for each in found)), output.err
    return [(each["file"], each["line"], each["code"], each["message"]) for each in found]


def test_a_function_in_order_has_no_findings(durable: Durable, remote_shop: RemoteShop) -> None:
    remote_shop.start({}, "order", "3")
    output = durable("doctor", "--function", "workflow", "--endpoint", remote_shop.url)
    assert (output.code, output.out, output.err) == (0, "no mistakes found\n", "")


def test_open_executions_of_each_version(durable: Durable, remote_shop: RemoteShop) -> None:
    for name, version in [("a", "1"), ("b", "1"), ("c", "2"), ("d", "3"), ("e", "$LATEST")]:
        remote_shop.start({}, name, version)
    remote_shop.start({}, "ended", "2", until_end=True)
    assert findings(durable, "--function", "workflow", "--endpoint", remote_shop.url) == [
        ("workflow", None, "DOC803", "workflow has 1 open execution on $LATEST"),
        ("workflow", None, "DOC804", "version 1 of workflow has 2 open executions and no alias"),
        ("workflow", None, "DOC804", "version 2 of workflow has 1 open execution and no alias"),
    ]


def test_durability_cannot_be_added(durable: Durable, remote_shop: RemoteShop, place: Path) -> None:
    at = "--function", "greet", "--endpoint", remote_shop.url
    assert findings(durable, *at) == [("greet", None, "DOC801", "greet has no DurableConfig")]
    (place / "template.yaml").write_text(_TEMPLATE.format(name="greet"))
    message = "greet exists without the DurableConfig of Greet"
    assert findings(durable, *at) == [("template.yaml", 8, "DOC801", message)]


def test_a_function_that_is_not_deployed_yet(
    durable: Durable, remote_shop: RemoteShop, place: Path
) -> None:
    at = "--function", "greet-anew", "--endpoint", remote_shop.url
    output = durable("doctor", *at)
    assert output.code == 2
    assert "greet-anew" in output.err
    (place / "template.yaml").write_text(_TEMPLATE.format(name="greet-anew"))
    output = durable("doctor", *at)
    assert output.code == 0
    assert "greet-anew is not deployed at" in output.err


def test_a_name_that_cloudformation_made(
    durable: Durable, remote_shop: RemoteShop, place: Path
) -> None:
    functions = remote_shop.rig.emulator.functions
    greet = functions.get("greet")
    assert greet is not None
    (place / "template.yaml").write_text(_TEMPLATE.format(name="!Ref AWS::NoValue"))
    at = "--function", "greet", "--endpoint", remote_shop.url
    assert [code for _, _, code, _ in findings(durable, *at)] == ["DOC801"]


class Answers(BaseHTTPRequestHandler):
    """Answers of Lambda's API, by the end of the path."""

    answers: dict[str, tuple[int, Any]] = {}
    date: str | None = None

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].rpartition("/")[2]
        status, body = self.answers.get(path, (403, {"Message": "no permission"}))
        content = json.dumps(body).encode()
        self.send_response_only(status)
        if self.date is not None:
            self.send_header("Date", self.date)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing."""


@pytest.fixture
def api() -> Iterator[tuple[type[Answers], str]]:
    """Serve answers that the engine never gives."""
    answers = type("Answers", (Answers,), {"answers": {}, "date": None})
    with ThreadingHTTPServer(("127.0.0.1", 0), answers) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield answers, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def described(**changes: Any) -> tuple[int, Any]:
    arn = "arn:aws:lambda:us-east-1:123456789012:function:orders"
    return 200, {
        "Configuration": {"FunctionArn": arn, "DurableConfig": {"ExecutionTimeout": 60}, **changes}
    }


def test_runtime_and_log_format(
    durable: Durable, api: tuple[type[Answers], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, url = api
    answers.answers["orders"] = described(Runtime="python3.11", LoggingConfig={"LogFormat": "Text"})
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    output = durable("doctor", "--function", "orders", "--endpoint", url, "--json")
    assert [each["code"] for each in output.document["findings"]] == ["DOC802", "DOC806"]
    # What the endpoint refuses or does not tell is said.
    assert [each.partition(":")[0] for each in output.document["notes"]] == [
        "clock",
        "aliases",
        "open executions",
    ]
    assert output.document["counts"] == {"error": 1, "warning": 0, "note": 1}


@pytest.mark.parametrize(
    ("date", "words"),
    [
        ("Mon, 01 Jan 2001 00:00:00 GMT", "ahead of that of the endpoint"),
        ("Fri, 01 Jan 2100 00:00:00 GMT", "behind that of the endpoint"),
        ("yesterday", None),
    ],
)
def test_clock_skew(
    date: str, words: str | None, durable: Durable, api: tuple[type[Answers], str]
) -> None:
    answers, url = api
    answers.answers.update(
        {"orders": described(), "aliases": (200, {"Aliases": []})},
    )
    answers.date = date
    found = durable("doctor", "--function", "orders", "--endpoint", url, "--json").document
    assert [each["code"] for each in found["findings"]] == (["DOC805"] if words else [])
    assert all((words or "") in each["message"] for each in found["findings"])


def test_a_time_that_the_endpoint_refuses(durable: Durable, api: tuple[type[Answers], str]) -> None:
    answers, url = api
    refusal = "Signature expired: 20261130T000000Z is now earlier than 20261130T010000Z"
    answers.answers["orders"] = (403, {"message": refusal})
    output = durable("doctor", "--function", "orders", "--endpoint", url)
    assert output.code == 1
    assert "DOC805" in output.out


def test_an_endpoint_that_refuses_or_does_not_answer(
    durable: Durable, api: tuple[type[Answers], str]
) -> None:
    _, url = api
    output = durable("doctor", "--function", "orders", "--endpoint", url)
    assert output.code == 2
    assert "lambda:GetFunction" in output.err
    output = durable("doctor", "--function", "orders", "--endpoint", "http://127.0.0.1:9")
    assert output.code == 2
    assert "does not answer" in output.err

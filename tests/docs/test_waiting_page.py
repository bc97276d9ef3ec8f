"""The page about waiting and people: its site, its calls of boto3 and its commands work."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType, SimpleNamespace
from typing import Any

import botocore.session
import pytest
from tests.docs.aws_command_lines import check
from tests.docs.command_lines import parsed
from tests.docs.page_modules import module_of
from tests.docs.tables import DOCS
from tests.rig import Rig

from durable_execution_sdk.server.http_server import serve

PAGE = "waiting-and-people.md"
LINES = [
    line
    for block in re.findall(r"```sh\n(.*?)```", (DOCS / PAGE).read_text("utf-8"), re.DOTALL)
    for line in block.splitlines()
]
COMMANDS = [line for line in LINES if line.startswith("durable ")]
AWS_LINES = [line for line in LINES if line.startswith("aws ")]


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Run the page, with clients of botocore, which boto3 makes of it."""
    clients = SimpleNamespace(client=botocore.session.Session().create_client)
    monkeypatch.setitem(sys.modules, "boto3", clients)
    return module_of(PAGE, monkeypatch)


@dataclass
class Waiting:
    """An execution that waits for its approval, behind a server that boto3 calls."""

    rig: Rig
    arn: str
    callback_id: str
    token: str

    def result(self) -> Any:
        ran = self.rig.drive(self.arn)
        assert ran.status == "SUCCEEDED"
        return ran.result


@pytest.fixture
def waiting(page: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Iterator[Waiting]:
    page.mails.clear()
    rig = Rig(page.reimburse)
    arn = rig.start({"id": "E-3", "amount": 80, "approver": "ada@example.com"})
    rig.drive(arn, until=rig.clock.now() + 1_000)
    [token] = [link.rpartition("/")[2] for link in page.mails]
    callback_id, _ = page.LINKS.loads(token)
    with serve(rig.driver, workers=0) as server:
        for name, value in {
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_ENDPOINT_URL_LAMBDA": server.url,
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "x",
        }.items():
            monkeypatch.setenv(name, value)
        yield Waiting(rig, arn, callback_id, token)


def test_boto3_answers(page: ModuleType, waiting: Waiting) -> None:
    page.still_working(waiting.callback_id)
    page.approve(waiting.callback_id, "Ada")
    assert waiting.result() == "paid, approved by Ada"


def test_boto3_gives_up(page: ModuleType, waiting: Waiting) -> None:
    page.give_up(waiting.callback_id, "Ada is on leave")
    assert waiting.result() == "could not be decided: Ada is on leave"


def test_a_link_leads_to_a_handler_without_a_framework(page: ModuleType, waiting: Waiting) -> None:
    def call(token: str, method: str = "POST", **query: str) -> tuple[int, str]:
        event = {
            "rawPath": f"/decide/{token}",
            "requestContext": {"http": {"method": method}},
            "queryStringParameters": query,
        }
        if not query:
            del event["queryStringParameters"]
        answer = page.answer_by_link(event, None)
        assert answer["headers"] == {"content-type": "text/html"}
        return answer["statusCode"], answer["body"]

    assert call(waiting.token, "GET") == (200, page.FORM)
    assert call(waiting.token + "x", approved="true")[0] == 403
    assert call(waiting.token)[0] == 400
    assert call(waiting.token, approved="true") == (200, "thank you")
    assert call(waiting.token, approved="false")[0] == 409
    assert waiting.result() == "paid, approved by ada@example.com"


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_has_the_options_that_the_page_gives_it(line: str) -> None:
    with parsed(line) as context:
        assert context.command.name


def test_there_are_commands() -> None:
    assert len(COMMANDS) == 4


@pytest.mark.parametrize("line", AWS_LINES)
def test_a_call_of_the_aws_command_is_one_of_the_model(line: str) -> None:
    check(line)

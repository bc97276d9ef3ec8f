"""The options of an endpoint, and endpoints that refuse."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
from starlette.middleware import Middleware
from tests.cli.command import Durable
from tests.cli.process import running
from tests.cli.remote_shop import RemoteShop

from durable_execution_sdk.server.http_server import serve

Message = MutableMapping[str, Any]


class Refusals:
    """Middleware that refuses requests by the end of their path, with a status and a code."""

    by_end: dict[str, tuple[int, str]]

    def __init__(
        self, app: Callable[..., Awaitable[None]], by_end: dict[str, tuple[int, str]]
    ) -> None:
        self._app = app
        self._by_end = by_end

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        path = str(scope.get("path", ""))
        refusal = next((each for end, each in self._by_end.items() if path.endswith(end)), None)
        if refusal is None:
            await self._app(scope, receive, send)
            return
        status, code = refusal
        headers = [(b"x-amzn-errortype", code.encode()), (b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps({"message": code}).encode()})


class RefusingShop(RemoteShop):
    """A shop whose server refuses the requests in ``refusals``."""

    def __init__(self) -> None:
        super().__init__()
        self.refusals: dict[str, tuple[int, str]] = {}


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[RefusingShop]:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    made = RefusingShop()
    middleware = [Middleware(Refusals, by_end=made.refusals)]
    with serve(made.rig.driver, workers=0, middleware=middleware) as server:
        made.url = server.url
        yield made


def test_options_stand_before_the_command_or_after_it(durable: Durable, shop: RefusingShop) -> None:
    shop.start({"ask": 1}, "one")
    before = durable("--endpoint", shop.url, "list", "workflow", "--json")
    assert [each["durable_execution_name"] for each in before.document] == ["one"]
    assert durable("list", "workflow", "--endpoint", shop.url, "--json").document == before.document
    nowhere = "http://127.0.0.1:9"
    after = durable("--endpoint", nowhere, "list", "workflow", "--endpoint", shop.url, "--json")
    assert after.document == before.document
    counted = durable("--endpoint", shop.url, "versions", "workflow", "--json").document
    assert sum(each["open_executions"] for each in counted["versions"]) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "app.py"), "aws lambda invoke"),
        (("start", "orders"), "aws lambda invoke"),
        (("dev",), "it is an endpoint itself"),
        (("logs", "one"), "aws logs tail"),
        (("functions",), "aws lambda list-functions"),
        (("publish", "orders"), "aws lambda publish-version"),
        (("delete", "one"), "aws lambda delete-durable-execution"),
        (("time", "one"), "time passes as it does"),
        (("crash", "one"), "try crashes with `durable dev`"),
        (("rerun", "one"), "durable fork"),
        (("lint", "app.py"), "leave out --endpoint"),
    ],
)
def test_commands_of_this_computer_refuse_an_endpoint_with_the_way_there(
    durable: Durable, words: tuple[str, ...], said: str
) -> None:
    for option in ("--endpoint", "--profile", "--region"):
        refused = durable(option, "x", *words)
        assert refused.code == 2
        assert f"`durable {words[0]}` works on this computer only" in refused.err
        assert said in refused.err


def test_a_store_and_an_endpoint_exclude_one_another(
    durable: Durable, shop: RefusingShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = durable("show", "workflow/one", "--store", "x.db", "--endpoint", shop.url)
    assert (refused.code, "leave one out" in refused.err) == (2, True)
    # The environment only has a default.
    monkeypatch.setenv("DURABLE_STORE", "x.db")
    shop.start({"ask": 1}, "one")
    assert durable("show", "workflow/one", "--endpoint", shop.url).code == 0


@pytest.mark.parametrize(
    "words",
    [
        ("list", "workflow"),
        ("show", "workflow/one"),
        ("stop", "workflow/one"),
        ("fork", "workflow/one"),
    ],
)
def test_a_profile_that_is_not_there_is_told(
    durable: Durable, monkeypatch: pytest.MonkeyPatch, place: Path, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(place / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(place / "none"))
    refused = durable(*words, "--profile", "staging", "--region", "eu-west-1")
    assert (refused.code, "staging" in refused.err) == (2, True)
    assert "internal error" not in refused.err


@pytest.mark.parametrize(
    "words",
    [
        ("list",),
        ("list", "workflow"),
        ("show", "workflow/one"),
        ("history", "workflow/one"),
        ("pause", "workflow/one"),
        ("callback", "succeed", "workflow/one", "--anyway"),
    ],
)
def test_an_endpoint_that_does_not_answer_is_told(
    durable: Durable, shop: RefusingShop, words: tuple[str, ...]
) -> None:
    refused = durable(*words, "--endpoint", "http://127.0.0.1:9")
    assert refused.code == 2
    assert "http://127.0.0.1:9 does not answer" in refused.err


def test_an_answer_without_a_result_is_meant_at_an_endpoint(
    durable: Durable, shop: RefusingShop
) -> None:
    words = ("callback", "succeed", "workflow/one", "--endpoint", "http://127.0.0.1:9")
    refused = durable(*words)
    assert refused.code == 2
    assert "an answer without --data is None there" in refused.err
    for meant in (("--anyway",), ("--data", "null")):
        assert "http://127.0.0.1:9 does not answer" in durable(*words, *meant).err


def test_a_list_without_permission_for_histories_says_so(
    durable: Durable, shop: RefusingShop
) -> None:
    shop.start({"ask": 1}, "one")
    shop.start({"ask": 1}, "two")
    shop.refusals["/history"] = (403, "AccessDeniedException")
    listed = durable("list", "workflow", "--endpoint", shop.url, "--json")
    assert [each["status"] for each in listed.document] == ["RUNNING", "RUNNING"]
    assert [each["operations"] for each in listed.document] == [None, None]
    assert listed.err.count("lambda:GetDurableExecutionHistory") == 1
    shop.refusals["/functions"] = (403, "AccessDeniedException")
    refused = durable("list", "--endpoint", shop.url)
    assert (refused.code, "lambda:ListFunctions" in refused.err) == (2, True)


@pytest.mark.parametrize(
    ("end", "words", "verb", "action"),
    [
        ("/stop", ("stop", "workflow/one"), "stop", "StopDurableExecution"),
        ("/pause", ("pause", "workflow/one"), "pause", "PauseDurableExecution"),
        ("/resume", ("resume", "workflow/one"), "resume", "ResumeDurableExecution"),
        (
            "/succeed",
            ("callback", "succeed", "workflow/one", "--data", "1"),
            "answer",
            "SendDurableExecutionCallbackSuccess",
        ),
        ("/fail", ("callback", "fail", "workflow/one"), "answer", "CallbackFailure"),
        ("/heartbeat", ("callback", "heartbeat", "workflow/one"), "answer", "CallbackHeartbeat"),
        ("/history", ("show", "workflow/one"), "read", "GetDurableExecutionHistory"),
        ("/history", ("fork", "workflow/one"), "fork", "InvokeFunction"),
    ],
)
def test_a_permission_that_is_missing_has_its_name(
    durable: Durable,
    shop: RefusingShop,
    end: str,
    words: tuple[str, ...],
    verb: str,
    action: str,
) -> None:
    shop.start({"ask": 1}, "one")
    shop.refusals[end] = (403, "AccessDeniedException")
    refused = durable(*words, "--endpoint", shop.url)
    assert refused.code == 2
    assert f"{shop.url} does not let you {verb} the " in refused.err
    assert action in refused.err


def test_a_watch_outlasts_an_endpoint_that_fails_for_a_while(
    durable: Durable, shop: RefusingShop, place: Path
) -> None:
    shop.start({"ask": 1}, "one")
    with running(place, "watch", "workflow/one", "--endpoint", shop.url) as watching:
        watching.until("answer with: ")
        shop.refusals["/history"] = (503, "ServiceException")
        watching.until("asking again")
        shop.refusals.clear()
        assert durable("stop", "workflow/one", "--endpoint", shop.url).code == 0
        watching.until("ExecutionStopped")
        assert watching.end() == 1


def test_a_watch_ends_if_asking_again_does_not_help(shop: RefusingShop, place: Path) -> None:
    shop.start({"ask": 1}, "one")
    with running(place, "watch", "workflow/one", "--endpoint", shop.url) as watching:
        watching.until("answer with: ")
        shop.refusals["/history"] = (403, "AccessDeniedException")
        watching.until("does not let you read the execution")
        assert watching.end() == 2


def test_the_arn_of_an_execution_elsewhere_names_the_options(durable: Durable, place: Path) -> None:
    (place / "app.py").write_text(
        "from durable_execution_sdk import *\n@durable_execution\nasync def f(event, ctx): return 1\n"
    )
    assert durable("run", "app.py", "--input", "1").code == 0
    arn = "arn:aws:lambda:eu-west-1:123456789012:function:f:1/durable-execution/order/7"
    refused = durable("show", arn)
    assert (refused.code, "one at AWS takes --region eu-west-1" in refused.err) == (2, True)


def test_an_execution_here_is_watched_as_it_is_shown(durable: Durable, place: Path) -> None:
    (place / "app.py").write_text(
        "from durable_execution_sdk import *\n@durable_execution\nasync def f(event, ctx): return 1\n"
    )
    durable("run", "app.py", "--input", "1", "--name", "one")
    watched = durable("watch", "one")
    assert (watched.code, watched.result) == (0, 1)
    assert watched.out == durable("show", "one", "--follow").out
    assert durable("watch", "one", "--json").document["status"] == "SUCCEEDED"


def test_the_page_takes_the_name_of_an_execution(
    durable: Durable, shop: RefusingShop, place: Path
) -> None:
    shop.start({"ask": 1}, "one")
    at = ("--endpoint", shop.url, "--port", "0", "--no-open")
    with running(place, "ui", "workflow/one", *at) as page:
        page.until("http://127.0.0.1:")
        page.interrupt()
        assert page.end() == 0
    refused = durable("ui", "workflow/two", *at)
    assert (refused.code, "workflow has no execution 'two'" in refused.err) == (2, True)

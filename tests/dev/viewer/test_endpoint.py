"""An execution at an endpoint of Lambda's API: our server, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.dev.dev_server_rig import Client, dev_server, execution
from tests.dev.viewer.viewer_rig import document, viewed

from durable_execution_sdk import DurableContext, durable_execution
from durable_execution_sdk.client.endpoint_connection import EndpointOptions
from durable_execution_sdk.dev.viewer.endpoint import EndpointExecution, Pace
from durable_execution_sdk.errors import ServiceError

pytestmark = pytest.mark.dev

QUICK = Pace(first=0.02, longest=0.1)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with dev_server(tmp_path / "x.db") as server:
        yield Client(server)


def at(client: Client, arn: str) -> EndpointExecution:
    return EndpointExecution(arn, EndpointOptions(url=client.server.url), {}, QUICK)


def test_the_documents_are_those_of_the_server(client: Client) -> None:
    arn = client.start("spread", "first")
    client.answer(client.until_waiting("first"))
    client.until_ended("first")
    with viewed(at(client, arn)) as viewer:
        assert document(viewer, arn) == document(client, arn)
        about = viewer.get("/_durable/server")
        assert (about["origin"], about["place"]) == ("endpoint", client.server.url)
        assert not about["is_live"]


def test_it_is_live_while_it_is_open(client: Client) -> None:
    arn = client.start("order", "first", {"n": 1})
    row = client.until_waiting("first")
    with viewed(at(client, arn)) as viewer:
        seen = viewer.get(execution(arn))
        assert seen["execution"]["activity"] == "asking"
        with (
            viewer.stream(execution(arn, f"/events?since={seen['position']}")) as changes,
            viewer.stream("/_durable/events") as messages,
        ):
            client.answer(row)
            ended = next(m for m in changes if m["data"]["execution"]["activity"] == "ended")
            assert [each["name"] for each in ended["data"]["operations"]] == ["approval"]
            told = next(each for each in messages if each["event"] == "server")
            assert not told["data"]["is_live"]
        assert document(viewer, arn)["operations"] == document(client, arn)["operations"]


def test_the_executions_that_it_invoked_are_there_and_what_they_wait_for(client: Client) -> None:
    number = client.get("/_durable/executions")["number"]
    arn = client.start("outer", "first")
    client.until(
        f"/_durable/events?since={number}",
        lambda m: m["data"].get("function_name") == "outer" and m["data"]["activity"] == "asking",
    )
    with viewed(at(client, arn)) as viewer:
        row = viewer.get(execution(arn))["execution"]
        assert [each["path"] for each in row["waiting"]] == [["inner", "approval"]]
        [operation] = viewer.get(execution(arn))["operations"]
        invoked = operation["invoked_execution_arn"]
        seen, real = document(viewer, invoked), document(client, invoked)
        for each in (seen, real):
            del each["execution"]["processes"]
        assert seen == real
        assert len(viewer.get("/_durable/callbacks")["callbacks"]) == 1


@durable_execution
async def late(event: Any, ctx: DurableContext) -> Any:
    await (await ctx.create_callback(name="gate"))
    return await ctx.invoke("order:$LATEST", {}, name="inner")


def test_one_that_is_invoked_later_is_announced_with_its_callbacks(client: Client) -> None:
    client.server.functions.add_durable("late", late.bind)
    client.server.announce()
    arn = client.start("late", "first")
    row = client.until_waiting("first")
    with viewed(at(client, arn)) as viewer, viewer.stream("/_durable/events") as messages:
        client.answer(row)
        # Of the row and the callbacks, either may be announced first.
        seen: dict[str, str] = {}
        while len(seen) < 2:
            message = next(messages)
            data = message["data"]
            waiting = data.get("waiting" if message["event"] == "execution" else "callbacks", [])
            if [each["path"] for each in waiting] == [["inner", "approval"]]:
                seen.setdefault(message["event"], data["durable_execution_arn"])
        assert seen == {"execution": arn, "callbacks": arn}
        [callback] = viewer.get("/_durable/callbacks")["callbacks"]
        assert callback["path"] == ["inner", "approval"]
        assert len(viewer.get("/_durable/executions")["executions"]) == 2


def test_an_endpoint_that_does_not_answer_is_told_and_asked_again(tmp_path: Path) -> None:
    store = tmp_path / "x.db"
    with ExitStack() as stack:
        with dev_server(store) as server:
            client, port = Client(server), int(server.url.rpartition(":")[2])
            arn = client.start("order", "first", {"n": 1})
            client.until_waiting("first")
            viewer = stack.enter_context(viewed(at(client, arn)))
            messages = stack.enter_context(viewer.stream("/_durable/events"))
        told = next(each for each in messages if each["event"] == "server")
        assert f"{server.url} does not answer" in told["data"]["trouble"]
        assert viewer.get(execution(arn))["execution"]["status"] == "RUNNING"
        with dev_server(store, port=port):
            told = next(each for each in messages if each["event"] == "server")
            assert told["data"]["trouble"] is None


def test_an_execution_that_is_not_there(client: Client) -> None:
    arn = client.start("order", "first", {"n": 1})
    with pytest.raises(ServiceError, match=r"there is no execution arn:.* at http://127.0.0.1"):
        at(client, arn[:-1] + ("0" if arn[-1] != "0" else "1"))


def test_a_server_that_asks_for_a_token(tmp_path: Path) -> None:
    with dev_server(tmp_path / "x.db", token="secret") as server:
        client = Client(server)
        arn = client.start("order", "first", {"n": 1})
        with pytest.raises(ServiceError, match="does not let you read the execution"):
            at(client, arn)
        keys = {"AWS_ACCESS_KEY_ID": "secret", "AWS_SECRET_ACCESS_KEY": "x"}
        source = EndpointExecution(arn, EndpointOptions(url=server.url), keys, QUICK)
        assert source.about().is_live

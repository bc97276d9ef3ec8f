"""``durable fork`` at an endpoint: the command, the client and the handler talk to a server over HTTP."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.cli.command import Durable, Write
from tests.cli.remote_shop import RemoteShop
from tests.rig import Ran, Rig

from durable_execution_sdk import DurableContext, NoRetry, StepConfig, durable_execution
from durable_execution_sdk.aws import LambdaClient
from durable_execution_sdk.aws.data_plane import LambdaDataPlane
from durable_execution_sdk.cli.store_file import Place
from durable_execution_sdk.dev.discovery_file import DiscoveryFile, ServerAddress
from durable_execution_sdk.emulator.function_caller import Wrappers
from durable_execution_sdk.protocol.control_plane import HistoryPage, HistoryRequest
from durable_execution_sdk.protocol.data_plane import (
    CheckpointRequest,
    CheckpointResponse,
    StatePage,
    StateRequest,
)
from durable_execution_sdk.server.http_server import serve

ENVIRON = {
    "AWS_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "secret",
}
CODE = """
    @durable_execution
    async def shop(event: dict, ctx: DurableContext) -> list:
        price = await ctx.step(lambda: 10, name={0!r})
        config = StepConfig(retry_strategy=NoRetry())
        return [price, await ctx.step(lambda: "shipped", name="ship", config=config)]
"""


class OverHttp:
    """The data plane of a handler over HTTP, made once the server listens."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop

    @asynccontextmanager
    async def plane(self) -> AsyncGenerator[LambdaDataPlane]:
        plane = LambdaDataPlane(LambdaClient(environ=self._shop.environ))
        yield plane
        await plane.aclose()

    async def checkpoint(self, request: CheckpointRequest) -> CheckpointResponse:
        async with self.plane() as plane:
            return await plane.checkpoint(request)

    async def get_state(self, request: StateRequest) -> StatePage:
        async with self.plane() as plane:
            return await plane.get_state(request)

    async def history(self, request: HistoryRequest) -> HistoryPage:
        async with self.plane() as plane:
            return await plane.history(request)

    def now(self) -> int:
        return self._shop.rig.clock.now()


class Shop:
    """A server with a shop that cannot ship; its handler calls the server over HTTP too."""

    def __init__(self) -> None:
        self.charges = 0
        self.is_broken = True

        @durable_execution
        async def shop(event: Any, ctx: DurableContext) -> Any:
            price = await ctx.step(self.charge, name="charge")
            if "ask" in event:
                await (await ctx.create_callback(name="ask"))
            config = StepConfig(retry_strategy=NoRetry())
            return [price, await ctx.step(self.ship, name="ship", config=config), event]

        self.rig = Rig(shop, wrappers=Wrappers(data_plane=lambda _: OverHttp(self)))
        self.environ = {**ENVIRON}

    def charge(self) -> int:
        self.charges += 1
        return 10

    def ship(self) -> str:
        if self.is_broken:
            raise OSError("no truck")
        return "shipped"

    def start(self, event: Any, name: str) -> Ran:
        """Start an execution, and run it until it has ended or waits for an answer."""
        return self.run(self.rig.start(event, name=name))

    def run(self, arn: str) -> Ran:
        """Run an execution until it has ended or waits for an answer."""
        return self.rig.drive(arn, until=self.rig.clock.now() + 1_000)


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    shop = Shop()
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    with serve(shop.rig.driver, workers=0) as server:
        shop.environ["AWS_ENDPOINT_URL_LAMBDA"] = server.url
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", server.url)
        yield shop


def test_an_arn_is_forked_before_the_step_that_failed(durable: Durable, shop: Shop) -> None:
    origin = shop.start({"id": 1}, "one")
    assert (origin.status, shop.charges) == ("FAILED", 1)
    shop.is_broken = False
    output = durable("fork", origin.arn, "--before", "ship")
    assert output.code == 0, output.err
    said, arn = output.out.splitlines()
    assert said == f"{arn.split('/')[-2]} is a fork of one"
    ran = shop.run(arn)
    assert (ran.status, ran.result) == ("SUCCEEDED", [10, "shipped", {"id": 1}])
    assert shop.charges == 1


def test_a_name_needs_its_function_and_a_fork_can_be_forked(durable: Durable, shop: Shop) -> None:
    shop.start({"id": 1}, "two")
    output = durable("fork", "two", "--endpoint", shop.environ["AWS_ENDPOINT_URL_LAMBDA"])
    assert (output.code, output.out) == (2, "")
    assert "write FUNCTION/NAME, FUNCTION/@last" in output.err
    assert durable("fork", "nobody", "--function", "workflow:$LATEST").code == 2
    document = durable(
        *("fork", "two", "--function", "workflow:$LATEST", "--result", 'ship="by hand"', "--json")
    ).document
    first = shop.run(document["durable_execution_arn"])
    assert first.result == [10, "by hand", {"id": 1}]
    again = durable(
        "fork", first.arn, "--input", '{"id": 2}', "--result", "charge=11", "--json"
    ).document
    assert again["origin_arn"] == first.arn
    assert shop.run(again["durable_execution_arn"]).result == [11, "by hand", {"id": 2}]
    assert shop.charges == 1


def test_a_running_execution_is_stopped_if_the_caller_says_so(durable: Durable, shop: Shop) -> None:
    arn = shop.start({"ask": True}, "three").arn
    refused = durable("fork", arn)
    assert refused.code == 2
    assert "--stop" in refused.err
    assert shop.rig.ran(arn).status == "RUNNING"
    output = durable("fork", arn, "--stop", "--result", "ask=1", "--json")
    assert shop.rig.ran(arn).status == "STOPPED"
    shop.is_broken = False
    assert shop.run(output.document["durable_execution_arn"]).result[:2] == [10, "shipped"]


@pytest.mark.parametrize("target", ["shop:nope", "workflow:99", "workflow:nope"])
def test_nothing_is_stopped_for_a_target_that_is_not_there(
    target: str, durable: Durable, shop: Shop
) -> None:
    functions = shop.rig.emulator.functions
    function = functions.get("workflow")
    assert function is not None
    functions.add_version("1", function)
    functions.add_alias("workflow", "live", "1")
    arn = shop.start({"ask": True}, "three").arn
    output = durable("fork", arn, "--function", target, "--stop")
    assert (output.code, output.out) == (2, "")
    assert f"the fork cannot be started on {target}: " in output.err
    assert "Nothing was stopped or started" in output.err
    assert shop.rig.ran(arn).status == "RUNNING"
    assert len(shop.rig.emulator.store.open_heads()) == 1


def test_a_fork_that_is_made_again_is_the_same_while_it_is_open(
    durable: Durable, shop: Shop
) -> None:
    arn = shop.start({"ask": True}, "three").arn
    words = ("fork", arn, "--stop", "--function", "workflow:$LATEST")
    first = durable(*words, "--json").document
    again = durable(*words)
    assert again.code == 0, again.err
    said, same = again.out.splitlines()
    assert same == first["durable_execution_arn"]
    assert said.endswith("is a fork of three already, and still open")
    shop.run(same)
    document = durable(*words, "--json").document
    assert (document["durable_execution_arn"], document["is_new"]) == (same, False)
    # With another input it is another fork, and both would go on.
    other = durable(*words, "--input", "{}")
    assert (other.code, other.out) == (2, "")
    assert f"three was stopped for its fork {same.split('/')[-2]}, which is RUNNING" in other.err
    assert len(shop.rig.emulator.store.open_heads()) == 1
    shop.rig.emulator.stop(same)
    once_more = durable(*words, "--json").document
    assert once_more["is_new"]
    assert once_more["durable_execution_arn"] != same
    assert len(shop.rig.emulator.store.open_heads()) == 1


def test_a_fork_that_has_ended_is_made_anew(durable: Durable, shop: Shop) -> None:
    origin = shop.start({"id": 1}, "one")
    failed = shop.run(
        durable("fork", origin.arn, "--before", "ship", "--json").document["durable_execution_arn"]
    )
    assert failed.status == "FAILED"
    shop.is_broken = False
    again = shop.run(
        durable("fork", origin.arn, "--before", "ship", "--json").document["durable_execution_arn"]
    )
    assert (again.status, again.arn != failed.arn) == ("SUCCEEDED", True)


def test_code_is_tried_before_anything_is_started(
    durable: Durable, shop: Shop, write: Write
) -> None:
    origin = shop.start({"id": 1}, "four")
    other = write(CODE.format("pay"), "other.py")
    output = durable("fork", origin.arn, "--before", "ship", "--code", other)
    assert output.code == 2
    assert "other.py would ask for step 'pay'" in output.err
    assert "where the history has step 'charge'" in output.err
    assert not shop.rig.emulator.store.open_heads()
    same = write(CODE.format("charge"), "same.py")
    forked = durable("fork", origin.arn, "--before", "ship", "--code", same)
    assert forked.code == 0
    tried = "same.py goes on from there; the fork runs the code of the version of its origin\n"
    assert tried in forked.err


@pytest.mark.parametrize("end", ["os._exit(0)", "os._exit(3)"])
def test_code_that_ends_its_process_stops_no_origin(
    end: str, durable: Durable, shop: Shop, write: Write
) -> None:
    arn = shop.start({"ask": True}, "four").arn
    code = f"import os\n@durable_execution\nasync def shop(event, ctx):\n    {end}\n"
    output = durable("fork", arn, "--stop", "--code", write(code, "ends.py"))
    assert (output.code, output.out) == (2, "")
    assert "the code at hand cannot go on from there" in output.err
    assert "with ends.py ended (exit code" in output.err
    assert shop.rig.ran(arn).status == "RUNNING"


def test_an_execution_is_found_by_its_name_on_another_version_than_that_of_its_fork(
    durable: Durable, remote_shop: RemoteShop
) -> None:
    origin = remote_shop.start({}, "one", "1")
    at = ("--endpoint", remote_shop.url, "--json")
    document = durable("fork", "one", "--function", "workflow:2", "--stop", *at).document
    assert document["origin_arn"] == origin
    assert ":workflow:2/" in document["durable_execution_arn"]


def test_the_server_that_runs_the_store_is_named_as_an_endpoint(
    durable: Durable, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ENDPOINT_URL_LAMBDA"):
        monkeypatch.delenv(name, raising=False)
    file = write(CODE.format("charge"))
    assert durable("run", file, "--name", "local", "--input", "{}").code == 0
    store = Place(None).path
    discovery = DiscoveryFile(store)
    address = ServerAddress(url="http://127.0.0.1:9014", pid=1, store=str(store))
    discovery.write(address)
    try:
        for words in (
            ("fork", "local", "--stop"),
            ("versions", "shop"),
            ("replay", file, "--function", "shop"),
        ):
            output = durable(*words)
            assert (output.code, output.out) == (2, "")
            assert "--endpoint http://127.0.0.1:9014" in output.err
    finally:
        discovery.close()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--before", "nothing"], "there is no operation 'nothing'"),
        (["--result", "nothing=1"], "there is no operation 'nothing'"),
        (["--result", "ship"], "write it as OPERATION=JSON"),
        (["--function", "workflow"], "lacks a version or an alias"),
        (["--as", "name"], "a fork has its own name"),
        (["--input", "{"], "--input is not JSON"),
    ],
)
def test_wrong_options_are_refused(
    words: list[str], said: str, durable: Durable, shop: Shop
) -> None:
    origin = shop.start({"id": 1}, "five")
    output = durable("fork", origin.arn, *words)
    assert (output.code, output.out) == (2, "")
    assert said in output.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--function", "shop:1"], "the function of its origin"),
        (["--stop"], "durable stop NAME"),
        (["--code", "app.py"], "durable run FILE"),
    ],
)
def test_a_store_has_no_such_options(
    words: list[str], said: str, durable: Durable, write: Write
) -> None:
    file = write(CODE.format("charge"))
    assert durable("run", file, "--name", "local", "--input", "{}").code == 0
    output = durable("fork", "local", *words)
    assert output.code == 2
    assert said in output.err


def test_an_arn_that_the_store_lacks_needs_an_endpoint(
    durable: Durable, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL_LAMBDA", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    arn = "arn:aws:lambda:us-east-1:123456789012:function:shop:1/durable-execution/order/7"
    output = durable("fork", arn)
    assert output.code == 2
    assert "is not in the store, so it would be at an endpoint" in output.err
    assert "no AWS credentials" in output.err

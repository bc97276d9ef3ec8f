"""References to functions, and the functions that calls of a client mean."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from tests.client.shop import Order, Receipt, asks, order
from tests.rig import Rig

from durable_execution_sdk import (
    ConfigError,
    DurableContext,
    JsonSerDes,
    PassThroughSerDes,
    PayloadSizeError,
    SerDesError,
    ServiceError,
    durable_execution,
)
from durable_execution_sdk.client import DurableClient, FunctionRef
from durable_execution_sdk.client.function_ref import is_qualified, split_name
from durable_execution_sdk.emulator.control_plane import EmulatorControlPlane
from durable_execution_sdk.protocol.control_plane import InvokeRequest, InvokeResponse
from durable_execution_sdk.testing import LocalDurableTestRunner

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:orders"


@pytest.mark.parametrize("name", ["orders", ARN, f"{ARN}:", "123456789012:function:orders"])
def test_a_function_without_a_version_is_refused_with_the_cure(name: str) -> None:
    with pytest.raises(ConfigError, match="lacks a version or an alias") as raised:
        FunctionRef(name)
    bare = name.rstrip(":")
    assert f"'{bare}:live'" in str(raised.value)


@pytest.mark.parametrize("name", ["orders:live", "orders:7", "orders:$LATEST", f"{ARN}:live"])
def test_a_qualified_name_is_taken(name: str) -> None:
    assert FunctionRef(name).name == name
    assert is_qualified(name)
    assert repr(FunctionRef(name)) == f"<FunctionRef {name}>"
    assert split_name(name) == tuple(name.rsplit(":", 1))


@pytest.mark.parametrize("name", ["", "a" * 300 + ":1", "Zähler:1", "a\nb:1", 3, None])
def test_what_is_no_name_is_refused(name: Any) -> None:
    with pytest.raises(ConfigError, match="name or ARN of a function"):
        FunctionRef(name)


def test_one_source_of_types_is_enough() -> None:
    for options in (
        {"handler": order, "input": Order},
        {"handler": order, "serdes": JsonSerDes(int)},
        {"output": Receipt, "serdes": JsonSerDes(int)},
    ):
        with pytest.raises(ConfigError, match="one of these"):
            FunctionRef("orders:live", **options)


def test_a_type_that_cannot_be_read_is_named() -> None:
    with pytest.raises(ConfigError, match=r"FunctionRef\('orders:live'\).output: "):
        FunctionRef("orders:live", output=asyncio.Lock)
    with pytest.raises(ConfigError, match="handler that @durable_execution made"):
        FunctionRef("orders:live", handler=order.__wrapped__)
    with pytest.raises(ConfigError, match="must be a serdes"):
        FunctionRef("orders:live", serdes=JsonSerDes)


class Recorder:
    """A control plane that takes down starts and starts nothing, for names that are deployed nowhere."""

    def __init__(self) -> None:
        self.requests: list[InvokeRequest] = []

    async def invoke(self, request: InvokeRequest) -> InvokeResponse:
        self.requests.append(request)
        return InvokeResponse(status_code=202, durable_execution_arn="arn:1")


def client_over(control: Any, **options: Any) -> DurableClient:
    return DurableClient(control_plane=control, **options)


def started(function: Any, event: Any, **options: Any) -> InvokeRequest:
    control = Recorder()
    asyncio.run(client_over(control, **options).start(function, event))
    [request] = control.requests
    return request


def test_a_handler_is_the_function_that_the_client_knows() -> None:
    functions = {order: "orders:live"}
    known = started(order, Order("A", 1), functions=functions)
    assert (known.function_name, known.payload) == ("orders:live", b'{"id":"A","amount":1}')
    # A handler that is bound to a client is the same workflow.
    bound = order.bind(object())
    assert started(bound, Order("A", 1), functions=functions).function_name == "orders:live"
    assert started(asks, None, functions=functions).function_name == "asks:$LATEST"


def test_an_event_is_written_by_the_serdes_of_the_reference() -> None:
    text = FunctionRef("text:1", serdes=PassThroughSerDes())
    assert started(text, "plain").payload == b"plain"
    typed = FunctionRef("orders:live", input=Order)
    with pytest.raises(SerDesError, match="the event for orders:live"):
        started(typed, {"id": "A", "amount": object()})
    with pytest.raises(SerDesError, match="the event for orders:live"):
        started(typed, {1, 2})
    with pytest.raises(SerDesError, match=r"Expected `int`.*amount"):
        started(order, {"id": "A", "amount": "much"})
    assert started(typed, {"id": "A", "amount": 3}).payload == b'{"id":"A","amount":3}'
    with pytest.raises(PayloadSizeError, match=r"1,048,5\d\d"):
        started("orders:live", "a" * 2**20)


@pytest.mark.parametrize("name", ["", "a b", "ä", "a" * 65, "a/b", 3])
def test_a_name_that_the_service_refuses_is_refused_at_once(name: Any) -> None:
    control = Recorder()
    with pytest.raises(ConfigError, match="1 to 64 letters"):
        asyncio.run(client_over(control).start("orders:live", {}, name=name))
    assert control.requests == []


def test_at_aws_a_handler_has_no_name_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    client = DurableClient(region="eu-west-1")
    with pytest.raises(ConfigError, match=r"deployed names: .*functions=\{order: 'NAME:ALIAS'\}"):
        asyncio.run(client.start(order, Order("A", 1)))


def test_what_is_no_function_is_refused() -> None:
    client = client_over(Recorder())
    wrong: Any
    for wrong in (order.__wrapped__, 3, None):
        with pytest.raises(ConfigError, match="takes a handler of @durable_execution"):
            asyncio.run(client.start(wrong, {}))
    with pytest.raises(ConfigError, match="has a handler of @durable_execution as each key"):
        client_over(Recorder(), functions={"orders": "orders:live"})
    with pytest.raises(ConfigError, match="lacks a version or an alias"):
        client_over(Recorder(), functions={order: "orders"})


def test_a_handler_that_is_deployed_under_another_name_is_told_how_to_be_named() -> None:
    @durable_execution
    async def process_order(event: Any, ctx: DurableContext) -> None:
        pass

    control = EmulatorControlPlane(Rig(order).driver)

    async def refusal(client: DurableClient, call: str, function: Any) -> str:
        with pytest.raises(ServiceError, match=f"client.{call}: there is no function") as raised:
            if call == "start":
                await client.start(function, None)
            elif call == "execution":
                await client.execution("name", function)
            else:
                [each async for each in client.list(function)]
        assert raised.value.code == "ResourceNotFoundException"
        return str(raised.value)

    for call in ("start", "execution", "list"):
        told = asyncio.run(refusal(client_over(control), call, process_order))
        assert told.endswith('functions={process_order: "ProcessOrder:$LATEST"}')
        told = asyncio.run(refusal(client_over(control), call, "process_order:$LATEST"))
        assert "functions=" not in told
        named = client_over(control, functions={process_order: "Other:$LATEST"})
        assert "functions=" not in asyncio.run(refusal(named, call, process_order))


def test_options_that_contradict_one_another_are_refused() -> None:
    with pytest.raises(ConfigError, match="not of both"):
        client_over(Recorder(), region="eu-west-1")
    with pytest.raises(ConfigError, match="longest_pause"):
        client_over(Recorder(), longest_pause=0)


def test_a_name_is_found_whatever_the_alias_stands_for_now() -> None:
    rig = Rig(order)
    functions = rig.emulator.functions
    deployed = functions.get("workflow")
    assert deployed is not None
    for version in ("1", "2"):
        functions.add_version(version, deployed)
    functions.add_alias("workflow", "live", "1")
    live = FunctionRef("workflow:live", handler=order)
    client = client_over(EmulatorControlPlane(rig.driver))

    async def run() -> None:
        handle = await client.start(live, Order("A", 1), name="old")
        functions.add_alias("workflow", "live", "2")
        assert (await client.execution("old", live)).arn == handle.arn
        assert (await client.execution("old", "workflow:live")).arn == handle.arn
        assert [each.arn async for each in client.list(live)] == [handle.arn]
        assert [each.arn async for each in client.list("workflow:live")] == []
        with pytest.raises(ConfigError, match="most is a whole number from 1 on"):
            [each async for each in client.list(live, most=0)]

    asyncio.run(run())


class Boxed:
    """Puts a text in a box."""

    def serialize(self, value: str, context: Any, /) -> str:
        return json.dumps({"box": value})

    def deserialize(self, payload: str, context: Any, /) -> str:
        box: str = json.loads(payload)["box"]
        return box


@durable_execution(serdes=Boxed())
async def shout(event: str, ctx: DurableContext) -> str:
    return event.upper()


def test_a_serdes_of_the_handler_reads_and_writes() -> None:
    with LocalDurableTestRunner(shout).sync.client() as client:
        for function in (shout, FunctionRef("shout:$LATEST", serdes=Boxed())):
            handle = client.start(function, "hello")
            assert handle.result() == "HELLO"
            assert handle.describe().input_payload == '{"box": "hello"}'
            assert client.start("shout:$LATEST", {"box": "b"}).result() == {"box": "B"}

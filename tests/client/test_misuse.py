"""Arguments of a wrong type are refused by name, before anything is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest
from tests.client.shop import order
from tests.rig import Rig

from durable_execution_sdk import ConfigError
from durable_execution_sdk.client import DurableClient, SyncDurableClient
from durable_execution_sdk.emulator.control_plane import EmulatorControlPlane

AT = "http://127.0.0.1:1"
ARN = "arn:aws:lambda:us-east-1:123456789012:function:orders:1/durable-execution/n/1"
OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"endpoint": 123}, "endpoint is a text, not 123"),
    ({"endpoint": b"http://a"}, "endpoint is a text, not b'http://a'"),
    ({"endpoint": AT, "region": 1}, "region is a text, not 1"),
    ({"profile": 5}, "profile is a text, not 5"),
    ({"endpoint": AT, "token": 5}, "token is a text, not 5"),
    ({"endpoint": AT, "token": "secret\n"}, "token has a new line"),
    ({"endpoint": AT, "functions": ["a"]}, "functions is a mapping of handlers to names"),
    ({"endpoint": AT, "functions": {"a": "b:c"}}, "a handler of @durable_execution as each key"),
]


@pytest.mark.parametrize(("options", "message"), OPTIONS)
def test_options_of_a_client(options: dict[str, Any], message: str) -> None:
    for face in (DurableClient, SyncDurableClient):
        with pytest.raises(ConfigError, match=message):
            face(**options)


CALLS: list[tuple[Callable[[Any], Any], str]] = [
    (lambda client: client.list("orders", statuses=None), "statuses is a list of texts, not None"),
    (
        lambda client: client.list("orders", most="3"),
        "most is a whole number from 1 on, .* not '3'",
    ),
    (
        lambda client: client.list("orders", most=1.5),
        "most is a whole number from 1 on, .* not 1.5",
    ),
    (lambda client: client.list("orders", name=3), "name is a text, not 3"),
    (lambda client: client.list(None), "takes a handler .* not None"),
    (lambda client: client.execution(3), "takes the ARN of an execution, .* not 3"),
    (lambda client: client.execution(None, "orders"), "takes the ARN of an execution, .* not None"),
    (
        lambda client: client.send(3, "inbox", 1),
        "takes the handle or the ARN of an execution, not 3",
    ),
    (lambda client: client.start(3, {}), "takes a handler .* not 3"),
]
OF_A_HANDLE: list[tuple[Callable[[Any], Any], str]] = [
    (lambda handle: handle.callbacks(3), "name is a text, not 3"),
    (lambda handle: handle.pause(3), "reason is a text, not 3"),
    (lambda handle: handle.resume(b"x"), "reason is a text, not b'x'"),
    (lambda handle: handle.stop("x"), "a failure is an exception"),
    (lambda handle: handle.result(timeout="3"), "timeout is a number of seconds"),
]


@pytest.mark.parametrize(("call", "message"), CALLS)
def test_calls_of_a_client(call: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        asyncio.run(
            done(call(DurableClient(control_plane=EmulatorControlPlane(Rig(order).driver))))
        )
    with SyncDurableClient(AT) as client, pytest.raises(ConfigError, match=message):
        used(call(client))


@pytest.mark.parametrize(("call", "message"), OF_A_HANDLE)
def test_calls_of_a_handle(call: Callable[[Any], Any], message: str) -> None:
    async def main() -> None:
        await done(call(await DurableClient(AT).execution(ARN)))

    with pytest.raises(ConfigError, match=message):
        asyncio.run(main())
    with SyncDurableClient(AT) as client, pytest.raises(ConfigError, match=message):
        used(call(client.execution(ARN)))


async def done(call: Any) -> None:
    if hasattr(call, "__aiter__"):
        _ = [each async for each in call]
    else:
        await call


def used(call: object) -> None:
    if hasattr(call, "__iter__"):
        _ = [*cast("Any", call)]

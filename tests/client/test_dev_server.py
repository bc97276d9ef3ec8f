"""The client finds the development server of a store, and carries its token."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.client.shop import Order, Receipt, order

from durable_execution_sdk import ConfigError, ServiceError
from durable_execution_sdk.client import DurableClient, SyncDurableClient
from durable_execution_sdk.client.endpoint_connection import EndpointConnection, EndpointOptions
from durable_execution_sdk.dev.server import DevServer, ServerOptions


def started(store: Path, token: str | None = None) -> DevServer:
    server = DevServer(ServerOptions(store=store, port=0, token=token))
    server.functions.add_durable("order", order.bind)
    server.announce()
    return server


def test_a_server_is_found_by_its_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".durable").mkdir()
    store = tmp_path / ".durable" / "executions.db"
    with started(store):
        for place in (None, store, str(store), tmp_path / ".durable"):
            with SyncDurableClient.for_dev_server(place) as client:
                assert client.start(order, Order("A", 1)).result() == Receipt("A", 1)
    with pytest.raises(ConfigError, match=r"no development server runs .*executions.db: start one"):
        DurableClient.for_dev_server()


def test_the_token_of_a_server_is_carried(tmp_path: Path) -> None:
    store = tmp_path / "x.db"
    with started(store, token="secret-of-the-server") as server:

        async def buy(client: DurableClient) -> Receipt:
            async with client:
                return await (await client.start(order, Order("A", 2))).result()

        assert asyncio.run(buy(DurableClient.for_dev_server(store))) == Receipt("A", 2)
        with_token = DurableClient(server.url, token="secret-of-the-server")
        assert asyncio.run(buy(with_token)) == Receipt("A", 2)
        with pytest.raises(ServiceError, match="token of this server is missing or wrong"):
            asyncio.run(buy(DurableClient(server.url)))


def test_a_handler_of_another_server_needs_its_name(tmp_path: Path) -> None:
    with started(tmp_path / "x.db"):
        with SyncDurableClient.for_dev_server(
            tmp_path / "x.db", functions={order: "nothing:1"}
        ) as client:
            with pytest.raises(ServiceError, match="there is no function nothing:1"):
                client.start(order, Order("A", 1))


def test_the_address_in_the_environment_is_enough_on_this_computer() -> None:
    url = "http://127.0.0.1:9014"
    local = EndpointConnection(None, EndpointOptions(), {"AWS_ENDPOINT_URL_LAMBDA": url})
    assert local.url == url
    with pytest.raises(ConfigError, match="no AWS region"):
        EndpointConnection(
            None, EndpointOptions(), {"AWS_ENDPOINT_URL_LAMBDA": "https://lambda.example.com"}
        )

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import botocore.config
import botocore.session
import pytest
from tests.server.server_rig import ServerRig

from durable_execution_sdk.server.http_server import Server, serve


@pytest.fixture
def server_rig() -> ServerRig:
    return ServerRig()


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[ServerRig, Server]]:
    """Start an emulator with a server, which the tests share; each test uses executions of its own."""
    server_rig = ServerRig()
    with serve(server_rig.driver) as server:
        yield server_rig, server


@pytest.fixture(scope="module")
def clients() -> Iterator[Callable[[Server], Any]]:
    """Make botocore clients for servers."""
    session = botocore.session.Session()
    with ExitStack() as stack:

        def client(server: Server) -> Any:
            made = session.create_client(
                "lambda",
                region_name="us-east-1",
                endpoint_url=server.url,
                aws_access_key_id="AKIDEXAMPLE",
                aws_secret_access_key="secret",
                config=botocore.config.Config(retries={"total_max_attempts": 1}),
            )
            return stack.enter_context(closing(made))

        yield client


@pytest.fixture(scope="module")
def api(served: tuple[ServerRig, Server], clients: Callable[[Server], Any]) -> Any:
    """Make a botocore client for the shared server."""
    return clients(served[1])

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import botocore.config
import botocore.session
import pytest
from tests.server.house import House

from durable_execution_sdk.server.serving import Server, serve


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture(scope="session")
def served() -> Iterator[tuple[House, Server]]:
    """A house and its server; tests share them, and keep to executions of their own."""
    house = House()
    with serve(house.driver) as server:
        yield house, server


@pytest.fixture(scope="session")
def api(served: tuple[House, Server]) -> Iterator[Any]:
    """botocore's own client of the server."""
    client = botocore.session.Session().create_client(
        "lambda",
        region_name="us-east-1",
        endpoint_url=served[1].url,
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="secret",
        config=botocore.config.Config(retries={"total_max_attempts": 1}),
    )
    yield client
    client.close()

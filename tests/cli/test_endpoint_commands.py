"""The commands at an endpoint: at the engine over HTTP, and what they refuse."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import pytest
from tests.cli import endpoint_app
from tests.cli.endpoint_suite import EndpointSuite, InvokedEndpoint

from durable_execution_sdk.emulator.clock import RealClock
from durable_execution_sdk.emulator.driver import Driver
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.functions.registry import Functions
from durable_execution_sdk.emulator.stores.memory import MemoryStore
from durable_execution_sdk.server.http_server import serve


class Engine(InvokedEndpoint):
    """The engine over HTTP, with the functions in threads of this process."""

    lacks: ClassVar = {
        "forks": "functions in this process read no history; test_remote_fork has some that do"
    }

    def __init__(self) -> None:
        functions = Functions()
        for handler in (endpoint_app.orders, endpoint_app.approvals, endpoint_app.desk):
            functions.add_durable(handler.__name__, handler.bind)
        self.driver = Driver(Emulator(MemoryStore(), RealClock(), functions))


@pytest.fixture(scope="module")
def served() -> Iterator[Engine]:
    engine = Engine()
    with serve(engine.driver, workers=2) as server:
        engine.url = server.url
        yield engine


class TestEngine(EndpointSuite):
    """The suite at the engine over HTTP."""

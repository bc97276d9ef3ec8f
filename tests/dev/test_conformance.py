"""The requirements of AWS's conformance suite on `durable dev`: handlers in real processes, asked by botocore."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.deployment import HANDLERS, TARGETS
from tests.conformance.over_http import BotocoreCalls, client_of
from tests.conformance.requirements import Requirement, required
from tests.conformance.validator import validate

from durable_execution_sdk import DurableHandler
from durable_execution_sdk.dev.functions.declaration import Declaration, Runtime
from durable_execution_sdk.dev.session import DevSession, SessionOptions
from durable_execution_sdk.emulator.stores.store import Search
from durable_execution_sdk.engine.execution_time import TimeMode
from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.rendering.family import family

pytestmark = pytest.mark.dev

ROOT = Path(__file__).parents[2]


def declared(name: str, handler: DurableHandler[Any, Any]) -> Declaration:
    return Declaration(
        name=name,
        runtime=Runtime.PYTHON,
        root=str(ROOT),
        handler=f"{handler.__module__.replace('.', '/')}.{handler.__name__}",
        # Imported once more from here: the handlers import one another.
        environment={"PYTHONPATH": str(ROOT)},
    )


class OnDevServer(BotocoreCalls):
    """A session of the development server; waits are skipped, and time advances where it is asked for."""

    def __init__(self, session: DevSession, api: Any) -> None:
        super().__init__(api)
        self.session = session
        self._emulator = session.server.emulator
        self._arn: str | None = None

    def invoke(self, function: str, event: Any, *, asynchronous: bool) -> str:
        self._arn = super().invoke(function, event, asynchronous=asynchronous)
        return self._arn

    def pass_time(self, arn: str, seconds: float) -> None:
        # One that ends in between refuses to.
        with suppress(ServiceError):
            if seconds and not self._emulator.is_closed(arn):
                self._emulator.advance(arn, round(seconds * 1000))
        with self._emulator.coordinator.sleeper() as woken:
            while not self._is_idle(arn):
                self._emulator.clock.wait(None, woken)
                woken.clear()

    def _is_idle(self, arn: str) -> bool:
        if self._emulator.is_closed(arn):
            return True
        executions = family(self._emulator, arn)
        return executions.is_idle and executions.execution.time.advances_to is None

    def lines(self) -> list[tuple[int, int, str]]:
        return [(line.at, line.number, line.text) for line in self.session.logs.lines(self._arn)]

    def stop_all(self) -> None:
        """Stop what is left open, so that the next handler is not called for it."""
        for record in self._emulator.store.search(Search(statuses=["RUNNING"], limit=100)):
            self._emulator.stop(record.arn)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnDevServer]:
    store = tmp_path_factory.mktemp("store") / "x.db"
    options = SessionOptions(store=store, port=0, time_mode=TimeMode.SKIP)
    with DevSession(options) as session, closing(client_of(session.server.url)) as api:
        session.add([declared(name, handler) for name, handler in TARGETS.items()])
        yield OnDevServer(session, api)


@pytest.mark.parametrize("requirement", required())
def test_requirement_on_the_development_server(
    requirement: Requirement, service: OnDevServer
) -> None:
    service.session.host.add(declared("function", HANDLERS[requirement.id]))
    try:
        validate(requirement, service, "function", service.lines)
    finally:
        service.stop_all()

"""The commands at an endpoint: at AWS's local runner, which has less of the API than the service."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from tests.aws_emulator.local_runner import VARIABLE, LocalRunner, local_runner
from tests.cli import endpoint_app
from tests.cli.endpoint_suite import EndpointSuite, ServedEndpoint

pytestmark = pytest.mark.skipif(VARIABLE not in os.environ, reason="run by make test-emulator")


class Emulator(ServedEndpoint):
    """The runner. Executions are started by a route of its own."""

    lacks: ClassVar = {
        "ListFunctions": "it lists no functions",
        "order of lists": "it lists executions in another order",
        "whole histories": "its executions have no ARNs, which a saved history needs",
        "ARNs": "its executions have ids of another form",
        "reason of a stop": "it keeps none",
        "pause": "it pauses nothing",
        "forks": "it has no Invoke",
    }

    def __init__(self, runner: LocalRunner) -> None:
        self.url = runner.url
        self._runner = runner

    def start(self, function: str, event: Any, name: str) -> str:
        return self._runner.start(function, json.dumps(event), name)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    functions = (endpoint_app.orders, endpoint_app.approvals, endpoint_app.desk)
    handlers = {each.__name__: each for each in functions}
    with local_runner(handlers, tmp_path_factory.mktemp("runner") / "log") as runner:
        yield Emulator(runner)


class TestEmulator(EndpointSuite):
    """The suite at AWS's local runner."""

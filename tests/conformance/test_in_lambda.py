"""Handlers in a process of their own: AWS's runtime interface client, with the engine as the service.

Those that end their process need one; those that log show here what comes of Lambda's own formatter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.deployment import CRASHING, HANDLERS
from tests.conformance.inferred import steps_and_children
from tests.conformance.inferred.story import InferredRequirement
from tests.conformance.over_http import OverHttp, served
from tests.conformance.requirements import Requirement, required
from tests.conformance.service import EmulatedService
from tests.conformance.validator import validate
from tests.lambda_process.sandbox import Sandbox
from tests.sampling import thinned

from durable_execution_sdk import DurableHandler
from durable_execution_sdk.emulator.functions import registry
from durable_execution_sdk.engine.events import Event, StepStarted

ROOT = Path(__file__).parents[2]
LOGGING = {"1-7", "3-11", "3-17", "10-17"}


@dataclass
class Function:
    """A deployed handler, and the service that invokes it."""

    emulated: EmulatedService
    service: OverHttp
    sandbox: Sandbox
    log: Path

    def validate(self, requirement: Requirement) -> None:
        validate(requirement, self.service, "function", self._lines)

    def _lines(self) -> list[tuple[int, int, str]]:
        return [(0, number, line) for number, line in enumerate(self.log.read_text().splitlines())]


Deploy = Callable[[DurableHandler[Any, Any]], Function]


@pytest.fixture
def deploy(tmp_path: Path) -> Iterator[Deploy]:
    """Deploys a handler to a process of its own, as Lambda would."""
    with ExitStack() as stack:

        def deploy(handler: DurableHandler[Any, Any]) -> Function:
            emulated = EmulatedService()
            service = stack.enter_context(served(emulated))
            path = f"{handler.__module__.replace('.', '/')}.{handler.__name__}"
            environ = {
                "AWS_ENDPOINT_URL_LAMBDA": service.url,
                # What Lambda says when a function has the JSON log format, and nobody says otherwise.
                "AWS_LAMBDA_LOG_LEVEL": "INFO",
                "COUNTER": str(tmp_path / "counter"),
            }
            log = tmp_path / "log"
            sandbox = stack.enter_context(Sandbox(ROOT, path, log=log, **environ))
            emulated.functions.add_function(
                registry.Function(
                    name="function", durable=True, connect=lambda _: sandbox, timeout=60
                )
            )
            return Function(emulated, service, sandbox, log)

        yield deploy


@pytest.mark.parametrize("requirement", required(lambda each: each.id in LOGGING))
def test_requirement_with_logs(requirement: Requirement, deploy: Deploy) -> None:
    function = deploy(HANDLERS[requirement.id])
    function.validate(requirement)
    assert function.sandbox.starts == 1


@pytest.mark.parametrize("requirement", required(lambda each: each.id in CRASHING))
def test_requirement_with_a_crash(
    requirement: Requirement, deploy: Deploy, record_property: Callable[[str, object], None]
) -> None:
    record_property("conformance", f"{requirement.suite} {requirement.id}")
    function = deploy(HANDLERS[requirement.id])
    function.validate(requirement)
    assert function.sandbox.starts == 2


@pytest.mark.parametrize("neighbour", thinned(steps_and_children.CRASHING, 2), ids=repr)
def test_neighbour_with_a_crash(neighbour: InferredRequirement, deploy: Deploy) -> None:
    function = deploy(neighbour.handler)
    function.validate(neighbour.requirement)
    assert function.sandbox.starts >= 2


def test_an_at_least_once_step_that_was_killed_goes_on_in_the_attempt_that_is_recorded(
    deploy: Deploy,
) -> None:
    killed = steps_and_children.KILLED
    function = deploy(killed.handler)

    def kill_once(arn: str, events: Sequence[Event]) -> None:
        if function.sandbox.starts == 1 and any(isinstance(each, StepStarted) for each in events):
            function.sandbox.kill()

    function.emulated.emulator.coordinator.subscribe(kill_once)
    function.validate(killed.requirement)
    assert function.sandbox.starts == 2

"""The same requirements as the suite's own validator asks for them: botocore, a socket, a server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.conformance.deployment import CRASHING, deploy, function_of
from tests.conformance.logs import collecting
from tests.conformance.over_http import OverHttp, served
from tests.conformance.requirements import Requirement, required
from tests.conformance.service import EmulatedService
from tests.conformance.validator import validate


@pytest.fixture(scope="module")
def service() -> Iterator[OverHttp]:
    with served(deploy(EmulatedService())) as service:
        yield service


@pytest.mark.parametrize("requirement", required(lambda each: each.id not in CRASHING))
def test_requirement_over_http(requirement: Requirement, service: OverHttp) -> None:
    with collecting(service.emulated.clock.now) as logs:
        validate(requirement, service, function_of(requirement.id), lambda: logs.lines)


def test_a_quick_target_never_ends_before_the_invocation_that_asked_for_it() -> None:
    """However many threads drive the functions: the numbers of the events depend on it."""
    wanted = [
        "ExecutionStarted",
        "ChainedInvokeStarted",
        "InvocationCompleted",
        "ChainedInvokeSucceeded",
        "InvocationCompleted",
        "ExecutionSucceeded",
    ]
    with served(deploy(EmulatedService()), workers=4) as service:
        for number in range(30):
            arn = service.invoke(function_of("5-1"), number, asynchronous=False)
            assert [event["EventType"] for event in service.history(arn)] == wanted

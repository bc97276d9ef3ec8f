"""The same requirements as the suite's own validator asks for them: botocore, a socket, a server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.conformance.deployment import CRASHING, deploy, function_of
from tests.conformance.logs import collecting
from tests.conformance.over_http import OverHttp, served
from tests.conformance.requirements import Requirement, required
from tests.conformance.service import World
from tests.conformance.validator import validate

REQUIREMENTS = [each for each in required() if each.id not in CRASHING]


@pytest.fixture(scope="module")
def service() -> Iterator[OverHttp]:
    with served(deploy(World())) as service:
        yield service


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=lambda each: each.id)
def test_requirement_over_http(requirement: Requirement, service: OverHttp) -> None:
    with collecting(service.world.clock.now) as logs:
        validate(requirement, service, function_of(requirement.id), lambda: logs.lines)

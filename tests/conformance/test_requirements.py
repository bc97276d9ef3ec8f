"""AWS's own requirements, on the embedded engine, through the real entry point."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.conformance.deployment import CRASHING, HANDLERS, deploy, function_of
from tests.conformance.logs import collecting
from tests.conformance.requirements import Requirement, required
from tests.conformance.service import InProcess, World
from tests.conformance.validator import validate

REQUIREMENTS = [each for each in required() if each.id not in CRASHING]


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=lambda each: each.id)
def test_requirement(
    requirement: Requirement, record_property: Callable[[str, object], None]
) -> None:
    record_property("conformance", f"{requirement.suite} {requirement.id}")
    assert requirement.id in HANDLERS, f"nobody has written a handler for {requirement.id}"
    world = deploy(World())
    with collecting(world.clock.now) as logs:
        validate(requirement, InProcess(world), function_of(requirement.id), lambda: logs.lines)

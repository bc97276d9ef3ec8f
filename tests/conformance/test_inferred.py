"""Guesses at the requirements that are not at hand, derived from those that are."""

from __future__ import annotations

import pytest
from tests.conformance.deployment import deploy
from tests.conformance.inferred import answers, observed, polls_and_batches, steps_and_children
from tests.conformance.inferred.story import InferredRequirement
from tests.conformance.logs import collecting
from tests.conformance.service import EmulatedService, InProcess
from tests.conformance.validator import validate

INFERRED = [
    *steps_and_children.INFERRED,
    *answers.INFERRED,
    *polls_and_batches.INFERRED,
    *observed.INFERRED,
]


@pytest.mark.parametrize("neighbour", INFERRED, ids=repr)
def test_neighbour(neighbour: InferredRequirement) -> None:
    emulated = deploy(EmulatedService())
    emulated.functions.add_durable("neighbour", neighbour.handler.bind)
    with collecting(emulated.clock.now) as logs:
        validate(neighbour.requirement, InProcess(emulated), "neighbour", lambda: logs.lines)

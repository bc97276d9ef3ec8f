"""Guesses at the requirements that are not at hand, derived from those that are."""

from __future__ import annotations

import pytest
from tests.conformance.deployment import deploy
from tests.conformance.logs import collecting
from tests.conformance.neighbours import answers, observed, polls_and_batches, steps_and_children
from tests.conformance.neighbours.story import Neighbour
from tests.conformance.service import InProcess, World
from tests.conformance.validator import validate

NEIGHBOURS = [
    *steps_and_children.NEIGHBOURS,
    *answers.NEIGHBOURS,
    *polls_and_batches.NEIGHBOURS,
    *observed.NEIGHBOURS,
]


@pytest.mark.parametrize("neighbour", NEIGHBOURS, ids=repr)
def test_neighbour(neighbour: Neighbour) -> None:
    world = deploy(World())
    world.functions.add_durable("neighbour", neighbour.handler.bind)
    with collecting(world.clock.now) as logs:
        validate(neighbour.requirement, InProcess(world), "neighbour", lambda: logs.lines)

"""The SDK on AWS's own local runner, over HTTP: a service that nobody here wrote.

Run by ``make test-emulator``, in an environment of its own; ``make test`` leaves it out.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.aws_emulator.local_runner import VARIABLE, LocalRunner, local_runner
from tests.conformance.deployment import CRASHING, HANDLERS, TARGETS, function_of
from tests.conformance.logs import collecting
from tests.conformance.requirements import Requirement, required
from tests.conformance.validator import validate

from durable_execution_sdk import DurableHandler

pytestmark = pytest.mark.skipif(VARIABLE not in os.environ, reason="run by make test-emulator")

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRunner]:
    deployed: dict[str, Any] = {function_of(number): each for number, each in HANDLERS.items()}
    with local_runner({**deployed, **TARGETS}, tmp_path_factory.mktemp("runner") / "log") as made:
        yield made


@pytest.mark.parametrize("requirement", required(lambda each: each.id not in CRASHING))
def test_requirement(requirement: Requirement, runner: LocalRunner) -> None:
    with collecting(lambda: 0) as logs:
        validate(requirement, runner, function_of(requirement.id), lambda: logs.lines)

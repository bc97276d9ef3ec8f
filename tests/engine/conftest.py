"""The engine's tests drive decide, evolve and effects through ``engine_driver``."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from engine_driver import Execution


@pytest.fixture
def execution() -> Execution:
    """An execution that has been started, and not yet invoked."""
    return Execution().start()


@pytest.fixture
def running(execution: Execution) -> Execution:
    """An execution whose first invocation is running."""
    execution.invoke()
    return execution

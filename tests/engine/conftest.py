"""The engine's tests drive decide, evolve and effects through ``engine_driver``."""

from __future__ import annotations

import pytest
from tests.engine.engine_driver import Execution


@pytest.fixture
def execution() -> Execution:
    """An execution that has been started, and not yet invoked."""
    return Execution().start()


@pytest.fixture
def running(execution: Execution) -> Execution:
    """An execution whose first invocation is running."""
    execution.invoke()
    return execution

"""Fixtures for the tests of operations."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from tests import rig
from tests.virtual_time import virtual_time

from durable_execution_sdk.emulator.clock import VirtualClock


@pytest.fixture
def flowing_time(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the time of the service and of the loop be one, which jumps: bodies that never end take no real time."""
    with virtual_time():

        class Flowing(VirtualClock):
            def __init__(self) -> None:
                super().__init__()
                self._began = time.monotonic()

            def now(self) -> int:
                return super().now() + round((time.monotonic() - self._began) * 1000)

        monkeypatch.setattr(rig, "VirtualClock", Flowing)
        yield

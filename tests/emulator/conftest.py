"""Fixtures: an emulator over each kind of store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.emulator.emulator_rig import EmulatorRig

from durable_execution_sdk.emulator.stores.memory import MemoryStore
from durable_execution_sdk.emulator.stores.sqlite import SqliteStore
from durable_execution_sdk.emulator.stores.store import Store


@pytest.fixture(params=["memory", "sqlite"])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EmulatorRig]:
    store: Store = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "x.db")
    instance = EmulatorRig(store)
    yield instance
    instance.emulator.close()


@pytest.fixture
def memory() -> EmulatorRig:
    return EmulatorRig(MemoryStore())

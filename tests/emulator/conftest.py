"""Fixtures: an emulator over each kind of store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.emulator.world import World

from durable_execution_sdk.emulator.stores.memory import MemoryStore
from durable_execution_sdk.emulator.stores.sqlite import SqliteStore
from durable_execution_sdk.emulator.stores.store import Store


@pytest.fixture(params=["memory", "sqlite"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    store: Store = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "x.db")
    instance = World(store)
    yield instance
    instance.emulator.close()


@pytest.fixture
def memory() -> World:
    return World(MemoryStore())

"""A restart with many open executions."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from benchmarks.dev_server import fill
from tests.dev.dev_server_rig import Client, dev_server

pytestmark = pytest.mark.dev


def test_ten_thousand_open_executions_are_read_in_two_seconds(tmp_path: Path) -> None:
    store = tmp_path / "x.db"
    fill(store, 10_000)
    # The processor's seconds: those of the clock depend on what else this computer does.
    began = time.process_time()
    with dev_server(store) as server:
        server.emulator.coordinator.refresh()
        assert len(server.emulator.store.open_heads()) == 10_000
        [row] = Client(server).get("/_durable/executions", limit=1)["executions"]
        assert row["durable_execution_name"] == "name-09999"
        assert time.process_time() - began < 2

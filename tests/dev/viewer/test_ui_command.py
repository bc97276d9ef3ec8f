"""`durable ui` as a process: it serves until Ctrl-C."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.cli.process import running
from tests.dev.dev_server_rig import Client, dev_server

pytestmark = pytest.mark.dev


def test_it_serves_the_store_of_the_folder_until_it_is_interrupted(tmp_path: Path) -> None:
    with dev_server(tmp_path / ".durable" / "executions.db") as server:
        client = Client(server)
        client.start("order", "first", {"n": 1})
        client.until_waiting("first")
    with running(tmp_path, "ui", "--no-open", "--port", "0") as process:
        line = process.until("read-only")
        address = urlsplit(line.rpartition(" ")[2].strip())
        assert (address.hostname, address.path) == ("127.0.0.1", "/executions")
        with urllib.request.urlopen(f"http://{address.netloc}/_durable/executions") as answer:
            [row] = json.load(answer)["executions"]
        assert row["durable_execution_name"] == "first"
        process.interrupt()
        assert process.process.wait(30) == 0


def test_two_pages_have_each_their_port(tmp_path: Path) -> None:
    with dev_server(tmp_path / "x.db"):
        pass
    with (
        running(tmp_path, "ui", "x.db", "--no-open") as first,
        running(tmp_path, "ui", "x.db", "--no-open") as second,
    ):
        assert first.until("read-only") != second.until("read-only")

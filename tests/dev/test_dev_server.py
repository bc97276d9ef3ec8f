"""The development server: found by its store, alone on it, and gone on with after a kill."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.dev.dev_server_rig import PATIENCE, Client, dev_server, execution

from durable_execution_sdk import ConfigError
from durable_execution_sdk.dev.discovery_file import find_server
from durable_execution_sdk.emulator.stores.leases import lock_file

SERVER = """
import sys
from pathlib import Path
from tests.dev.dev_server_rig import dev_server
with dev_server(Path(sys.argv[1])) as server:
    print(server.url, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "x.db"


def test_a_server_is_found_by_its_store_and_by_nobody_else(store: Path) -> None:
    assert find_server(store) is None
    with dev_server(store) as server:
        address = find_server(store)
        assert address is not None
        assert (address.url, address.pid, address.store) == (server.url, os.getpid(), str(store))
        assert address.functions == ["order", "outer", "retries", "spread", "support"]
        file = Path(f"{store}.server.json")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(store.stat().st_mode) == 0o600
    assert find_server(store) is None
    assert not file.exists()


def test_new_functions_are_announced(store: Path) -> None:
    with dev_server(store) as server:
        server.functions.add_plain("late", lambda event, context: None)
        server.announce()
        address = find_server(store)
        assert address is not None and "late" in address.functions


def test_a_second_server_on_a_store_is_refused_in_words(store: Path) -> None:
    with dev_server(store) as server:
        with pytest.raises(ConfigError) as raised, dev_server(store):
            pass
        message = str(raised.value)
        assert f"another server runs the store {store} already, at {server.url}" in message
        assert f"process {os.getpid()}" in message
        # The first one was not disturbed.
        assert find_server(store) is not None
        assert Client(server).get("/_durable/functions")["functions"]


def test_a_second_server_on_a_port_is_refused_and_leaves_its_store(
    store: Path, tmp_path: Path
) -> None:
    with dev_server(store) as server:
        port = int(server.url.rpartition(":")[2])
        other = tmp_path / "other.db"
        with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{port}"):
            with dev_server(other, port=port):
                pass
        assert find_server(other) is None
        with dev_server(other) as second:
            assert second.url != server.url


def test_a_command_that_looks_for_the_server_does_not_keep_one_from_starting(store: Path) -> None:
    release = lock_file(Path(f"{store}.leases") / "server")
    assert release is not None
    with pytest.raises(ConfigError, match="another server runs the store"), dev_server(store):
        pass
    release()
    with dev_server(store):
        pass


def test_a_server_that_was_killed_is_not_found_and_the_next_one_goes_on(store: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(store)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        address = find_server(store)
        assert address is not None and address.pid == process.pid
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=PATIENCE)
    assert Path(f"{store}.server.json").exists()
    assert find_server(store) is None
    with dev_server(store) as server:
        address = find_server(store)
        assert address is not None and address.url == server.url


def test_open_executions_go_on_after_a_restart(store: Path) -> None:
    with dev_server(store) as server:
        client = Client(server)
        client.start("outer", "o")
        row = client.until_waiting("o")
    with dev_server(store) as server:
        client = Client(server)
        client.answer(row, "7")
        client.until(
            execution("o", "/events"), lambda m: m["data"]["execution"]["activity"] == "ended"
        )
        assert client.get(execution("o", "/payload"), kind="result") == {"payload": "7"}


def test_a_server_answers_what_is_asked_before_it_stops(store: Path) -> None:
    entered, opened = threading.Event(), threading.Event()

    def slow(event: object, context: object) -> str:
        entered.set()
        assert opened.wait(PATIENCE)
        return "done"

    answers: list[object] = []
    with dev_server(store) as server:
        server.functions.add_plain("slow", slow)
        client = Client(server)

        def ask() -> None:
            with client.asked("/2015-03-31/functions/slow/invocations", "POST") as answer:
                answers.append(json.loads(answer.read()))

        asking = threading.Thread(target=ask)
        asking.start()
        assert entered.wait(PATIENCE)
        closing = threading.Thread(target=server.close)
        closing.start()
        opened.set()
        asking.join(PATIENCE)
        closing.join(PATIENCE)
        assert not closing.is_alive()
    assert answers == ["done"]

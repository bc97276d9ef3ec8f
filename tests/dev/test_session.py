"""A session of the development server, as `durable dev` runs one."""

from __future__ import annotations

import threading
from pathlib import Path

from tests.dev.dev_server_rig import PATIENCE, Client, dev_server

from durable_execution_sdk.dev.session import DevSession, SessionOptions


def test_what_ended_long_ago_is_deleted(tmp_path: Path) -> None:
    store = tmp_path / "x.db"
    with dev_server(store) as server:
        client = Client(server)
        ended, waiting = client.start("order", "ended"), client.start("order", "open")
        client.until_waiting("ended")
        client.until_waiting("open")
        server.emulator.stop(ended)
    with DevSession(SessionOptions(store=store, port=0, keep=1)) as session:
        client = Client(session.server)
        number = client.get("/_durable/executions")["number"]
        told: list[int] = []
        running = threading.Thread(target=session.wait, args=[told.append])
        running.start()
        deleted = client.until(
            f"/_durable/events?since={number}", lambda message: message["event"] == "deleted"
        )
        assert deleted["data"] == {"durable_execution_arn": ended}
        [row] = client.get("/_durable/executions")["executions"]
        assert row["durable_execution_arn"] == waiting
    running.join(PATIENCE)
    assert not running.is_alive()
    assert told == [1]

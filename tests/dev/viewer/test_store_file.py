"""A store is shown live while other programs write to it, and is left as it is."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.dev.dev_server_rig import Client, dev_server, execution
from tests.dev.viewer.viewer_rig import document, viewed

from durable_execution_sdk.dev.functions.records import LogLine
from durable_execution_sdk.dev.logs.log_store import LogStore, logs_path
from durable_execution_sdk.dev.viewer.store import StoreFile
from durable_execution_sdk.emulator.clock import RealClock
from durable_execution_sdk.emulator.stores.runs import Runs
from durable_execution_sdk.emulator.stores.sqlite import SqliteStore
from durable_execution_sdk.errors import StoreError

pytestmark = pytest.mark.dev

QUICK = 0.02


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "x.db"


@pytest.fixture
def client(store: Path) -> Iterator[Client]:
    with dev_server(store) as server:
        yield Client(server)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_it_is_live_while_another_program_writes(client: Client, store: Path) -> None:
    with viewed(StoreFile(store, QUICK)) as viewer:
        assert viewer.get("/_durable/executions")["executions"] == []
        assert viewer.get("/_durable/server")["place"] == client.server.url
        with viewer.stream("/_durable/events") as messages:
            arn = client.start("order", "first", {"n": 1})
            row = client.until_waiting("first")
            asking = next(each for each in messages if each["data"].get("activity") == "asking")
            assert asking["data"] == row
            client.answer(row)
            assert next(each for each in messages if each["data"].get("status") == "SUCCEEDED")
        assert document(viewer, arn) == document(client, arn)


def test_an_execution_that_is_deleted_goes(client: Client, store: Path) -> None:
    arn = client.start("order", "first", {"n": 1})
    client.answer(client.until_waiting("first"))
    client.until_ended("first")
    with viewed(StoreFile(store, QUICK)) as viewer, viewer.stream("/_durable/events") as messages:
        assert viewer.get(execution(arn))
        client.server.emulator.delete(arn)
        assert next(each for each in messages if each["event"] == "deleted")


def test_the_file_is_left_as_it_is(store: Path) -> None:
    with dev_server(store) as server:
        client = Client(server)
        client.start("retries", "first")
        arn = client.start("outer", "second")
        client.until_waiting("second")
        expected = document(client, arn)
    before, files = digest(store), sorted(os.listdir(store.parent))
    with viewed(StoreFile(store, QUICK)) as viewer:
        seen = document(viewer, arn)
        # The server that ran it has ended.
        for each in (seen, expected):
            del each["execution"]["processes"]
        assert seen == expected
    assert digest(store) == before
    assert sorted(os.listdir(store.parent)) == files


def test_a_timer_that_is_due_does_not_fire(store: Path) -> None:
    with dev_server(store) as server:
        client = Client(server)
        number = client.get("/_durable/executions")["number"]
        arn = client.start("retries", "first")
        client.until(
            f"/_durable/events?since={number}", lambda m: m["data"].get("activity") == "suspended"
        )
    source = StoreFile(store)
    emulator = source.emulator
    head = len(emulator.store.events(arn))
    assert isinstance(emulator.clock, RealClock)
    emulator.clock.jump_to(emulator.clock.now() + 10 * 3_600_000)
    with viewed(source) as viewer:
        [operation] = viewer.get(execution(arn))["operations"]
        assert operation["status"] == "PENDING"
        assert len(emulator.store.events(arn)) == head


def test_lines_and_processes_beside_the_store_are_there(client: Client, store: Path) -> None:
    arn = client.start("order", "first", {"n": 1})
    client.until_waiting("first")
    with viewed(StoreFile(store, QUICK)) as viewer, viewer.stream("/_durable/events") as messages:
        assert not viewer.get("/_durable/server")["has_logs"]
        logs = LogStore(logs_path(store))
        told = next(each for each in messages if each["event"] == "server")
        assert told["data"]["has_logs"]
        line = LogLine(
            number=0,
            arn=arn,
            request_id=None,
            operation_id=None,
            function="order",
            version="$LATEST",
            at=1,
            stream="stdout",
            text="hello",
        )
        with viewer.stream(execution(arn, "/events?since=1000000")) as changes:
            assert next(changes)["event"] == "reset"
            logs.add_lines([line])
            assert next(changes)["data"]["lines"][0]["text"] == "hello"
        logs.close()


def test_a_process_that_ends_is_seen_without_an_event(store: Path) -> None:
    with dev_server(store) as server:
        client = Client(server)
        arn = client.start("order", "first", {"n": 1})
        client.until_waiting("first")
    with viewed(StoreFile(store, QUICK)) as viewer, viewer.stream("/_durable/events") as messages:
        with Runs(store).entered(arn):
            row = next(each for each in messages if each["event"] == "execution")
            assert row["data"]["processes"] == [os.getpid()]
        row = next(each for each in messages if each["event"] == "execution")
        assert row["data"]["processes"] == []


def test_a_file_that_is_taken_away_is_told(store: Path) -> None:
    SqliteStore(store).close()
    with viewed(StoreFile(store, QUICK)) as viewer, viewer.stream("/_durable/events") as messages:
        moved = store.with_name("moved.db")
        store.rename(moved)
        trouble = next(each for each in messages if each["event"] == "server")
        assert "was deleted, moved, replaced" in trouble["data"]["trouble"]
        moved.rename(store)
        again = next(each for each in messages if each["event"] == "server")
        assert again["data"]["trouble"] is None


def test_a_file_that_may_not_be_written_to_is_read(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with dev_server(store) as server:
        client = Client(server)
        arn = client.start("order", "first", {"n": 1})
        client.until_waiting("first")
    copy = tmp_path / "copy" / "x.db"
    copy.parent.mkdir()
    shutil.copy(store, copy)
    # As root, the tests may write everywhere.
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with viewed(StoreFile(copy)) as viewer:
        assert viewer.get(execution(arn))["execution"]["status"] == "RUNNING"
    assert os.listdir(copy.parent) == ["x.db"]


def test_a_store_of_a_newer_format_is_refused(store: Path) -> None:
    SqliteStore(store).close()
    db = sqlite3.connect(store)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StoreError, match=r"has format 99, and this version .* reads format"):
        StoreFile(store)

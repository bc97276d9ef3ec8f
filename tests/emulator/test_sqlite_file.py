"""The store's file: its permissions, its format, and foreign or damaged files."""

from __future__ import annotations

import sqlite3
import stat
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from durable_execution_sdk.emulator.clock import VirtualClock
from durable_execution_sdk.emulator.emulator import Emulator
from durable_execution_sdk.emulator.functions.registry import Functions
from durable_execution_sdk.emulator.stores import schema, sqlite_file
from durable_execution_sdk.emulator.stores.leases import FileLeases
from durable_execution_sdk.emulator.stores.memory import MemoryStore
from durable_execution_sdk.emulator.stores.schema import APPLICATION_ID, EXECUTIONS, Format
from durable_execution_sdk.emulator.stores.sqlite import SqliteStore
from durable_execution_sdk.emulator.stores.sqlite_file import SqliteFile
from durable_execution_sdk.emulator.stores.store import ExecutionRecord, Search, Standing, Store
from durable_execution_sdk.errors import StoreError

RECORD = ExecutionRecord(
    arn="arn:a", name="a", function="f", version="$LATEST", status="RUNNING", started_at=1
)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_only_the_owner_can_read_a_new_store(tmp_path: Path) -> None:
    path = tmp_path / ".durable" / "executions.db"
    store = SqliteStore(path)
    store.create(RECORD, [b"1"])
    release = store.leases.acquire("arn:a")
    assert release is not None
    modes = {file: stat.S_IMODE(file.stat().st_mode) for file in path.parent.rglob("*")}
    assert modes and all(mode & 0o077 == 0 for mode in modes.values()), modes
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    release()
    store.close()


def test_written_executions_are_there_after_reopening(tmp_path: Path) -> None:
    path = tmp_path / "executions.db"
    store = SqliteStore(path)
    store.create(RECORD, [b"1"])
    store.close()
    reopened = SqliteStore(path)
    assert reopened.events("arn:a") == [b"1"]
    reopened.close()


def test_every_commit_is_synced_and_logged_ahead(tmp_path: Path) -> None:
    path = tmp_path / "executions.db"
    store = SqliteStore(path)
    assert store._file.read("PRAGMA synchronous") == [(2,)]  # pyright: ignore[reportPrivateUsage]
    assert store._file.read("PRAGMA journal_mode") == [("wal",)]  # pyright: ignore[reportPrivateUsage]
    store.close()


def test_an_unsafe_value_in_a_name_is_only_a_value(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "executions.db")
    assert store.find_name("' OR 1=1 --") is None
    store.close()


def test_a_text_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("these are my notes, not a database\n" * 100)
    with pytest.raises(StoreError, match="not a SQLite database"):
        SqliteStore(path)
    assert path.read_text().startswith("these are my notes")


def test_a_database_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE recipes (name TEXT)")
    other.commit()
    with pytest.raises(StoreError, match="something else"):
        SqliteStore(path)
    assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("recipes",)]
    other.close()


def test_a_file_of_a_newer_version_is_refused_with_advice(tmp_path: Path) -> None:
    path = tmp_path / "executions.db"
    newer = sqlite3.connect(path)
    newer.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(StoreError, match=r"format 99.*use the version that wrote it"):
        SqliteStore(path)


def test_a_damaged_file_gives_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "executions.db"
    store = SqliteStore(path)
    store.create(RECORD, [b"1"])
    store.close()
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    with pytest.raises(StoreError, match=r"executions\.db"):
        damaged = SqliteStore(path)
        try:
            damaged.find("arn:a")
        finally:
            damaged.close()


def test_a_directory_in_the_place_of_the_file_gives_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot use"):
        SqliteStore(tmp_path)


def test_an_event_that_cannot_be_read_names_its_execution(tmp_path: Path) -> None:
    path = tmp_path / "executions.db"
    store = SqliteStore(path)
    arn = "arn:aws:lambda:us-east-1:123456789012:function:f:1/durable-execution/a/b"
    store.create(msgspec.structs.replace(RECORD, arn=arn), [b'{"type":"FromTheFuture"}'])
    emulator = Emulator(store, VirtualClock(), Functions())
    with pytest.raises(StoreError, match=r"durable-execution/a/b.*newer version"):
        emulator.describe(arn)
    emulator.close()


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "executions.db")
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.find("arn:a")


@pytest.mark.parametrize(
    "name",
    [
        "executions.db",
        "folder/executions.db",
        pytest.param(
            ":memory:", marks=pytest.mark.skipif(sys.platform == "win32", reason="no such name")
        ),
    ],
)
def test_a_store_stays_where_it_is_when_the_working_directory_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The file, its check and its leases; a name that means memory to SQLite is that of a file, too."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    monkeypatch.chdir(here)
    store = SqliteStore(name)
    store.create(RECORD, [b'"1"'])
    monkeypatch.chdir(there)
    store.append("arn:a", 1, [b'"2"'], Standing(status="RUNNING", is_open=True))
    release = store.leases.acquire("arn:a")
    assert release is not None
    assert FileLeases(here / f"{name}.leases").acquire("arn:a") is None
    release()
    store.close()
    assert not list(there.iterdir())
    reopened = SqliteStore(here / name)
    assert reopened.events("arn:a") == [b'"1"', b'"2"']
    reopened.close()


def test_a_new_store_waits_for_another_process_that_creates_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite itself does not wait where it switches to a write-ahead log."""
    path = tmp_path / "executions.db"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    tries: list[float] = []

    def note(seconds: float) -> None:
        tries.append(seconds)
        other.execute("COMMIT")

    monkeypatch.setattr(schema, "_sleep", note)
    store = SqliteStore(path)
    assert len(tries) == 1
    assert store._file.read("PRAGMA journal_mode") == [("wal",)]  # pyright: ignore[reportPrivateUsage]
    store.close()
    other.close()


def test_a_new_store_does_not_wait_for_another_process_for_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "executions.db"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr(sqlite_file, "_BUSY_SECONDS", 0.02)
    with pytest.raises(StoreError, match="another process has been writing to it"):
        SqliteStore(path)
    other.close()


class Slow(sqlite3.Connection):
    """A connection that opens a store, during whose look at the tables another one creates them."""

    other: threading.Thread
    is_blocked: threading.Event

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if "sqlite_master" in sql and self.other.ident is None:
            self.other.start()
            # It creates the tables, or waits until this one has looked.
            while self.other.is_alive() and not self.is_blocked.wait(0.01):
                pass
        return super().execute(sql, *values)


def test_two_that_create_a_store_at_once_both_open_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tables of the one are not taken for those of a foreign database by the other."""
    path = tmp_path / "executions.db"

    def create() -> None:
        db = sqlite3.connect(path, isolation_level=None, timeout=0)
        waits.append(lambda: db.execute("PRAGMA busy_timeout = 30000"))
        schema.prepare(db, path, schema.EXECUTIONS, 30.0)
        db.close()

    def wait(_: float) -> None:
        if threading.current_thread() is Slow.other:
            # It need not tell any more that it is blocked.
            waits[0]()
            Slow.is_blocked.set()

    waits: list[Callable[[], object]] = []
    Slow.other, Slow.is_blocked = threading.Thread(target=create), threading.Event()
    monkeypatch.setattr(schema, "_sleep", wait)
    db = sqlite3.connect(path, isolation_level=None, factory=Slow)
    schema.prepare(db, path, schema.EXECUTIONS, 30.0)
    Slow.other.join()
    assert db.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    db.close()


def test_a_file_of_an_older_version_is_migrated_and_keeps_its_executions(tmp_path: Path) -> None:
    path = tmp_path / "executions.db"
    store = SqliteStore(path)
    store.create(RECORD, [b"1"])
    store.close()
    older = sqlite3.connect(path)
    older.execute("DROP TRIGGER executions_deleted")
    older.execute("DROP TABLE deletions")
    older.execute("ALTER TABLE executions DROP COLUMN operations")
    older.execute("ALTER TABLE executions DROP COLUMN attempts")
    older.execute("ALTER TABLE executions DROP COLUMN status_event")
    older.execute("PRAGMA user_version = 1")
    older.close()
    migrated = SqliteStore(path)
    assert migrated.events(RECORD.arn) == [b"1"]
    [record] = migrated.search(Search())
    assert record.counts is None
    migrated.close()
    reopened = sqlite3.connect(path)
    assert reopened.execute("PRAGMA user_version").fetchone() == (EXECUTIONS.version,)
    reopened.close()


def test_migrations_run_in_order_all_or_none(tmp_path: Path) -> None:
    path = tmp_path / "file.db"
    table = "CREATE TABLE things (name TEXT)"
    first = Format(application_id=1, version=1, tables=[table])
    SqliteFile(path, first).close()
    steps = {1: ["ALTER TABLE things ADD COLUMN size"], 2: ["UPDATE things SET size = 1", "BROKEN"]}
    broken = Format(application_id=1, version=3, tables=[table], migrations=steps)
    with pytest.raises(StoreError):
        SqliteFile(path, broken)
    SqliteFile(path, first).close()
    steps[2] = ["ALTER TABLE things RENAME COLUMN size TO weight"]
    mended = Format(application_id=1, version=3, tables=[table], migrations=steps)
    file = SqliteFile(path, mended)
    assert [row[1] for row in file.read("PRAGMA table_info(things)")] == ["name", "weight"]
    file.close()
    with pytest.raises(StoreError, match="format 3"):
        SqliteFile(path, first)


def test_what_other_connections_created_and_deleted_is_told_once(tmp_path: Path) -> None:
    path = tmp_path / "executions.db"
    own, other = SqliteStore(path), SqliteStore(path)
    try:
        mine, theirs, short, last = (
            msgspec.structs.replace(RECORD, arn=f"{RECORD.arn}{number}", name=f"n{number}")
            for number in range(4)
        )
        own.create(mine, [b"1"])
        assert own.others() == ([], [])
        other.create(theirs, [b"1"])
        own.create(last, [b"1"])
        other.create(short, [b"1"])
        other.delete(short.arn)
        assert own.others() == ([theirs.arn], [short.arn])
        assert own.others() == ([], [])
        own.delete(mine.arn)
        other.delete(last.arn)
        own.delete("not here")
        assert own.others() == ([], [last.arn])
        assert other.others() == ([], [mine.arn])
    finally:
        own.close()
        other.close()


def test_deletions_are_told_to_those_who_open_a_file_of_version_2(tmp_path: Path) -> None:
    path = tmp_path / "executions.db"
    older = sqlite3.connect(path)
    for statement in schema._TABLES[:-2]:
        older.execute(statement)
    older.execute("ALTER TABLE executions DROP COLUMN operations")
    older.execute("ALTER TABLE executions DROP COLUMN attempts")
    older.execute("ALTER TABLE executions DROP COLUMN status_event")
    older.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    older.execute("PRAGMA user_version = 2")
    older.close()
    own, other = SqliteStore(path), SqliteStore(path)
    other.create(RECORD, [b"1"])
    other.delete(RECORD.arn)
    assert own.others() == ([], [RECORD.arn])
    own.close()
    other.close()


@pytest.mark.parametrize("make", [SqliteStore, lambda _path: MemoryStore()])
def test_an_append_without_a_status_leaves_the_number_of_its_event(
    make: Callable[[Path], Store], tmp_path: Path
) -> None:
    store = make(tmp_path / "x.db")
    store.create(RECORD, [b"1"])
    for event, number in ((b"2", None), (b"3", 3), (b"4", None)):
        after = int(event) - 1
        store.append(
            RECORD.arn,
            after,
            [event],
            Standing(status="RUNNING", is_open=True, status_event=number),
        )
    record = store.find(RECORD.arn)
    assert record is not None
    assert record.status_event == 3
    assert [store.event(RECORD.arn, n) for n in (0, 1, 3, 5)] == [None, b"1", b"3", None]
    store.close()

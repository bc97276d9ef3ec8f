"""The tables of the SQLite store, the check of a file's format, and the migration of older ones."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

import msgspec

from durable_execution_sdk.errors import StoreError

APPLICATION_ID = 0x64757261
"""SQLite's ``application_id`` of our files: "dura" in ASCII."""

_RETRY_SECONDS = 0.01
_sleep = time.sleep

# The ARNs of executions that were deleted, for the processes that show them. The last ones are enough.
_DELETIONS = (
    "CREATE TABLE deletions (number INTEGER PRIMARY KEY AUTOINCREMENT, arn TEXT NOT NULL)",
    """
    CREATE TRIGGER executions_deleted AFTER DELETE ON executions BEGIN
        INSERT INTO deletions (arn) VALUES (OLD.arn);
        DELETE FROM deletions WHERE number <= (SELECT max(number) FROM deletions) - 10000;
    END
    """,
)

# Null in an execution of an older file, until it is counted or gets an event.
_COUNTS = (
    "ALTER TABLE executions ADD COLUMN operations INTEGER",
    "ALTER TABLE executions ADD COLUMN attempts INTEGER",
)

_STATUSES = ("ALTER TABLE executions ADD COLUMN status_event INTEGER",)

_TABLES = (
    """
    CREATE TABLE executions (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        arn TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL UNIQUE,
        function TEXT NOT NULL,
        version TEXT NOT NULL,
        status TEXT NOT NULL,
        is_open INTEGER NOT NULL,
        started_at INTEGER NOT NULL,
        ended_at INTEGER,
        head INTEGER NOT NULL,
        operations INTEGER,
        attempts INTEGER,
        status_event INTEGER
    )
    """,
    "CREATE INDEX executions_by_function ON executions (function, started_at)",
    "CREATE INDEX executions_open ON executions (number) WHERE is_open",
    """
    CREATE TABLE events (
        execution INTEGER NOT NULL REFERENCES executions (number) ON DELETE CASCADE,
        seq INTEGER NOT NULL,
        json TEXT NOT NULL,
        UNIQUE (execution, seq)
    )
    """,
    *_DELETIONS,
)


class Format(msgspec.Struct, frozen=True, kw_only=True):
    """The format of a kind of files.

    ``migrations`` has the statements that bring a file of a version to the next one, for each older version.
    """

    application_id: int
    version: int
    tables: Sequence[str]
    migrations: Mapping[int, Sequence[str]] = MappingProxyType({})


EXECUTIONS = Format(
    application_id=APPLICATION_ID,
    version=5,
    tables=_TABLES,
    # Events of times and forks are new in version 2: a release that reads version 1 only cannot read them.
    migrations={1: (), 2: _DELETIONS, 3: _COUNTS, 4: _STATUSES},
)


def prepare(db: sqlite3.Connection, path: Path, format_: Format, busy_seconds: float) -> None:
    """Create the tables in a new file, or migrate those of an older version.

    Raises ``StoreError`` for a file of another kind, or of a newer version.

    ``busy_seconds`` is the longest wait for other processes, as in ``sqlite3.connect(timeout=)``.
    """
    try:
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = ON")
        if not _is_ours(db, path, format_):
            _log_ahead(db, busy_seconds)
            _create(db, path, format_)
        version = _migrate(db, format_)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise
        raise StoreError(
            f"{path} is not a SQLite database, or it is damaged ({error});"
            " move it away or choose another file"
        ) from error
    if version != format_.version:
        raise StoreError(
            f"{path} has format {version}, and this version of durable-execution-sdk reads format"
            f" {format_.version}; use the version that wrote it, or choose another file"
        )


def _is_ours(db: sqlite3.Connection, path: Path, format_: Format) -> bool:
    """Tell whether the tables are there, as of one moment: another process may be about to create them."""
    db.execute("BEGIN")
    try:
        is_ours = _number(db, "application_id") == format_.application_id
        if not is_ours:
            _refuse_foreign(db, path)
        return is_ours
    finally:
        db.execute("ROLLBACK")


def _log_ahead(db: sqlite3.Connection, busy_seconds: float) -> None:
    """Switch to a write-ahead log. For this one statement SQLite itself does not wait for other processes."""
    ends = time.monotonic() + busy_seconds
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not is_busy or time.monotonic() > ends:
                raise
            _sleep(_RETRY_SECONDS)
        else:
            return


def _create(db: sqlite3.Connection, path: Path, format_: Format) -> None:
    with _writing(db):
        # Another process may have created them while this one waited for the lock.
        if _number(db, "application_id") != format_.application_id:
            _refuse_foreign(db, path)
            for statement in format_.tables:
                db.execute(statement)
            db.execute(f"PRAGMA application_id = {format_.application_id}")
            db.execute(f"PRAGMA user_version = {format_.version}")


def _migrate(db: sqlite3.Connection, format_: Format) -> int:
    """Bring a file of an older version to this one, all of it or nothing; return its version."""
    version = _number(db, "user_version")
    if version not in format_.migrations:
        return version
    with _writing(db):
        # Another process may have migrated it while this one waited for the lock.
        version = _number(db, "user_version")
        while version in format_.migrations:
            for statement in format_.migrations[version]:
                db.execute(statement)
            version += 1
        db.execute(f"PRAGMA user_version = {version}")
    return version


@contextmanager
def _writing(db: sqlite3.Connection) -> Generator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _refuse_foreign(db: sqlite3.Connection, path: Path) -> None:
    if db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise StoreError(f"{path} is a SQLite database of something else; choose another file")


def _number(db: sqlite3.Connection, pragma: str) -> int:
    number: int = db.execute(f"PRAGMA {pragma}").fetchone()[0]
    return number

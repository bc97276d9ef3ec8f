"""The tables of the SQLite store, and the check of a file's format."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from durable_execution_sdk.errors import StoreError

APPLICATION_ID = 0x64757261
"""SQLite's ``application_id`` of our files: "dura" in ASCII."""

VERSION = 1

_RETRY_SECONDS = 0.01
_sleep = time.sleep

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
        head INTEGER NOT NULL
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
)


def prepare(db: sqlite3.Connection, path: Path, busy_seconds: float) -> None:
    """Create the tables in a new file; raise ``StoreError`` for a file of another kind or version.

    ``busy_seconds`` is the longest wait for other processes, as in ``sqlite3.connect(timeout=)``.
    """
    try:
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = ON")
        if not _is_ours(db, path):
            _log_ahead(db, busy_seconds)
            _create(db, path)
        version = _number(db, "user_version")
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise
        raise StoreError(
            f"{path} is not a SQLite database, or it is damaged ({error});"
            " move it away or choose another file"
        ) from error
    if version != VERSION:
        raise StoreError(
            f"{path} has format {version}, and this version of durable-execution-sdk reads format"
            f" {VERSION}; use the version that wrote it, or choose another file"
        )


def _is_ours(db: sqlite3.Connection, path: Path) -> bool:
    """Tell whether the tables are there, as of one moment: another process may be about to create them."""
    db.execute("BEGIN")
    try:
        is_ours = _number(db, "application_id") == APPLICATION_ID
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


def _create(db: sqlite3.Connection, path: Path) -> None:
    db.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have created them while this one waited for the lock.
        if _number(db, "application_id") != APPLICATION_ID:
            _refuse_foreign(db, path)
            for statement in _TABLES:
                db.execute(statement)
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {VERSION}")
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

"""The tables of the file of logs."""

from __future__ import annotations

from durable_execution_sdk.emulator.stores.schema import Format

_SCHEMAS = "CREATE TABLE schemas (digest TEXT PRIMARY KEY, json TEXT NOT NULL) WITHOUT ROWID"
_RUNS = """
    CREATE TABLE runs (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        arn TEXT NOT NULL,
        operation_id TEXT NOT NULL,
        json TEXT NOT NULL,
        UNIQUE (arn, operation_id)
    )
"""

_TABLES = (
    """
    CREATE TABLE lines (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        arn TEXT,
        request_id TEXT,
        operation_id TEXT,
        function TEXT NOT NULL,
        version TEXT NOT NULL,
        at INTEGER NOT NULL,
        stream TEXT NOT NULL,
        text TEXT NOT NULL
    )
    """,
    "CREATE INDEX lines_by_execution ON lines (arn, number)",
    """
    CREATE TABLE invocations (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        arn TEXT,
        json TEXT NOT NULL
    )
    """,
    "CREATE INDEX invocations_by_execution ON invocations (arn, number)",
    """
    CREATE TABLE notes (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        arn TEXT NOT NULL,
        operation_id TEXT NOT NULL,
        file TEXT NOT NULL,
        line INTEGER NOT NULL,
        function TEXT,
        awaited_type TEXT,
        branches INTEGER,
        awaited_schema TEXT,
        UNIQUE (arn, operation_id)
    )
    """,
    _SCHEMAS,
    _RUNS,
)

LOGS = Format(
    application_id=0x64757262,
    version=4,
    tables=_TABLES,
    migrations={
        1: ("ALTER TABLE notes ADD COLUMN branches INTEGER",),
        2: ("ALTER TABLE notes ADD COLUMN awaited_schema TEXT", _SCHEMAS),
        3: (_RUNS,),
    },
)
"""The format of the file. Its ``application_id`` is "durb" in ASCII."""

"""Logs in a SQLite file of their own, beside that of the executions.

A file of its own, because each write to that of the executions makes every process look for new events, and
waits for the disk. Logs do not: after a loss of power the last lines may be missing. The number of rows is
bounded, and so is the size; the oldest go first.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from durable_execution_sdk.dev.functions.records import (
    CodeNote,
    InvocationRecord,
    LogLine,
    RunNote,
)
from durable_execution_sdk.dev.logs import run_table
from durable_execution_sdk.dev.logs.rows import LineRow, NoteRow, code_note, log_line
from durable_execution_sdk.dev.logs.run_table import RunFacts
from durable_execution_sdk.dev.logs.schema import LOGS
from durable_execution_sdk.emulator.stores.sqlite_file import SqliteFile
from durable_execution_sdk.errors import StoreError

MOST_ROWS = 100_000
"""Rows of each table that are kept."""

MOST_BYTES = 256 << 20
"""Size of the file above which the older half of the lines goes."""

_WRITES_BETWEEN_BOUNDS = 200
_TABLES = ("lines", "invocations", "notes", "runs")
_LINE = "number, arn, request_id, operation_id, function, version, at, stream, text"
# The schema of the type that the same note names; a note without a type says nothing of it.
_SCHEMA = (
    "CASE WHEN excluded.awaited_type IS NULL THEN awaited_schema ELSE excluded.awaited_schema END"
)

_logger = logging.getLogger(__name__)


def logs_path(store: Path) -> Path:
    """Return the path of the logs of a store's executions."""
    return store.with_name(f"{store.name}.logs")


class LogStore:
    """Keeps lines, invocations and code positions. Thread-safe.

    It is a ``Recorder``: a write that fails is dropped with one warning, because logs must not fail the
    functions that write them. Methods that read raise ``StoreError``.
    """

    def __init__(self, path: Path, *, reads_only: bool = False) -> None:
        self.path = path
        self._file = SqliteFile(path, LOGS, reads_only=reads_only)
        self._file.read("PRAGMA synchronous = NORMAL")
        self._writes = 0
        self._has_warned = False

    def add_lines(self, lines: list[LogLine]) -> None:
        """Keep lines in their order."""
        self._write(
            "INSERT INTO lines (arn, request_id, operation_id, function, version, at, stream, text)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    line.arn,
                    line.request_id,
                    line.operation_id,
                    line.function,
                    line.version,
                    line.at,
                    line.stream,
                    line.text,
                )
                for line in lines
            ],
        )

    def add_invocation(self, record: InvocationRecord) -> None:
        """Keep an invocation that has ended."""
        self._write(
            "INSERT INTO invocations (arn, json) VALUES (?, ?)",
            [(record.arn, msgspec.json.encode(record).decode())],
        )

    def add_notes(self, notes: list[CodeNote]) -> None:
        """Keep notes: the last position of each operation, and what was said of it once.

        A note that says something new gets a new number.
        """
        schemas = {note.awaited_schema for note in notes if note.awaited_schema is not None}
        self._write(
            "INSERT INTO notes"  # noqa: S608 - our own words only
            " (arn, operation_id, file, line, function, awaited_type, branches, awaited_schema)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (arn, operation_id) DO UPDATE SET"
            " number = (SELECT max(number) + 1 FROM notes),"
            " file = excluded.file, line = excluded.line, function = excluded.function,"
            " awaited_type = COALESCE(excluded.awaited_type, awaited_type),"
            " branches = COALESCE(excluded.branches, branches),"
            f" awaited_schema = {_SCHEMA}"
            " WHERE file IS NOT excluded.file OR line IS NOT excluded.line"
            " OR function IS NOT excluded.function"
            " OR awaited_type IS NOT COALESCE(excluded.awaited_type, awaited_type)"
            " OR branches IS NOT COALESCE(excluded.branches, branches)"
            f" OR awaited_schema IS NOT {_SCHEMA}",
            [
                (
                    note.arn,
                    note.operation_id,
                    note.file,
                    note.line,
                    note.function,
                    note.awaited_type,
                    note.branches,
                    None if note.awaited_schema is None else _digest(note.awaited_schema),
                )
                for note in notes
            ],
            schemas=schemas,
        )

    def add_run_notes(self, notes: list[RunNote]) -> None:
        """Keep starts of attempts, and lines at which code waits."""
        self._attempt(lambda db: run_table.add(db, notes))

    def lines(
        self,
        arn: str | None,
        operation_id: str | None = None,
        *,
        after: int = 0,
        limit: int = MOST_ROWS,
    ) -> list[LogLine]:
        """Return the lines of an execution, or of one of its operations, numbered above ``after``.

        ``None`` asks for the lines that belong to no execution: those of plain functions, and of the start
        of processes.
        """
        condition, values = "arn IS ?", [arn]
        if operation_id is not None:
            condition += " AND operation_id = ?"
            values.append(operation_id)
        rows: list[LineRow] = self._file.read(
            f"SELECT {_LINE} FROM lines WHERE {condition} AND number > ?"  # noqa: S608 - our own words only
            " ORDER BY number LIMIT ?",
            (*values, after, limit),
        )
        return [log_line(row) for row in rows]

    def last_line(self, arn: str) -> int:
        """Return the number of the last line of an execution; 0 if it has none."""
        rows: list[tuple[int | None]] = self._file.read(
            "SELECT max(number) FROM lines WHERE arn = ?", (arn,)
        )
        return rows[0][0] or 0

    def invocations(self, arn: str) -> list[InvocationRecord]:
        """Return the invocations of an execution that have ended, in their order."""
        rows: list[tuple[str]] = self._file.read(
            "SELECT json FROM invocations WHERE arn = ? ORDER BY number", (arn,)
        )
        return [msgspec.json.decode(row[0], type=InvocationRecord) for row in rows]

    def has_invocations(self, arn: str) -> bool:
        """Return ``True`` if the server has made an invocation of an execution that has ended."""
        return bool(self._file.read("SELECT 1 FROM invocations WHERE arn = ? LIMIT 1", (arn,)))

    def notes(self, arn: str, *, after: int = 0) -> list[CodeNote]:
        """Return the notes about an execution's operations that are numbered above ``after``.

        They are without the schemas of awaited types, which ``awaited`` reads.
        """
        rows: list[NoteRow] = self._file.read(
            "SELECT number, arn, operation_id, file, line, function, awaited_type, branches FROM notes"
            " WHERE arn = ? AND number > ? ORDER BY number",
            (arn, after),
        )
        return [code_note(row) for row in rows]

    def awaited(self, arn: str, operation_id: str) -> tuple[str | None, str | None]:
        """Return the type that a callback waits for and its JSON schema, as far as they are known."""
        rows: list[tuple[str | None, str | None]] = self._file.read(
            "SELECT awaited_type, json FROM notes LEFT JOIN schemas ON digest = awaited_schema"
            " WHERE arn = ? AND operation_id = ?",
            (arn, operation_id),
        )
        return rows[0] if rows else (None, None)

    def run_facts(self, arn: str) -> dict[str, RunFacts]:
        """Return what runs of an execution have told of its operations, by id."""
        return run_table.facts_of(self._file, arn)

    def forget(self, arn: str) -> None:
        """Delete all records of an execution."""

        def delete(db: sqlite3.Connection) -> None:
            for table in _TABLES:
                db.execute(f"DELETE FROM {table} WHERE arn = ?", (arn,))  # noqa: S608 - ours

        self._attempt(delete)

    def pulse(self) -> int:
        """Return a number that changes when another process has written."""
        return self._file.pulse()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(
        self, statement: str, rows: Sequence[tuple[object, ...]], schemas: Iterable[str] = ()
    ) -> None:
        def insert(db: sqlite3.Connection) -> None:
            db.executemany(
                "INSERT OR IGNORE INTO schemas (digest, json) VALUES (?, ?)",
                [(_digest(schema), schema) for schema in schemas],
            )
            db.executemany(statement, rows)
            self._writes += 1
            if self._writes % _WRITES_BETWEEN_BOUNDS == 0:
                _keep_bounds(db)

        self._attempt(insert)

    def _attempt(self, write: Callable[[sqlite3.Connection], None]) -> None:
        try:
            with self._file.writing() as db:
                write(db)
        except StoreError as error:
            if not self._has_warned:
                self._has_warned = True
                _logger.warning("logs of functions are lost: %s", error)


def has_been_served(store: Path) -> bool:
    """Return ``True`` if a development server has run functions over a store."""
    return logs_path(store).exists()


def was_served(store: Path, arn: str) -> bool:
    """Return ``True`` if a development server has run an execution, as far as its logs tell."""
    path = logs_path(store)
    if not path.exists():
        return False
    try:
        kept = LogStore(path)
        try:
            return kept.has_invocations(arn)
        finally:
            kept.close()
    except StoreError:
        return False


def _keep_bounds(db: sqlite3.Connection) -> None:
    for table in _TABLES:
        db.execute(
            f"DELETE FROM {table} WHERE number <= (SELECT max(number) FROM {table}) - ?",  # noqa: S608 - ours
            (MOST_ROWS,),
        )
    db.execute(
        "DELETE FROM schemas WHERE digest NOT IN"
        " (SELECT awaited_schema FROM notes WHERE awaited_schema IS NOT NULL)"
    )
    used = db.execute(
        "SELECT (page_count - freelist_count) * page_size"
        " FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
    ).fetchone()[0]
    if used > MOST_BYTES:
        db.execute(
            "DELETE FROM lines WHERE number <= (SELECT (min(number) + max(number)) / 2 FROM lines)"
        )


def _digest(schema: str) -> str:
    return hashlib.sha256(schema.encode("utf-8", "surrogatepass")).hexdigest()

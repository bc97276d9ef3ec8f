"""A store in one SQLite file, which any number of processes may have open.

An append checks the number of events before it adds any, in one transaction. The transaction is on disk
(write-ahead log, ``synchronous=FULL``: a sync for each commit) before the append returns, or, after
``group_writes``, before ``commit`` returns. So neither ``kill -9`` nor a loss of power loses an event that
was acknowledged, as long as the disk keeps what it has synced.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from durable_execution_sdk.emulator.stores.leases import FileLeases, Leases
from durable_execution_sdk.emulator.stores.own_numbers import OwnNumbers
from durable_execution_sdk.emulator.stores.schema import EXECUTIONS
from durable_execution_sdk.emulator.stores.sqlite_file import SqliteFile
from durable_execution_sdk.emulator.stores.store import (
    ConflictError,
    Counts,
    ExecutionRecord,
    NameTakenError,
    Search,
    Standing,
)

DEFAULT_PATH = Path(".durable/executions.db")

_COLUMNS = (
    "arn, name, function, version, status, is_open, started_at, ended_at, head, number,"
    " operations, attempts, status_event"
)
_LAST = "SELECT coalesce(max(number), 0) FROM {table}"
_Number = int | None
_Row = tuple[str, str, str, str, str, int, int, _Number, int, int, _Number, _Number, _Number]


class SqliteStore:
    """Keeps executions in a SQLite file, which is created if missing, unless it ``reads_only``.

    All methods raise ``StoreError`` when the file cannot be used. A write waits at most 30 s for other
    processes' writes. After a group of writes could not be stored, ``uncommitted`` and ``commit`` raise for
    good.
    """

    def __init__(self, path: Path | str = DEFAULT_PATH, *, reads_only: bool = False) -> None:
        self.path = Path(path)
        self._leases = FileLeases(Path(f"{self.path.absolute()}.leases"))
        self._file = SqliteFile(self.path, EXECUTIONS, reads_only=reads_only)
        try:
            self._created = OwnNumbers(self._last("executions"))
            self._deleted = OwnNumbers(self._last("deletions"))
        except BaseException:
            self._file.close()
            raise

    @property
    def leases(self) -> Leases:
        """The leases of these executions."""
        return self._leases

    def create(self, record: ExecutionRecord, events: Sequence[bytes]) -> None:
        """Add an execution with its first events, or raise ``NameTakenError``."""
        with self._file.writing() as db:
            try:
                number = db.execute(
                    "INSERT INTO executions (arn, name, function, version, status, is_open,"
                    " started_at, ended_at, head, operations, attempts, status_event)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        record.arn,
                        record.name,
                        record.function,
                        record.version,
                        record.status,
                        record.is_open,
                        record.started_at,
                        record.ended_at,
                        len(events),
                        *_numbers(record.counts),
                        record.status_event,
                    ),
                ).lastrowid
            except sqlite3.IntegrityError:
                raise NameTakenError(record.name) from None
            assert number is not None
            _insert(db, number, 0, events)
        self._created.add(number)

    def append(self, arn: str, after: int, events: Sequence[bytes], standing: Standing) -> None:
        """Append events, all or none; raise ``ConflictError`` unless exactly ``after`` are stored."""
        with self._file.writing() as db:
            row = db.execute(
                "UPDATE executions SET head = ?, status = ?, is_open = ?, ended_at = ?,"
                " operations = ?, attempts = ?, status_event = coalesce(?, status_event)"
                " WHERE arn = ? AND head = ? RETURNING number",
                (
                    after + len(events),
                    standing.status,
                    standing.is_open,
                    standing.ended_at,
                    *_numbers(standing.counts),
                    standing.status_event,
                    arn,
                    after,
                ),
            ).fetchall()
            if not row:
                raise ConflictError(arn)
            _insert(db, row[0][0], after, events)

    def count(self, arn: str, head: int, counts: Counts) -> None:
        """Keep the counts of an execution, unless it has another number of events than ``head``."""
        with self._file.writing() as db:
            db.execute(
                "UPDATE executions SET operations = ?, attempts = ? WHERE arn = ? AND head = ?",
                (*_numbers(counts), arn, head),
            )

    def events(self, arn: str, after: int = 0) -> list[bytes]:
        """Return the events after the first ``after``."""
        rows: list[tuple[bytes]] = self._file.read(
            "SELECT CAST(json AS BLOB) FROM events"
            " WHERE execution = (SELECT number FROM executions WHERE arn = ?) AND seq > ?"
            " ORDER BY seq",
            (arn, after),
        )
        return [row[0] for row in rows]

    def event(self, arn: str, number: int) -> bytes | None:
        """Return an event of an execution by its number, from 1; ``None`` if it is not there."""
        rows: list[tuple[bytes]] = self._file.read(
            "SELECT CAST(json AS BLOB) FROM events"
            " WHERE execution = (SELECT number FROM executions WHERE arn = ?) AND seq = ?",
            (arn, number),
        )
        return rows[0][0] if rows else None

    def find(self, arn: str) -> ExecutionRecord | None:
        """Find an execution by its ARN."""
        return self._find("arn", arn)

    def find_name(self, name: str) -> ExecutionRecord | None:
        """Find an execution by its name."""
        return self._find("name", name)

    def search(self, search: Search) -> list[ExecutionRecord]:
        """List the executions that match."""
        clauses: list[str] = []
        values: list[object] = []

        def where(clause: str, *bound: object) -> None:
            clauses.append(clause)
            values.extend(bound)

        if search.function is not None:
            where("function = ?", search.function)
        if search.version is not None:
            where("version = ?", search.version)
        if search.name is not None:
            where("name = ?", search.name)
        if search.text is not None:
            text = search.text.lower()
            where("(instr(lower(name), ?) OR instr(lower(function), ?))", text, text)
        if search.run_id is not None:
            where("instr(arn, '/' || name || '/' || ?)", search.run_id)
        if search.statuses:
            where(f"status IN ({','.join('?' * len(search.statuses))})", *search.statuses)
        if search.started_after is not None:
            where("started_at > ?", search.started_after)
        if search.started_before is not None:
            where("started_at < ?", search.started_before)
        comparison, order = (">", "ASC") if search.oldest_first else ("<", "DESC")
        if search.after is not None:
            where(f"(started_at, number) {comparison} (?, ?)", *search.after)
        condition = f" WHERE {' AND '.join(clauses)}" if clauses else ""
        rows: list[_Row] = self._file.read(
            f"SELECT {_COLUMNS} FROM executions{condition}"  # noqa: S608 - our own words only
            f" ORDER BY started_at {order}, number {order} LIMIT ?",
            (*values, search.limit),
        )
        return [_record(row) for row in rows]

    def open_heads(self) -> dict[str, int]:
        """Return ARN and number of events of each open execution."""
        rows: list[tuple[str, int]] = self._file.read(
            "SELECT arn, head FROM executions WHERE is_open ORDER BY number"
        )
        return dict(rows)

    def delete(self, arn: str) -> None:
        """Delete an execution and its events; its name is free again."""
        with self._file.writing() as db:
            deleted = db.execute("DELETE FROM executions WHERE arn = ?", (arn,)).rowcount
            number = _last(db, "deletions")
        if deleted:
            self._deleted.add(number)

    def was_deleted(self, reference: str) -> bool:
        """Return ``True`` if an execution with this name or ARN is among the last 10,000 that were deleted."""
        return bool(
            self._file.read(
                "SELECT 1 FROM deletions WHERE arn = ?"
                " OR instr(arn, '/durable-execution/' || ? || '/') LIMIT 1",
                (reference, reference),
            )
        )

    def pulse(self) -> int:
        """Return a number that changes when another connection has written."""
        return self._file.pulse()

    def changes(self, since: int) -> dict[str, int] | None:
        """Return ``None``: SQLite reports that another connection wrote, but not what."""
        return None

    def others(self) -> tuple[list[str], list[str]]:
        """Return the ARNs that other connections have created, and those that they have deleted, since last time.

        Of the deleted ones at most the last 10,000 are known.
        """
        created = self._file.read(
            "SELECT number, arn FROM executions WHERE number > ? ORDER BY number",
            (self._created.last,),
        )
        deleted = self._file.read(
            "SELECT number, arn FROM deletions WHERE number > ? ORDER BY number",
            (self._deleted.last,),
        )
        return self._created.of_others(created), self._deleted.of_others(deleted)

    def group_writes(self) -> None:
        """Let the writes from now on wait for ``commit``, in one transaction."""
        self._file.group_writes()

    def uncommitted(self) -> bool:
        """Return ``True`` while writes wait for ``commit``; raise ``StoreError`` if such writes were lost."""
        return self._file.uncommitted()

    def commit(self) -> None:
        """Store the writes that wait, with one sync; raise ``StoreError`` if they are lost."""
        self._file.commit()

    def close(self) -> None:
        """Close the file. Writes that wait for ``commit`` are lost."""
        self._file.close()

    def _last(self, table: str) -> int:
        rows: list[tuple[int]] = self._file.read(_LAST.format(table=table))
        return rows[0][0]

    def _find(self, column: str, value: str) -> ExecutionRecord | None:
        rows: list[_Row] = self._file.read(
            f"SELECT {_COLUMNS} FROM executions WHERE {column} = ?",  # noqa: S608 - ours
            (value,),
        )
        return _record(rows[0]) if rows else None


def _last(db: sqlite3.Connection, table: str) -> int:
    number: int = db.execute(_LAST.format(table=table)).fetchone()[0]
    return number


def _insert(db: sqlite3.Connection, execution: int, after: int, events: Sequence[bytes]) -> None:
    db.executemany(
        "INSERT INTO events (execution, seq, json) VALUES (?, ?, ?)",
        [(execution, seq, event.decode()) for seq, event in enumerate(events, after + 1)],
    )


def _numbers(counts: Counts | None) -> tuple[int | None, int | None]:
    return (None, None) if counts is None else (counts.operations, counts.attempts)


def _record(row: _Row) -> ExecutionRecord:
    arn, name, function, version, status, is_open, started_at, ended_at, head, number = row[:10]
    operations, attempts, status_event = row[10:]
    counts = None
    if operations is not None and attempts is not None:
        counts = Counts(operations=operations, attempts=attempts)
    return ExecutionRecord(
        arn=arn,
        name=name,
        function=function,
        version=version,
        status=status,
        is_open=bool(is_open),
        started_at=started_at,
        ended_at=ended_at,
        head=head,
        number=number,
        counts=counts,
        status_event=status_event,
    )

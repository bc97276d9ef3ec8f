"""A store in one SQLite file, which any number of processes may have open.

An append checks the number of events before it adds any, in one transaction. The transaction is on disk
(write-ahead log, ``synchronous=FULL``: a sync for each commit) before the append returns, or, after
``group_writes``, before ``commit`` returns. So neither ``kill -9`` nor a loss of power loses an event that
was acknowledged, as long as the disk keeps what it has synced.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from durable_execution_sdk.emulator.stores.leases import FileLeases, Leases
from durable_execution_sdk.emulator.stores.schema import prepare
from durable_execution_sdk.emulator.stores.store import (
    ConflictError,
    ExecutionRecord,
    NameTakenError,
    Search,
    Standing,
)
from durable_execution_sdk.errors import StoreError

DEFAULT_PATH = Path(".durable/executions.db")

_BUSY_SECONDS = 30.0
_COLUMNS = "arn, name, function, version, status, is_open, started_at, ended_at, head, number"
_Row = tuple[str, str, str, str, str, int, int, "int | None", int, int]


class SqliteStore:
    """Keeps executions in a SQLite file, which is created if missing.

    All methods raise ``StoreError`` when the file cannot be used. A write waits at most 30 s for other
    processes' writes.

    After a group of writes could not be stored, ``uncommitted`` and ``commit`` raise for good: the
    callers have seen those writes, so they must read the file anew.
    """

    def __init__(self, path: Path | str = DEFAULT_PATH) -> None:
        self.path = Path(path)
        self._lock = threading.RLock()
        self._leases = FileLeases(Path(f"{self.path}.leases"))
        self._is_grouping = False
        self._lost: StoreError | None = None
        self._db = self._open()

    @property
    def leases(self) -> Leases:
        """The leases of these executions."""
        return self._leases

    def create(self, record: ExecutionRecord, events: Sequence[bytes]) -> None:
        """Add an execution with its first events, or raise ``NameTakenError``."""
        with self._writing() as db:
            try:
                number = db.execute(
                    "INSERT INTO executions (arn, name, function, version, status, is_open,"
                    " started_at, ended_at, head) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
                    ),
                ).lastrowid
            except sqlite3.IntegrityError:
                raise NameTakenError(record.name) from None
            assert number is not None
            _insert(db, number, 0, events)

    def append(self, arn: str, after: int, events: Sequence[bytes], standing: Standing) -> None:
        """Append events, all or none; raise ``ConflictError`` unless exactly ``after`` are stored."""
        with self._writing() as db:
            row = db.execute(
                "UPDATE executions SET head = ?, status = ?, is_open = ?, ended_at = ?"
                " WHERE arn = ? AND head = ? RETURNING number",
                (
                    after + len(events),
                    standing.status,
                    standing.is_open,
                    standing.ended_at,
                    arn,
                    after,
                ),
            ).fetchall()
            if not row:
                raise ConflictError(arn)
            _insert(db, row[0][0], after, events)

    def events(self, arn: str, after: int = 0) -> list[bytes]:
        """Return the events after the first ``after``."""
        rows: list[tuple[bytes]] = self._read(
            "SELECT CAST(json AS BLOB) FROM events"
            " WHERE execution = (SELECT number FROM executions WHERE arn = ?) AND seq > ?"
            " ORDER BY seq",
            (arn, after),
        )
        return [row[0] for row in rows]

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
        rows: list[_Row] = self._read(
            f"SELECT {_COLUMNS} FROM executions{condition}"  # noqa: S608 - our own words only
            f" ORDER BY started_at {order}, number {order} LIMIT ?",
            (*values, search.limit),
        )
        return [_record(row) for row in rows]

    def open_heads(self) -> dict[str, int]:
        """Return ARN and number of events of each open execution."""
        rows: list[tuple[str, int]] = self._read(
            "SELECT arn, head FROM executions WHERE is_open ORDER BY number", ()
        )
        return dict(rows)

    def delete(self, arn: str) -> None:
        """Delete an execution and its events; its name is free again."""
        with self._writing() as db:
            db.execute("DELETE FROM executions WHERE arn = ?", (arn,))

    def pulse(self) -> int:
        """Return a number that changes when another connection has written."""
        self._require_in_place()
        rows: list[tuple[int]] = self._read("PRAGMA data_version", ())
        return rows[0][0]

    def changes(self, since: int) -> dict[str, int] | None:
        """Return ``None``: SQLite reports that another connection wrote, but not what."""
        return None

    def group_writes(self) -> None:
        """Let the writes from now on wait for ``commit``, in one transaction."""
        self._is_grouping = True

    def uncommitted(self) -> bool:
        """Return ``True`` while writes wait for ``commit``; raise ``StoreError`` if such writes were lost."""
        if self._lost is not None:
            raise StoreError(str(self._lost)) from self._lost
        with self._mapping_errors():
            return self._db.in_transaction

    def commit(self) -> None:
        """Store the writes that wait, with one sync; raise ``StoreError`` if they are lost."""
        with self._lock:
            if not self.uncommitted():
                return
            try:
                with self._mapping_errors():
                    self._require_in_place()
                    self._db.execute("COMMIT")
            except BaseException as error:
                is_open = self._db.in_transaction
                if is_open:
                    self._db.execute("ROLLBACK")
                # SQLite itself may have rolled back; an interrupt may come after a commit that succeeded.
                if is_open or isinstance(error, StoreError):
                    self._lose(error)
                raise

    def close(self) -> None:
        """Close the file. Writes that wait for ``commit`` are lost."""
        with self._lock:
            self._db.close()

    def _open(self) -> sqlite3.Connection:
        with self._mapping_errors():
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
            db = sqlite3.connect(
                self.path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            try:
                prepare(db, self.path)
                self._files = {self.path: self.path.stat()}
            except BaseException:
                db.close()
                raise
            return db

    def _require_in_place(self) -> None:
        """Raise ``StoreError`` when the file was deleted, moved or replaced while it was open.

        SQLite would go on writing to the old file, and those writes could never be read again.
        """
        for path, known in self._files.items():
            try:
                now = path.stat()
            except FileNotFoundError:
                now = None
            if now is None or not os.path.samestat(now, known) or now.st_size < known.st_size:
                raise StoreError(
                    f"{path} was deleted, moved, replaced or cut off while it was in use; what happened"
                    " since is lost. Run again with the file in its place or another --store, and never"
                    " delete a store while a process uses it"
                )
            self._files[path] = now

    def _find(self, column: str, value: str) -> ExecutionRecord | None:
        rows: list[_Row] = self._read(
            f"SELECT {_COLUMNS} FROM executions WHERE {column} = ?",  # noqa: S608 - ours
            (value,),
        )
        return _record(rows[0]) if rows else None

    def _read(self, sql: str, values: tuple[object, ...]) -> list[Any]:
        with self._lock, self._mapping_errors(), closing(self._db.execute(sql, values)) as rows:
            return rows.fetchall()

    @contextmanager
    def _writing(self) -> Generator[sqlite3.Connection]:
        with self._lock, self._mapping_errors():
            is_first = not self._db.in_transaction
            if is_first:
                self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("SAVEPOINT one_write")
            try:
                yield self._db
                self._db.execute("RELEASE one_write")
            except BaseException as error:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK TO one_write")
                    self._db.execute("RELEASE one_write")
                    if is_first:
                        self._db.execute("ROLLBACK")
                elif not is_first:
                    # SQLite rolls a whole transaction back when the disk is full or does not work.
                    self._lose(error)
                raise
            if not self._is_grouping:
                self.commit()

    def _lose(self, error: BaseException) -> None:
        """Remember that writes of a group are lost, some of which other callers have made."""
        if self._is_grouping:
            self._lost = StoreError(
                f"writes to {self.path} could not be stored: {error}; run again, and what was"
                " acknowledged is there"
            )

    @contextmanager
    def _mapping_errors(self) -> Generator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise StoreError(
                f"cannot use {self.path} to keep executions in: {error}; {_advice(error)}, or choose"
                " another file"
            ) from error


def _advice(error: Exception) -> str:
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
        return f"another process has been writing to it for {_BUSY_SECONDS:g} seconds; try again"
    return "check that the disk has room and the file is yours"


def _insert(db: sqlite3.Connection, execution: int, after: int, events: Sequence[bytes]) -> None:
    db.executemany(
        "INSERT INTO events (execution, seq, json) VALUES (?, ?, ?)",
        [(execution, seq, event.decode()) for seq, event in enumerate(events, after + 1)],
    )


def _record(row: _Row) -> ExecutionRecord:
    arn, name, function, version, status, is_open, started_at, ended_at, head, number = row
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
    )

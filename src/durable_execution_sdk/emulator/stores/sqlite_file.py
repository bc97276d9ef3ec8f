"""One SQLite file, which any number of processes may have open: transactions, and groups of writes."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from durable_execution_sdk.emulator.stores.schema import Format, prepare
from durable_execution_sdk.errors import StoreError

__all__ = ["SqliteFile"]

_BUSY_SECONDS = 30.0


class SqliteFile:
    """A connection to the file, which is created if missing. All methods raise ``StoreError``.

    With ``reads_only`` the file has to exist, and each write fails. A file of an older format is still brought
    up to date, as by every program that opens it, if this user may write to it.

    After a group of writes could not be stored, ``uncommitted`` and ``commit`` raise for good: the
    callers have seen those writes, so they must read the file anew.
    """

    def __init__(self, path: Path, format_: Format, *, reads_only: bool = False) -> None:
        self.path = path
        self._reads_only = reads_only
        self._format = format_
        # A function may change the working directory. And ``:memory:`` is the name of a file here.
        self._file = path.absolute()
        self._lock = threading.RLock()
        self._is_grouping = self._is_closed = False
        self._lost: StoreError | None = None
        self._db = self._open()

    def read(self, sql: str, values: tuple[object, ...] = ()) -> list[Any]:
        """Return the rows of a query."""
        with self._lock, self._mapping_errors(), closing(self._db.execute(sql, values)) as rows:
            return rows.fetchall()

    @contextmanager
    def writing(self) -> Generator[sqlite3.Connection]:
        """Make one write, all of it or none: it waits at most 30 s for the writes of other processes."""
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

    def pulse(self) -> int:
        """Return a number that changes when another connection has written."""
        self._require_in_place()
        rows: list[tuple[int]] = self.read("PRAGMA data_version")
        return rows[0][0]

    def group_writes(self) -> None:
        """Let the writes from now on wait for ``commit``, in one transaction."""
        self._is_grouping = True

    def uncommitted(self) -> bool:
        """Return ``True`` while writes wait for ``commit``; raise ``StoreError`` if such writes were lost."""
        if self._lost is not None:
            raise StoreError(str(self._lost)) from self._lost
        with self._mapping_errors():
            # The thread that closes the store commits for the others, which may ask only after that.
            return not self._is_closed and self._db.in_transaction

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
            if not self._is_closed and self._db.in_transaction:
                self._lose(StoreError("the store was closed before that"))
            self._is_closed = True
            self._db.close()

    def _open(self) -> sqlite3.Connection:
        with self._mapping_errors():
            if not self._reads_only:
                self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                os.close(os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600))
            db = sqlite3.connect(
                self._file.as_uri() + self._way(),
                timeout=_BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
                uri=True,
            )
            try:
                prepare(db, self.path, self._format, _BUSY_SECONDS)
                if self._reads_only:
                    db.execute("PRAGMA query_only = ON")
                self._known = self._file.stat()
            except BaseException:
                db.close()
                raise
            return db

    def _way(self) -> str:
        """Return the parameters of SQLite's address for the way in which the file is opened.

        A reader shares files with the writers, and makes them if they are missing. Where it may not, and there
        are none, no program writes.
        """
        may_write = all(os.access(each, os.W_OK) for each in (self._file, self._file.parent))
        if not self._reads_only or may_write:
            return "?mode=rw"
        is_shared = self._file.with_name(f"{self._file.name}-wal").exists()
        return "?mode=ro" if is_shared else "?mode=ro&immutable=1"

    def _require_in_place(self) -> None:
        """Raise ``StoreError`` when the file was deleted, moved or replaced while it was open.

        SQLite would go on writing to the old file, and those writes could never be read again.
        """
        try:
            now = self._file.stat()
        except FileNotFoundError:
            now = None
        known = self._known
        if now is None or not os.path.samestat(now, known) or now.st_size < known.st_size:
            raise StoreError(
                f"{self.path} was deleted, moved, replaced or cut off while it was in use; what happened"
                " since is lost. Run again with the file in its place or another --store, and never"
                " delete a store while a process uses it"
            )
        self._known = now

    def _lose(self, error: BaseException) -> None:
        """Remember that writes of a group are lost, those of other callers among them."""
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

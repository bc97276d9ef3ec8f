"""One live worker for each execution, across threads and processes.

A lease is what tells an invocation that is running from one that was cut: the operating system gives
the lease of a process that died, however it died, back at once.
"""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from durable_execution_sdk.errors import StoreError

if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


Release = Callable[[], None]


class Leases(Protocol):
    """Who may work on which execution."""

    def acquire(self, arn: str) -> Release | None:
        """Take an execution's lease, or ``None`` when a live worker has it; call it to let go."""
        ...


class MemoryLeases:
    """Leases among the threads of one process."""

    def __init__(self) -> None:
        self._held: set[str] = set()
        self._lock = threading.Lock()

    def acquire(self, arn: str) -> Release | None:
        """Take an execution's lease, or ``None`` when a live worker has it."""
        with self._lock:
            if arn in self._held:
                return None
            self._held.add(arn)
        return lambda: self._held.discard(arn)


class FileLeases:
    """Leases among all processes that share a directory, as locks on files in it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def acquire(self, arn: str) -> Release | None:
        """Take an execution's lease, or ``None`` when a live worker has it."""
        path = self._directory / hashlib.sha256(arn.encode()).hexdigest()[:32]
        try:
            return self._acquire(path)
        except OSError as error:
            raise StoreError(
                f"cannot lock {path}: {error}; {self._directory} has to be a directory that you can"
                " write to: move away what is there, or choose another file for the store"
            ) from error

    def _acquire(self, path: Path) -> Release | None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            if not _try_lock(descriptor):
                os.close(descriptor)
                return None
            if _is_still(path, descriptor):
                return lambda: _release(path, descriptor)
            # The holder before us removed the file between our open and our lock.
            os.close(descriptor)


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _release(path: Path, descriptor: int) -> None:
    # Removed while it is locked, so nobody can hold a lock on a file that is no longer there
    # without noticing. Windows does not remove open files; there the empty file stays.
    with suppress(OSError):
        path.unlink()
    os.close(descriptor)

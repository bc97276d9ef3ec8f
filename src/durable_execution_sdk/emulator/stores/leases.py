"""Leases: at most one live worker for each execution, across threads and processes.

The lease distinguishes a running invocation from one whose process died: the operating system releases
a dead process's file locks at once.
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

    def _try_lock(descriptor: int, *, shared: bool = False) -> bool:
        # All locks of msvcrt are exclusive.
        del shared
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(descriptor: int, *, shared: bool = False) -> bool:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


Release = Callable[[], None]


class Leases(Protocol):
    """Exclusive leases by execution ARN."""

    def acquire(self, arn: str) -> Release | None:
        """Acquire the lease and return a function that releases it; ``None`` if another worker has it."""
        ...


class MemoryLeases:
    """Leases between the threads of one process."""

    def __init__(self) -> None:
        self._held: set[str] = set()
        self._lock = threading.Lock()

    def acquire(self, arn: str) -> Release | None:
        """Acquire the lease and return a function that releases it; ``None`` if another worker has it."""
        with self._lock:
            if arn in self._held:
                return None
            self._held.add(arn)
        return lambda: self._held.discard(arn)


class FileLeases:
    """Leases between all processes that share a directory, as locks on files in it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def acquire(self, arn: str) -> Release | None:
        """Acquire the lease and return a function that releases it; ``None`` if another worker has it.

        Raises ``StoreError`` when the lock file cannot be created or locked.
        """
        path = self._directory / hashlib.sha256(arn.encode()).hexdigest()[:32]
        try:
            return lock_file(path)
        except OSError as error:
            raise StoreError(
                f"cannot lock {path}: {error}; {self._directory} has to be a directory that you can"
                " write to: move it away, or choose another file for the store"
            ) from error


def lock_file(path: Path) -> Release | None:
    """Make a file and lock it; return a function that removes it, or ``None`` if it is locked already."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        if not _try_lock(descriptor):
            os.close(descriptor)
            return None
        if _is_file_at(path, descriptor):
            return lambda: _release(path, descriptor)
        # The previous holder removed the file after our open and before our lock.
        os.close(descriptor)


def is_locked(path: Path) -> bool:
    """Tell whether a process has locked a file; remove the file if none has."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        # A shared lock: two processes that ask at once do not take one another for the holder.
        if not _try_lock(descriptor, shared=True):
            return True
        with suppress(OSError):
            path.unlink()
        return False
    finally:
        os.close(descriptor)


def _is_file_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _release(path: Path, descriptor: int) -> None:
    # Remove the file while it is locked: a process that locks it afterwards notices in ``lock_file``.
    # Windows cannot remove an open file; the empty file stays there.
    with suppress(OSError):
        path.unlink()
    os.close(descriptor)

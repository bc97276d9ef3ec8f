"""The processes that run an execution, each shown by a file that it keeps locked.

The lease of an invocation is free while the execution waits, so it does not show if a process will go on
with the execution. The files of this module lie beside the leases, and are locked for a whole run. The
operating system releases the locks of a process that was killed.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from durable_execution_sdk.emulator.stores.leases import is_locked, lock_file
from durable_execution_sdk.errors import StoreError


class Runs:
    """The runs of the executions of one store."""

    def __init__(self, store: Path) -> None:
        self._directory = Path(f"{store}.leases")

    @contextmanager
    def entered(self, arn: str) -> Generator[list[int]]:
        """Register this process for as long as the context is open; yield the ids of the others that run the execution.

        Raises ``StoreError`` when the file cannot be created or locked.
        """
        # The token keeps two processes with one id, in two containers, apart.
        path = self._directory / f"{_prefix(arn)}{os.getpid()}.{secrets.token_hex(4)}"
        try:
            # A process that lists the runs may hold the lock for a moment.
            while (release := lock_file(path)) is None:
                pass
        except OSError as error:
            raise self._cannot_lock(path, error) from error
        try:
            yield self._others(arn, path)
        finally:
            release()

    def processes(self, arn: str) -> list[int]:
        """Return the ids of the processes that run an execution, in order.

        Raises ``StoreError`` when a file cannot be locked.
        """
        return self._others(arn, None)

    def working(self) -> frozenset[str]:
        """Return the names of the files of all runs of which the process lives.

        Raises ``StoreError`` when a file cannot be locked.
        """
        try:
            files = self._directory.glob(f"*{_RUN}*")
            return frozenset(path.name for path in files if is_locked(path))
        except OSError as error:
            raise self._cannot_lock(self._directory, error) from error

    def _others(self, arn: str, own: Path | None) -> list[int]:
        paths = [path for path in self._directory.glob(f"{_prefix(arn)}*") if path != own]
        try:
            return sorted(int(path.name.split(".")[2]) for path in paths if is_locked(path))
        except OSError as error:
            raise self._cannot_lock(self._directory, error) from error

    def _cannot_lock(self, path: Path, error: OSError) -> StoreError:
        return StoreError(
            f"cannot lock {path}: {error}; {self._directory} has to be a directory that you can write"
            " to: move it away, or choose another file for the store"
        )


_RUN = ".run."


def _prefix(arn: str) -> str:
    return f"{hashlib.sha256(arn.encode()).hexdigest()[:32]}{_RUN}"

"""The file beside a store that tells other processes which executions a server holds, and why.

It is of the server that runs, so it means nothing without one (``dev.discovery_file``).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from durable_execution_sdk.dev.reload.findings import Finding

__all__ = ["HeldExecution", "HeldFile", "read_held"]


class HeldExecution(msgspec.Struct, frozen=True, kw_only=True):
    """A held execution; ``code`` is the digest of the code that does not fit it."""

    arn: str
    code: str
    finding: Finding


class HeldFile:
    """The file of this process. ``close`` removes it."""

    def __init__(self, store: Path) -> None:
        self._path = _path_of(store)
        self.close()

    def write(self, held: Sequence[HeldExecution]) -> None:
        """Write the file, readable by this user alone; readers see the old one or the new one."""
        if not held:
            self.close()
            return
        fresh = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        with suppress(FileNotFoundError):
            fresh.unlink()
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(held))
        fresh.replace(self._path)

    def close(self) -> None:
        """Remove the file."""
        with suppress(FileNotFoundError):
            self._path.unlink()


def read_held(store: Path) -> dict[str, HeldExecution]:
    """Return the executions in the file by ARN; none if there is no file."""
    try:
        held = msgspec.json.decode(_path_of(store).read_bytes(), type=list[HeldExecution])
    except (OSError, msgspec.DecodeError):
        return {}
    return {each.arn: each for each in held}


def _path_of(store: Path) -> Path:
    return Path(f"{store}.held.json")

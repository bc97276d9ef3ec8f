"""The file beside a store that tells other processes which executions a server holds, and why.

It is of the server that runs, so it means nothing without one (``dev.discovery_file``).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from durable_execution_sdk.dev.private_file import write_private_file
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
        write_private_file(self._path, msgspec.json.encode(held))

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

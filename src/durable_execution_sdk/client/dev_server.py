"""Find the development server that runs a store, by the file that it keeps beside it.

The server holds a lock for as long as it lives; the operating system releases it when the process ends,
however that happens. A file without the lock is stale: its server was killed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from durable_execution_sdk.emulator.stores.leases import is_locked

__all__ = ["ServerAddress", "address_file", "find_server", "server_lock"]


class ServerAddress(msgspec.Struct, frozen=True, kw_only=True):
    """A running server; ``functions`` are the names of those that it runs.

    ``token`` is what requests have to carry, if the server asks for one.
    """

    url: str
    pid: int
    store: str
    functions: Sequence[str] = ()
    token: str | None = None


def find_server(store: Path) -> ServerAddress | None:
    """Return the server that runs a store; ``None`` if none does, or only a stale file says so."""
    try:
        if not is_locked(server_lock(store)):
            return None
        return msgspec.json.decode(address_file(store).read_bytes(), type=ServerAddress)
    except (OSError, msgspec.DecodeError):
        # A server that begins or ends just now has the lock and no file.
        return None


def address_file(store: Path) -> Path:
    """Return the path of the file with the server's address."""
    return Path(f"{store}.server.json")


def server_lock(store: Path) -> Path:
    """Return the path of the file that the server of a store keeps locked."""
    return Path(f"{store}.leases") / "server"

"""The file beside a store by which commands find the server that runs it.

The server holds a lock for as long as it lives; the operating system releases it when the process ends,
however that happens. A file without the lock is stale: its server was killed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from durable_execution_sdk.dev.private_file import write_private_file
from durable_execution_sdk.emulator.stores.leases import is_locked, lock_file
from durable_execution_sdk.errors import ConfigError, StoreError

__all__ = ["DiscoveryFile", "ServerAddress", "find_server"]


class ServerAddress(msgspec.Struct, frozen=True, kw_only=True):
    """A running server; ``functions`` are the names of those that it runs.

    ``token`` is what requests have to carry, if the server asks for one.
    """

    url: str
    pid: int
    store: str
    functions: Sequence[str] = ()
    token: str | None = None


class DiscoveryFile:
    """The discovery file of this process, and the lock that makes it the only server of a store."""

    def __init__(self, store: Path) -> None:
        """Take the lock; raise ``ConfigError`` if another server runs the store."""
        self._path = _path_of(store)
        self._release = _lock(store)

    def write(self, address: ServerAddress) -> None:
        """Write the file, readable by this user alone; readers see the old one or the new one."""
        write_private_file(self._path, msgspec.json.encode(address))

    def close(self) -> None:
        """Remove the file, and release the lock."""
        with suppress(FileNotFoundError):
            self._path.unlink()
        self._release()


def find_server(store: Path) -> ServerAddress | None:
    """Return the server that runs a store; ``None`` if none does, or only a stale file says so."""
    try:
        if not is_locked(_lock_of(store)):
            return None
        return msgspec.json.decode(_path_of(store).read_bytes(), type=ServerAddress)
    except (OSError, msgspec.DecodeError):
        # A server that begins or ends just now has the lock and no file.
        return None


def _lock(store: Path) -> Callable[[], None]:
    path = _lock_of(store)
    try:
        # A command that looks for the server may hold the lock for a moment.
        while (release := lock_file(path)) is None:
            if is_locked(path):
                raise ConfigError(_taken(store))
    except OSError as error:
        raise StoreError(
            f"cannot lock {path}: {error}; {path.parent} has to be a directory that you can write to: move"
            " it away, or choose another file for the store"
        ) from error
    return release


def _taken(store: Path) -> str:
    address = find_server(store)
    where = "" if address is None else f", at {address.url} in process {address.pid}"
    return (
        f"another server runs the store {store} already{where}; stop it, or choose another store with"
        " --store"
    )


def _path_of(store: Path) -> Path:
    return Path(f"{store}.server.json")


def _lock_of(store: Path) -> Path:
    return Path(f"{store}.leases") / "server"

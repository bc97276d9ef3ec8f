"""The file beside a store by which commands and clients find the server that runs it.

``client.dev_server`` reads it, and says what it means.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from durable_execution_sdk.client.dev_server import (
    ServerAddress,
    address_file,
    find_server,
    server_lock,
)
from durable_execution_sdk.dev.private_file import write_private_file
from durable_execution_sdk.emulator.stores.leases import is_locked, lock_file
from durable_execution_sdk.errors import ConfigError, StoreError

__all__ = ["DiscoveryFile", "ServerAddress", "find_server"]


class DiscoveryFile:
    """The discovery file of this process, and the lock that makes it the only server of a store."""

    def __init__(self, store: Path) -> None:
        """Take the lock; raise ``ConfigError`` if another server runs the store."""
        self._path = address_file(store)
        self._release = _lock(store)

    def write(self, address: ServerAddress) -> None:
        """Write the file, readable by this user alone; readers see the old one or the new one."""
        write_private_file(self._path, msgspec.json.encode(address))

    def close(self) -> None:
        """Remove the file, and release the lock."""
        with suppress(FileNotFoundError):
            self._path.unlink()
        self._release()


def _lock(store: Path) -> Callable[[], None]:
    path = server_lock(store)
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

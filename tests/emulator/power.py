"""A disk under SQLite that keeps only what was synced, so that a loss of power can be tried.

``Disk`` puts itself between SQLite and the file system: it is SQLite's default virtual file system with
another ``xOpen``, which gives the files that it opens another ``xSync``. Writes go to the real files, and
each sync copies the file's content. A loss of power at any moment leaves these copies and nothing else.
Everything else, locks and shared memory among it, is SQLite's own.
"""

from __future__ import annotations

import _sqlite3
import ctypes
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_OK = 0
_IOERR_FSYNC = 1034

_OPEN = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_void_p,
    ctypes.c_void_p,  # SQLite keeps this pointer to the path, so it is passed on as it is
    ctypes.c_void_p,
    ctypes.c_int,
    ctypes.c_void_p,
)
_SYNC = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int)


class _FileSystem(ctypes.Structure):
    """The ``sqlite3_vfs`` of SQLite's interface, version 3."""

    _fields_ = (
        ("version", ctypes.c_int),
        ("file_size", ctypes.c_int),
        ("longest_path", ctypes.c_int),
        ("following", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
        ("data", ctypes.c_void_p),
        ("open", _OPEN),
        ("others", ctypes.c_void_p * 15),
    )


class _Methods(ctypes.Structure):
    """The ``sqlite3_io_methods`` of SQLite's interface, version 3."""

    _fields_ = (
        ("version", ctypes.c_int),
        ("before", ctypes.c_void_p * 4),  # close, read, write, truncate
        ("sync", _SYNC),
        ("after", ctypes.c_void_p * 13),
    )


class _File(ctypes.Structure):
    """The ``sqlite3_file`` that all files begin with."""

    _fields_ = (("methods", ctypes.POINTER(_Methods)),)


def _library() -> Any:
    # The library that the module is linked with, or the module itself if it holds SQLite.
    try:
        library = ctypes.CDLL(_sqlite3.__file__)
        library.sqlite3_vfs_find.restype = ctypes.POINTER(_FileSystem)
    except (AttributeError, OSError):
        return None
    return library


_SQLITE = _library()
IS_HAD = _SQLITE is not None

# SQLite keeps pointers to them for as long as a file is open.
_KEPT: list[object] = []


class Disk:
    """Context manager under which SQLite opens its files on a disk that keeps only what was synced.

    ``syncs`` are the names of the files that were synced, in order. ``on_sync`` is called before each
    sync of a write-ahead log with the number of those before it; when it returns ``False``, the sync fails.
    """

    def __init__(self, on_sync: Callable[[int], bool] = lambda _: True) -> None:
        self.syncs: list[str] = []
        self._on_sync = on_sync
        self._synced: dict[str, bytes] = {}
        self._descriptors: dict[str, int] = {}
        self._names: dict[int, str] = {}
        self._tables: dict[int, _Methods] = {}

    def __enter__(self) -> Self:
        self._default = _SQLITE.sqlite3_vfs_find(None)
        self._system = _FileSystem.from_buffer_copy(self._default.contents)
        self._system.name = b"disk"
        self._system.open = _OPEN(self._open)
        _KEPT.append(self._system)
        assert _SQLITE.sqlite3_vfs_register(ctypes.byref(self._system), 1) == _OK
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert _SQLITE.sqlite3_vfs_register(self._default, 1) == _OK
        _SQLITE.sqlite3_vfs_unregister(ctypes.byref(self._system))
        for descriptor in self._descriptors.values():
            os.close(descriptor)

    @property
    def commits(self) -> int:
        """The number of syncs of write-ahead logs: each commit needs one."""
        return sum(name.endswith("-wal") for name in self.syncs)

    def kept(self) -> dict[str, bytes]:
        """Return the files' contents as a loss of power at this moment would leave them."""
        return dict(self._synced)

    def _open(self, _: int, path: int | None, file: int, flags: int, found: int) -> int:
        status = self._default.contents.open(
            ctypes.addressof(self._default.contents), path, file, flags, found
        )
        opened = ctypes.cast(file, ctypes.POINTER(_File)).contents
        if status == _OK and path is not None and opened.methods:
            name = ctypes.string_at(path).decode()
            self._names[file] = name
            if name not in self._descriptors:
                # Open until the end: a close would drop SQLite's locks on the file.
                self._descriptors[name] = os.open(name, os.O_RDONLY)
            opened.methods = ctypes.pointer(self._syncing(opened.methods))
        return status

    def _syncing(self, methods: Any) -> _Methods:
        address = ctypes.addressof(methods.contents)
        if address not in self._tables:
            table = _Methods.from_buffer_copy(methods.contents)
            sync = methods.contents.sync

            def synced(file: int, flags: int) -> int:
                name = self._names[file]
                if name.endswith("-wal") and not self._on_sync(self.commits):
                    return _IOERR_FSYNC
                status: int = sync(file, flags)
                if status == _OK:
                    if name not in self._synced:
                        # SQLite syncs the directory with a new log, and so the removal of files in it.
                        gone = [other for other in self._synced if not Path(other).exists()]
                        for other in gone:
                            del self._synced[other]
                    descriptor = self._descriptors[name]
                    self._synced[name] = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
                    self.syncs.append(Path(name).name)
                return status

            table.sync = _SYNC(synced)
            _KEPT.append(table)
            self._tables[address] = table
        return self._tables[address]


def put_back(kept: dict[str, bytes], directory: Path) -> None:
    """Write the files that a loss of power has left into another directory."""
    directory.mkdir()
    for name, content in kept.items():
        (directory / Path(name).name).write_bytes(content)

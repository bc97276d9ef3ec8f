"""The source files in directories, with what tells an edit, and the directories of a folder that can have some."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from durable_execution_sdk.dev.store_files import without_stores

__all__ = ["Signature", "directories_of", "source_files"]

_SUFFIXES = frozenset(
    {".py", ".js", ".mjs", ".cjs", ".ts", ".mts", ".json", ".toml", ".yaml", ".yml"}
)
_NOT_WATCHED = frozenset({"node_modules", "__pycache__", "site-packages", "dist", "build"})

Signature = dict[str, tuple[int, int]]
"""The time and the size of each source file, by path."""


def source_files(directories: Iterable[Path]) -> Signature:
    """Return the source files directly in these directories."""
    files: Signature = {}
    for directory in directories:
        for entry in _entries(directory):
            if os.path.splitext(entry.name)[1] in _SUFFIXES:  # noqa: PTH122 - there may be many
                try:
                    status = entry.stat()
                except OSError:
                    continue
                files[entry.path] = (status.st_mtime_ns, status.st_size)
    return files


def directories_of(folder: Path) -> Iterator[Path]:
    """Yield a folder and the folders in it, without hidden ones, installed packages and environments."""
    waiting = [folder]
    while waiting:
        directory = waiting.pop()
        if (directory / "pyvenv.cfg").exists():
            continue
        yield directory
        waiting += [
            Path(entry.path)
            for entry in _entries(directory)
            if entry.is_dir(follow_symlinks=False)
            and not entry.name.startswith(".")
            and entry.name not in _NOT_WATCHED
        ]


def _entries(directory: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as scanned:
            entries = {entry.name: entry for entry in scanned}
    except OSError:
        return []
    # A server writes beside its store when it loads code: to load code for that would never end.
    return [entries[name] for name in without_stores(entries)]

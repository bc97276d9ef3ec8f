"""Imports of sources that the server has kept of some files, in place of those in the files.

A function's processes and the rehearsals of its executions read the same sources. So the code that runs is the
code that was rehearsed, also while the files are being edited. The runtime client loads this file as a script.
"""

from __future__ import annotations

import importlib.machinery
import json
import linecache
from collections.abc import Mapping
from pathlib import Path
from typing import Any

VARIABLE = "_DURABLE_SOURCES"
"""Environment variable of a process with the path of a file of sources: a JSON object of texts by path."""


def write(place: Path, files: Mapping[str, bytes]) -> None:
    """Write the file that ``read`` reads."""
    texts = {path: content.decode("latin-1") for path, content in files.items()}
    place.write_text(json.dumps(texts))


def read(place: str) -> None:
    """Import the sources of this file from now on."""
    texts: dict[str, str] = json.loads(Path(place).read_bytes())
    kept = {path: text.encode("latin-1") for path, text in texts.items()}
    loader: Any = importlib.machinery.SourceFileLoader
    get_data, path_stats = loader.get_data, loader.path_stats

    def kept_data(self: Any, path: str) -> bytes:
        content: bytes = kept[path] if path in kept else get_data(self, path)
        return content

    def kept_stats(self: Any, path: str) -> Any:
        if path in kept:
            # Then compiled code on the disk is neither read nor written.
            raise OSError("the source is not that of the file")
        return path_stats(self, path)

    loader.get_data, loader.path_stats = kept_data, kept_stats
    for path, content in kept.items():
        # Without a time, an entry is not compared with the file: tracebacks show the lines that run.
        text = content.decode("utf-8", "replace")
        linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)

"""Packages as pip and compileall leave them, without the code of the libraries."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

PYC = "durable_execution_sdk/__pycache__/__init__.cpython-313.pyc"
EXTENSION = "msgspec/_core.cpython-313-aarch64-linux-gnu.so"
_UNCHECKED_HASH = b"\xf3\x0d\x0d\x0a" + (1).to_bytes(4, "little") + bytes(8)
WITH_A_TIME = b"\xf3\x0d\x0d\x0a" + bytes(12)


def make_package(folder: Path, source: Path) -> None:
    """Make a package for python3.13 on arm64."""
    shutil.copytree(source, folder)
    for name, content in {
        "durable_execution_sdk/__init__.py": b"import random\n",
        PYC: _UNCHECKED_HASH,
        "msgspec/__init__.py": b"",
        EXTENSION: b"",
        "msgspec-0.21.0.dist-info/RECORD": b"msgspec/__init__.py,,\nmsgspec/_core.so,,\n",
        "durable_execution_sdk-0.2.0.dist-info/RECORD": b"durable_execution_sdk/__init__.py,,\n",
    }.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def zipped(folder: Path, file: Path) -> None:
    """Pack a folder as Lambda takes it."""
    with zipfile.ZipFile(file, "w") as archive:
        for each in sorted(folder.rglob("*")):
            if each.is_file():
                archive.write(each, each.relative_to(folder).as_posix())

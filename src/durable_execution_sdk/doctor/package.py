"""A package of a function: the files of a folder or of a zip, as Lambda unpacks them."""

from __future__ import annotations

import codecs
import re
import zipfile
from functools import cached_property
from pathlib import Path

import msgspec

__all__ = ["Package", "installed_names", "is_built", "may_install", "requirements_text"]

_RECORDED = re.compile(r"^([^/,\"]+?)(?:\.[^/,]*)?(?:/[^,]*)?,", re.MULTILINE)


class Package:
    """The files of a package, by their names in it. Raises ``OSError`` or ``zipfile.BadZipFile``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._zip = None if path.is_dir() else zipfile.ZipFile(path)
        if self._zip is None:
            self.names = {
                file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file()
            }
        else:
            self.names = set(self._zip.namelist())

    def start(self, name: str, size: int) -> bytes:
        """Return the first bytes of a file."""
        if self._zip is not None:
            with self._zip.open(name) as member:
                return member.read(size)
        with (self.path / name).open("rb") as file:
            return file.read(size)

    @cached_property
    def extensions(self) -> list[Extension]:
        """The extension modules whose names tell their platform."""
        found = (Extension.read(name) for name in sorted(self.names))
        return [each for each in found if each is not None]


class Extension(msgspec.Struct, frozen=True):
    """A compiled module; ``python`` is the version as in ``313``, empty for the stable ABI."""

    name: str
    python: str
    platform: str

    @staticmethod
    def read(name: str) -> Extension | None:
        """Read the platform from the name of a file; ``None`` if it has none."""
        linux = re.search(r"\.cpython-(\d+)t?-(.+)\.so$", name)
        if linux:
            return Extension(name, linux[1], linux[2])
        windows = re.search(r"\.cp(\d+)-(.+)\.pyd$", name)
        return Extension(name, windows[1], windows[2]) if windows else None


def is_built(folder: Path) -> bool:
    """Tell if packages are installed in a folder of code, so that it is what Lambda gets."""
    return any(folder.glob("*.dist-info")) or (folder / "durable_execution_sdk").is_dir()


def installed_names(root: Path) -> set[str]:
    """Return the names of the modules that pip has installed in a folder."""
    names: set[str] = set()
    for record in root.glob("*.dist-info/RECORD"):
        names.update(_RECORDED.findall(record.read_text(encoding="utf-8", errors="replace")))
    return names


def requirements_text(file: Path) -> str:
    """Return the text of requirements, which may have a mark of its encoding, as PowerShell writes it and pip reads it."""
    data = file.read_bytes()
    is_wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if is_wide else "utf-8-sig", errors="replace")


def may_install(requirement: str, module: str) -> bool:
    """Tell if a line of requirements may install a module; a path, a link or an option may install any."""
    named = re.match(r"[\w.-]+(?=\s*(?:[\[<>=!~;]|$))", requirement)
    if named is None or requirement[0] in "-./":
        return True
    name, wanted = _plain(named[0]), _plain(module)
    return wanted in name or name in wanted


def _plain(name: str) -> str:
    return re.sub(r"[-_.]", "", name.lower())

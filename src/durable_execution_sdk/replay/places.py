"""Which line of the user's code asked for something."""

from __future__ import annotations

import linecache
import sys
import sysconfig
from pathlib import Path
from types import FrameType

import msgspec

__all__ = ["Place", "asking_place"]

_OURS = str(Path(__file__).parent.parent) + "/"
_PATHS = sysconfig.get_paths()
_STANDARD = tuple({_PATHS["stdlib"] + "/", _PATHS["platstdlib"] + "/"})
_INSTALLED = tuple({_PATHS["purelib"] + "/", _PATHS["platlib"] + "/"})


class Place(msgspec.Struct, frozen=True):
    """A line of source code."""

    file: str
    line: int
    function: str

    @property
    def text(self) -> str:
        """What stands there."""
        return linecache.getline(self.file, self.line).strip()

    def __str__(self) -> str:
        """As editors and terminals link it."""
        return f"{self.file}:{self.line}, in {self.function}"


def asking_place() -> Place | None:
    """The innermost line of code that is neither ours nor the standard library's."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - where the caller's caller stands
    while frame is not None:
        code = frame.f_code
        if _is_users(code.co_filename):
            return Place(code.co_filename, frame.f_lineno, code.co_qualname)
        frame = frame.f_back
    return None


def _is_users(file: str) -> bool:
    if file.startswith((_OURS, "<frozen")):
        return False
    return file.startswith(_INSTALLED) or not file.startswith(_STANDARD)

"""Find the line of user code that asked for an operation."""

from __future__ import annotations

import linecache
import os
import sys
import sysconfig
from pathlib import Path
from types import FrameType, TracebackType

import msgspec

from durable_execution_sdk.runtime import tasks

__all__ = ["Place", "asking_place", "is_users_code", "raising_place"]

_OURS = str(Path(__file__).parent.parent) + os.sep
# The frames outside this file's run the workflow, and are not its code.
_DRIVER = tasks.__file__
_PATHS = sysconfig.get_paths()
_STANDARD = tuple({_PATHS["stdlib"] + os.sep, _PATHS["platstdlib"] + os.sep})
_INSTALLED = tuple({_PATHS["purelib"] + os.sep, _PATHS["platlib"] + os.sep})


class Place(msgspec.Struct, frozen=True):
    """A line of source code."""

    file: str
    line: int
    function: str

    @property
    def text(self) -> str:
        """The line's source text."""
        return linecache.getline(self.file, self.line).strip()

    def __str__(self) -> str:
        """Write the place as ``FILE:LINE``, relative to the current directory if the file is below it."""
        path, directory = Path(self.file), Path.cwd()
        relative = path.relative_to(directory) if path.is_relative_to(directory) else path
        return f"{relative}:{self.line}, in {self.function}"


def asking_place() -> Place | None:
    """Return the innermost frame that is neither of this package nor of the standard library."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - where the caller's caller stands
    while frame is not None and frame.f_code.co_filename != _DRIVER:
        code = frame.f_code
        if is_users_code(code.co_filename):
            return Place(code.co_filename, frame.f_lineno, code.co_qualname)
        frame = frame.f_back
    return None


def raising_place(error: BaseException) -> Place | None:
    """Return the innermost line of an exception's traceback that is user code."""
    found = None
    traceback: TracebackType | None = error.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if is_users_code(code.co_filename):
            found = Place(code.co_filename, traceback.tb_lineno, code.co_qualname)
        traceback = traceback.tb_next
    return found


def is_users_code(file: str) -> bool:
    """Return ``True`` for a file that is neither of this package nor of the standard library."""
    if file.startswith((_OURS, "<frozen")):
        return False
    return file.startswith(_INSTALLED) or not file.startswith(_STANDARD)

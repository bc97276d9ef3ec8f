"""The parts of a report: a check, the places where it does not hold, and their rendering."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

_Subject = TypeVar("_Subject")


class Level(StrEnum):
    """The weight of a finding; only an error makes the command fail."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Place(NamedTuple):
    """A line of a file, counted from 1; for what is not in a file, ``line`` is ``None``."""

    file: str
    line: int | None = None

    def __str__(self) -> str:
        """Write the place as compilers do."""
        return self.file if self.line is None else f"{self.file}:{self.line}"

    @classmethod
    def of(cls, file: Path, line: int | None = None) -> Place:
        """Return a place in a file, whose name is relative if the file is below the working directory."""
        name = os.path.relpath(file)
        return cls(str(file) if name.startswith(os.pardir) else name, line)


Fault = tuple[Place, str]
"""The place of a mistake, and a sentence without its end that says what was found."""


class Finding(NamedTuple):
    """A mistake that a check found, with its reason and its cure."""

    place: Place
    code: str
    level: Level
    message: str
    reason: str
    fix: str

    def __str__(self) -> str:
        """Write the finding as one line."""
        return f"{self.place}: {self.level} {self.code} {self.message}: {self.reason}; {self.fix}"

    def document(self) -> dict[str, object]:
        """Return the finding as JSON."""
        return {
            "file": self.place.file,
            "line": self.place.line,
            "code": self.code,
            "level": str(self.level),
            "message": self.message,
            "reason": self.reason,
            "fix": self.fix,
        }


class Check(Generic[_Subject]):
    """One rule: a function that yields the places where the subject breaks it, and the words of its findings."""

    def __init__(
        self,
        code: str,
        level: Level,
        reason: str,
        fix: str,
        faults: Callable[[_Subject], Iterable[Fault]],
    ) -> None:
        self.code, self.level, self.reason, self.fix = code, level, reason, fix
        self._faults = faults

    def findings(self, subject: _Subject) -> Iterable[Finding]:
        """Yield a finding for each place where the subject breaks the rule."""
        for place, message in self._faults(subject):
            yield Finding(place, self.code, self.level, message, self.reason, self.fix)


def check(
    code: str, level: Level, *, reason: str, fix: str
) -> Callable[[Callable[[_Subject], Iterable[Fault]]], Check[_Subject]]:
    """Make a check of a function that yields faults."""

    def decorate(faults: Callable[[_Subject], Iterable[Fault]]) -> Check[_Subject]:
        return Check(code, level, reason, fix, faults)

    return decorate

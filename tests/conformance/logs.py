"""The log lines of the functions of this process, in Lambda's JSON log format."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from durable_execution_sdk import JsonFormatter


class LogGroup(io.TextIOBase):
    """A stream that keeps its lines, each with the time at which it came."""

    def __init__(self, now: Callable[[], int]) -> None:
        self.lines: list[tuple[int, int, str]] = []
        self._now = now
        self._rest = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *whole, self._rest = (self._rest + text).split("\n")
        for line in whole:
            self.lines.append((self._now(), len(self.lines), line))
        return len(text)


@contextmanager
def collecting(now: Callable[[], int]) -> Iterator[LogGroup]:
    """Collect what is printed, and what any logger writes at INFO and above, as Lambda does."""
    group = LogGroup(now)
    handler = logging.StreamHandler(group)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    level, stdout = root.level, sys.stdout
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    sys.stdout = group
    try:
        yield group
    finally:
        sys.stdout = stdout
        root.setLevel(level)
        root.removeHandler(handler)

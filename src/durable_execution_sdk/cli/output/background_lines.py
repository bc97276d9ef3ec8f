"""Write lines in a thread: a terminal that takes none must not stop a server."""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from durable_execution_sdk.cli.output.lines import say
from durable_execution_sdk.rendering.escaping import visible

__all__ = ["BackgroundLines"]

MOST_CHARACTERS = 4_000_000
"""Lines that wait for a terminal which takes none; then the oldest are left out, which is told."""

_OF_EACH = 80
_CLOSING_SECONDS = 1.0

Write = Callable[[str, bool], None]
"""Writes a line to stdout, or with ``True`` to stderr."""


def write_line(line: str, err: bool) -> None:
    """Write a line past the buffer of the stream, whose lock a blocked thread would keep to the end of the process."""
    stream = sys.stderr if err else sys.stdout
    try:
        descriptor = stream.fileno()
    except (AttributeError, OSError, ValueError):
        say(line, err=err)
        return
    data = f"{visible(line)}\n".encode(stream.encoding, "replace")
    while data:
        data = data[os.write(descriptor, data) :]


class BackgroundLines:
    """Lines for stdout and stderr, in their order. Thread-safe; ``say`` never blocks.

    ``close`` waits for the lines that are left, as long as the terminal takes some.
    """

    def __init__(self, write: Write = write_line, most: int = MOST_CHARACTERS) -> None:
        self._write = write
        self._most = most
        self._lines: deque[tuple[str, bool]] = deque()
        self._size = 0
        self._left_out = 0
        self._written = 0
        self._is_busy = False
        self._is_closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="durable-lines", daemon=True)
        self._thread.start()

    def say(self, line: str, *, err: bool = False) -> None:
        """Write a line soon."""
        with self._changed:
            self._lines.append((line, err))
            self._size += len(line) + _OF_EACH
            while self._size > self._most and len(self._lines) > 1:
                self._take()
                self._left_out += 1
            self._changed.notify_all()

    def close(self) -> None:
        """Write what is left, and end the thread, unless the terminal takes no lines."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
            before = -1
            while (self._lines or self._is_busy) and before != self._written:
                before = self._written
                self._changed.wait(_CLOSING_SECONDS)

    def _run(self) -> None:
        while (following := self._next()) is not None:
            # The pipe is closed, or the disk is full: the server goes on.
            with suppress(OSError, ValueError):
                self._write(*following)

    def _next(self) -> tuple[str, bool] | None:
        with self._changed:
            self._written += 1
            self._is_busy = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._lines or self._is_closed)
            if not self._lines:
                return None
            self._is_busy = True
            if self._left_out:
                count, self._left_out = self._left_out, 0
                return f"({count:,} lines are left out here: the terminal took none)", False
            return self._take()

    def _take(self) -> tuple[str, bool]:
        line = self._lines.popleft()
        self._size -= len(line[0]) + _OF_EACH
        return line

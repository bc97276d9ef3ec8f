"""The command as a process that tests can read line by line and kill."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PATIENCE = 60


class Running:
    """A `durable` process whose output can be read while it runs."""

    def __init__(self, place: Path, words: tuple[str, ...], python: str = sys.executable) -> None:
        self.process = subprocess.Popen(
            [python, "-m", "durable_execution_sdk.cli.main", *words],
            cwd=place,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
            # If the tests run in the background of a shell, the process would ignore Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        self.lines: list[str] = []
        self._arriving: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def until(self, text: str) -> str:
        """Wait for a line that contains this text."""
        while True:
            try:
                line = self._arriving.get(timeout=_PATIENCE)
            except queue.Empty:
                raise AssertionError(f"no {text!r} in: {self.text}") from None
            assert line is not None, f"ended without {text!r}: {''.join(self.lines)}"
            self.lines.append(line)
            if text in line:
                return line

    def kill(self) -> None:
        """Kill the process, as a power cut would."""
        self.process.kill()
        self.end()

    def interrupt(self) -> None:
        """Send the signal of Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Let the process see only the last of the changes that are made meanwhile."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def end(self) -> int:
        """Wait until the process has ended; return the exit code."""
        code = self.process.wait(_PATIENCE)
        self._reader.join(_PATIENCE)
        while (line := self._arriving.get(timeout=_PATIENCE)) is not None:
            self.lines.append(line)
        return code

    @property
    def text(self) -> str:
        """The output so far."""
        return "".join(self.lines)

    def close(self) -> None:
        """Kill the process and close its pipes."""
        self.process.kill()
        self.process.wait(_PATIENCE)
        self._reader.join(_PATIENCE)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._arriving.put(line)
        self._arriving.put(None)


@contextmanager
def running(place: Path, *words: str, python: str = sys.executable) -> Iterator[Running]:
    process = Running(place, words, python)
    try:
        yield process
    finally:
        process.close()

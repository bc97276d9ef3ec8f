"""Rehearse executions against a function's code in a process: the caller never imports user code."""

from __future__ import annotations

import queue
import subprocess
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from durable_execution_sdk.dev.discovery.import_process import end_group
from durable_execution_sdk.dev.reload.findings import Finding

__all__ = ["Rehearsals", "Target", "Verdict"]

_SCRIPT = str(Path(__file__).with_name("rehearse.py"))

SECONDS = 30.0
"""Longest time of one rehearsal. One that takes longer finds nothing: the code waits for something outside."""


_READER_SECONDS = 1.0


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A handler, and the process that can import it. ``environment`` holds all variables of the process."""

    python: str
    root: str
    handler: str
    environment: Mapping[str, str]
    directory: str


class Verdict(msgspec.Struct, frozen=True):
    """The result of a rehearsal.

    ``finding``: the execution cannot go on. ``broken``: nor can any other, because the code cannot be imported.
    ``unknown``: the reason for which nothing was found out, so that it may go on.
    """

    finding: Finding | None = None
    broken: Finding | None = None
    unknown: str | None = None

    @property
    def obstacle(self) -> Finding | None:
        """The reason for which the execution cannot go on."""
        return self.finding or self.broken


class Rehearsals:
    """Rehearses with one process at a time, which it starts anew if it ends or hangs.

    ``rest`` and ``close`` end the process; ``close`` may be called in another thread, and ends a rehearsal.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._target: Target | None = None
        self._process: RehearsalProcess | None = None
        self._is_closed = False

    def rehearse(self, target: Target, invocation: bytes) -> Verdict:
        """Run an invocation dry."""
        with self._lock:
            if self._is_closed:
                return Verdict(unknown="the rehearsals have been ended")
            process = self._process
            if process is None or self._target != target or not process.is_usable:
                self._end()
                self._target = target
                process = self._process = RehearsalProcess(target)
        return process.rehearse(invocation)

    def rest(self) -> None:
        """End the process until the next rehearsal."""
        with self._lock:
            self._end()

    def close(self) -> None:
        """End the process; find out nothing any more."""
        with self._lock:
            self._is_closed = True
            self._end()

    def _end(self) -> None:
        if self._process is not None:
            self._process.close()
            self._process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class RehearsalProcess:
    """A process that imports a handler. ``rehearse`` is called by one thread, ``close`` by any."""

    def __init__(self, target: Target) -> None:
        self._answers: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._first: Verdict | None = None
        self._is_over = False
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the user's own Python
                [target.python, "-P", _SCRIPT, target.root, target.handler],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=target.directory,
                env=dict(target.environment),
                start_new_session=True,
            )
        except OSError as error:
            self._first = Verdict(unknown=f"cannot run {target.python}: {error}")
            return
        self._reader = threading.Thread(
            target=self._read, args=[self._process], name="durable-rehearsal", daemon=True
        )
        self._reader.start()

    @property
    def is_usable(self) -> bool:
        """True if it can rehearse, or has found that its code cannot be imported."""
        return not self._is_over or (self._first is not None and self._first.broken is not None)

    def rehearse(self, invocation: bytes) -> Verdict:
        """Run an invocation dry."""
        if self._first is None:
            self._first = self._next()
        if self._first != Verdict():
            self._is_over = True
            return self._first
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(invocation + b"\n")
            self._process.stdin.flush()
        except (OSError, ValueError):
            self._is_over = True
            return Verdict(unknown="the process of the rehearsal has ended")
        return self._next()

    def close(self) -> None:
        """End the process; a rehearsal in progress finds out nothing."""
        process = self._process
        if process is None:
            return
        end_group(process)
        # A process that the code has detached may hold the pipe open, and the reader with it.
        self._reader.join(_READER_SECONDS)

    def _next(self) -> Verdict:
        try:
            answer = self._answers.get(timeout=SECONDS)
        except queue.Empty:
            self._is_over = True
            return Verdict(unknown=f"the code did not come to rest in {SECONDS:.0f} seconds")
        if answer is None:
            self._is_over = True
            return Verdict(unknown="the code has ended the process of the rehearsal")
        try:
            return msgspec.json.decode(answer, type=Verdict)
        except msgspec.DecodeError:
            self._is_over = True
            return Verdict(unknown="the code has written among the answers of the rehearsal")

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        with process.stdout, suppress(OSError, ValueError):
            for line in process.stdout:
                self._answers.put(line)
        self._answers.put(None)

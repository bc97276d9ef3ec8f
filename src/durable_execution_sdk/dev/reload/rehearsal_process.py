"""Rehearse executions against a function's code in a process: the caller never imports user code."""

from __future__ import annotations

import queue
import subprocess
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from durable_execution_sdk.dev.reload.findings import Finding

__all__ = ["RehearsalProcess", "Target", "Verdict", "rehearse"]

_SCRIPT = str(Path(__file__).with_name("rehearse.py"))

SECONDS = 30.0
"""Longest time of one rehearsal. One that takes longer finds nothing: the code waits for something outside."""


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


def rehearse(target: Target, invocations: Iterable[bytes]) -> Iterator[Verdict]:
    """Yield the verdict about each invocation, in order; start the process anew if it ends or hangs."""
    process: RehearsalProcess | None = None
    try:
        for invocation in invocations:
            if process is None:
                process = RehearsalProcess(target)
            verdict = process.rehearse(invocation)
            yield verdict
            if process.is_over and verdict.broken is None:
                process.close()
                process = None
    finally:
        if process is not None:
            process.close()


class RehearsalProcess:
    """A process that has imported a handler. ``close`` ends it. Used by one thread."""

    def __init__(self, target: Target) -> None:
        self._answers: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self.is_over = False
        self.first = Verdict()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the user's own Python
                [target.python, "-P", _SCRIPT, target.root, target.handler],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=target.directory,
                env=dict(target.environment),
            )
        except OSError as error:
            self.is_over = True
            self.first = Verdict(unknown=f"cannot run {target.python}: {error}")
            return
        self._reader = threading.Thread(target=self._read, name="durable-rehearsal", daemon=True)
        self._reader.start()
        self.first = self._next()
        if self.first != Verdict():
            self.is_over = True

    def rehearse(self, invocation: bytes) -> Verdict:
        """Run an invocation dry."""
        if self.is_over:
            return self.first
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(invocation + b"\n")
            self._process.stdin.flush()
        except OSError:
            self.is_over = True
            return Verdict(unknown="the process of the rehearsal has ended")
        return self._next()

    def close(self) -> None:
        """End the process."""
        if hasattr(self, "_process"):
            self._process.kill()
            self._process.wait()
            self._reader.join()
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    with suppress(OSError):
                        stream.close()

    def _next(self) -> Verdict:
        try:
            answer = self._answers.get(timeout=SECONDS)
        except queue.Empty:
            self.is_over = True
            return Verdict(unknown=f"the code did not come to rest in {SECONDS:.0f} seconds")
        if answer is None:
            self.is_over = True
            return Verdict(unknown="the code has ended the process of the rehearsal")
        return msgspec.json.decode(answer, type=Verdict)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with suppress(OSError, ValueError):
            for line in self._process.stdout:
                self._answers.put(line)
        self._answers.put(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

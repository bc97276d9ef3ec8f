"""Records of what processes did: lines of output, invocations, and notes about the code."""

from __future__ import annotations

from typing import Protocol

import msgspec

NOTES_PATH = "/durable/2026-11-01/notes"
"""Path beside the Runtime API to which code notes are sent."""

RUN_NOTES_PATH = "/durable/2026-11-01/run-notes"
"""Path beside the Runtime API to which run notes are sent."""


class LogLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line that a worker wrote. Times are in milliseconds since the epoch.

    ``operation_id`` comes from the line itself, if it is a JSON record of the SDK. ``number`` is given
    by the store; it grows.
    """

    function: str
    version: str
    at: int
    stream: str
    text: str
    request_id: str | None = None
    arn: str | None = None
    operation_id: str | None = None
    number: int = 0


class InvocationRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An invocation of a worker, after its end.

    ``peak_kilobytes`` is the most memory that the process has used since it started, ``init_milliseconds``
    the time until it was ready, for the first invocation of a process.
    """

    function: str
    version: str
    request_id: str
    arn: str | None = None
    started_at: int
    ended_at: int
    worker: int | None = None
    peak_kilobytes: int | None = None
    init_milliseconds: int | None = None
    error_type: str | None = None


class CodeNote(msgspec.Struct, frozen=True, kw_only=True):
    """The line of code that called an operation, the type that a callback waits for, and a map's size.

    ``awaited_schema`` is that type's JSON schema, where it has one. ``branches`` is the number of contexts of a map
    or parallel. ``number`` is given by the store; it grows.
    """

    arn: str
    operation_id: str
    file: str
    line: int
    function: str | None = None
    awaited_type: str | None = None
    awaited_schema: str | None = None
    branches: int | None = None
    number: int = 0


class CodeLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of source code."""

    file: str
    line: int
    function: str | None = None


class RunNote(msgspec.Struct, frozen=True, kw_only=True):
    """The news of an operation that a run tells: the line at which code waits for it, or the real start of an attempt.

    ``started_at`` is in milliseconds, by the execution's time; ``attempt`` counts from 1.
    """

    arn: str
    operation_id: str
    awaited_at: CodeLine | None = None
    attempt: int | None = None
    started_at: int | None = None


class Recorder(Protocol):
    """Takes the records of all workers; called in the thread of the workers, so it must be quick."""

    def add_lines(self, lines: list[LogLine]) -> None:
        """Take lines that a worker wrote, in their order."""
        ...

    def add_invocation(self, record: InvocationRecord) -> None:
        """Take an invocation that has ended."""
        ...

    def add_notes(self, notes: list[CodeNote]) -> None:
        """Take positions of operations in the code."""
        ...

    def add_run_notes(self, notes: list[RunNote]) -> None:
        """Take starts of attempts, and lines at which code waits."""
        ...


class NoRecorder:
    """Drops all records."""

    def add_lines(self, lines: list[LogLine]) -> None:
        """Drop the lines."""

    def add_invocation(self, record: InvocationRecord) -> None:
        """Drop the record."""

    def add_notes(self, notes: list[CodeNote]) -> None:
        """Drop the notes."""

    def add_run_notes(self, notes: list[RunNote]) -> None:
        """Drop the notes."""

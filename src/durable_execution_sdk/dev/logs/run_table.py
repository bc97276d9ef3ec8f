"""The table of run notes: for each operation the line at which code waits for it, and the real starts of its attempts.

What is new of an operation gives its note in the table of notes a new number, so that readers are told of it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping

import msgspec

from durable_execution_sdk.dev.functions.records import CodeLine, RunNote
from durable_execution_sdk.emulator.stores.sqlite_file import SqliteFile

__all__ = ["RunFacts", "add", "facts_of"]

_MOST_ATTEMPTS = 1_000
"""Attempts of an operation whose starts are kept: the last ones."""


class RunFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Facts that runs have told of an operation; ``starts`` has the milliseconds of each attempt, by its number."""

    awaited_at: CodeLine | None = None
    starts: Mapping[int, int] = {}


_decode = msgspec.json.Decoder(RunFacts).decode


def add(db: sqlite3.Connection, notes: Iterable[RunNote]) -> None:
    """Keep notes, in a transaction."""
    for (arn, operation_id), facts in _merged(db, notes).items():
        db.execute(
            "INSERT INTO runs (arn, operation_id, json) VALUES (?, ?, ?)"
            " ON CONFLICT (arn, operation_id) DO UPDATE SET json = excluded.json",
            (arn, operation_id, msgspec.json.encode(facts).decode()),
        )
        db.execute(
            "UPDATE notes SET number = (SELECT max(number) + 1 FROM notes)"
            " WHERE arn = ? AND operation_id = ?",
            (arn, operation_id),
        )


def facts_of(file: SqliteFile, arn: str) -> dict[str, RunFacts]:
    """Return what is known of the operations of an execution, by id."""
    rows: list[tuple[str, str]] = file.read(
        "SELECT operation_id, json FROM runs WHERE arn = ?", (arn,)
    )
    return {operation_id: _decode(text) for operation_id, text in rows}


def _merged(db: sqlite3.Connection, notes: Iterable[RunNote]) -> dict[tuple[str, str], RunFacts]:
    """Return the new facts of those operations of which the notes tell something new."""
    before: dict[tuple[str, str], RunFacts] = {}
    after: dict[tuple[str, str], RunFacts] = {}
    for note in notes:
        key = note.arn, note.operation_id
        if key not in after:
            row = db.execute(
                "SELECT json FROM runs WHERE arn = ? AND operation_id = ?", key
            ).fetchone()
            before[key] = after[key] = RunFacts() if row is None else _decode(row[0])
        facts = after[key]
        starts = dict(facts.starts)
        if note.attempt is not None and note.started_at is not None:
            # After a crash an attempt that was interrupted runs again under its number.
            starts[note.attempt] = min(note.started_at, starts.get(note.attempt, note.started_at))
            for number in sorted(starts)[:-_MOST_ATTEMPTS]:
                del starts[number]
        after[key] = RunFacts(awaited_at=note.awaited_at or facts.awaited_at, starts=starts)
    return {key: facts for key, facts in after.items() if facts != before[key]}

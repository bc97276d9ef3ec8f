from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from durable_execution_sdk.dev.functions.records import (
    CodeLine,
    CodeNote,
    InvocationRecord,
    LogLine,
    RunNote,
)
from durable_execution_sdk.dev.logs import log_store, run_table
from durable_execution_sdk.dev.logs.log_store import LogStore, logs_path
from durable_execution_sdk.dev.logs.run_table import RunFacts
from durable_execution_sdk.dev.logs.schema import LOGS
from durable_execution_sdk.errors import StoreError


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[LogStore]:
    store = LogStore(tmp_path / "executions.db.logs")
    yield store
    store.close()


def line(text: str, **options: Any) -> LogLine:
    return LogLine(function="f", version="1", at=5, stream="stdout", text=text, **options)


def texts(lines: list[LogLine]) -> list[str]:
    return [each.text for each in lines]


def test_lines_are_read_by_execution_and_operation_and_from_a_number_on(logs: LogStore) -> None:
    logs.add_lines([line("one", arn="a", request_id="r", operation_id="o"), line("two", arn="b")])
    logs.add_lines([line("three", arn="a"), line("of none")])
    first, third = logs.lines("a")
    assert (first.text, first.request_id, first.operation_id, first.at) == ("one", "r", "o", 5)
    assert third.text == "three"
    assert texts(logs.lines("a", after=first.number)) == ["three"]
    assert texts(logs.lines("a", "o")) == ["one"]
    assert texts(logs.lines("a", limit=1)) == ["one"]
    assert texts(logs.lines(None)) == ["of none"]
    assert logs.lines("c") == []


def test_numbers_survive_a_restart_and_never_repeat(tmp_path: Path) -> None:
    path = tmp_path / "logs"
    store = LogStore(path)
    store.add_lines([line("one", arn="a"), line("two", arn="a")])
    last = store.lines("a")[-1].number
    store.forget("a")
    store.close()
    again = LogStore(path)
    assert again.lines("a") == []
    again.add_lines([line("three", arn="a")])
    assert again.lines("a")[0].number > last
    again.close()


def test_invocations_come_back(logs: LogStore) -> None:
    record = InvocationRecord(
        function="f", version="2", request_id="r", arn="a", started_at=1, ended_at=3, worker=7
    )
    logs.add_invocation(record)
    assert logs.invocations("a") == [record]
    assert logs.invocations("b") == []


def test_the_last_position_of_an_operation_counts_and_its_type_stays(logs: LogStore) -> None:
    logs.add_notes([CodeNote(arn="a", operation_id="o", file="x.py", line=1, awaited_type="bool")])
    logs.add_notes([CodeNote(arn="a", operation_id="o", file="x.py", line=2, branches=3)])
    last = CodeNote(
        arn="a", operation_id="o", file="x.py", line=2, awaited_type="bool", branches=3, number=2
    )
    assert logs.notes("a") == logs.notes("a", after=1) == [last]
    # What says nothing new has no new number, so that readers are not told of it.
    logs.add_notes([CodeNote(arn="a", operation_id="o", file="x.py", line=2)])
    assert logs.notes("a") == [last]
    assert logs.notes("a", after=2) == []


def test_starts_and_waiting_lines_are_kept_by_operation_and_told_as_news_of_its_note(
    logs: LogStore,
) -> None:
    line = CodeLine(file="x.py", line=4, function="f")
    # A note of a run may come before that of the position.
    logs.add_run_notes([RunNote(arn="a", operation_id="o", attempt=1, started_at=50)])
    logs.add_notes([CodeNote(arn="a", operation_id="o", file="x.py", line=1)])
    logs.add_notes([CodeNote(arn="a", operation_id="p", file="x.py", line=2)])
    assert logs.run_facts("a") == {"o": RunFacts(starts={1: 50})}
    last = logs.notes("a")[-1].number
    logs.add_run_notes(
        [
            RunNote(arn="a", operation_id="o", awaited_at=line),
            RunNote(arn="a", operation_id="o", attempt=2, started_at=70),
            # The first attempt ran again after a crash.
            RunNote(arn="a", operation_id="o", attempt=1, started_at=60),
            RunNote(arn="b", operation_id="o", attempt=1, started_at=1),
        ]
    )
    assert logs.run_facts("a") == {"o": RunFacts(awaited_at=line, starts={1: 50, 2: 70})}
    [news] = logs.notes("a", after=last)
    assert news.operation_id == "o"
    logs.add_run_notes([RunNote(arn="a", operation_id="o", awaited_at=line)])
    assert logs.notes("a", after=news.number) == []
    logs.forget("a")
    assert logs.run_facts("a") == {} and list(logs.run_facts("b")) == ["o"]


def test_the_starts_of_the_last_attempts_are_kept(
    logs: LogStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_table, "_MOST_ATTEMPTS", 3)
    logs.add_run_notes(
        [RunNote(arn="a", operation_id="o", attempt=n, started_at=n) for n in range(1, 6)]
    )
    assert logs.run_facts("a")["o"].starts == {3: 3, 4: 4, 5: 5}


def test_the_schema_of_a_type_is_kept_once_with_the_last_type(logs: LogStore) -> None:
    def note(place: int, **more: Any) -> CodeNote:
        return CodeNote(arn="a", operation_id=f"o{place}", file="x.py", line=1, **more)

    schema = '{"type":"boolean"}'
    logs.add_notes([note(n, awaited_type="bool", awaited_schema=schema) for n in range(3)])
    assert logs.awaited("a", "o1") == ("bool", schema)
    assert logs.awaited("a", "other") == (None, None)
    assert logs.notes("a")[1] == note(1, awaited_type="bool", number=2)
    # A line that was called again says nothing of the type; another type takes the schema with it.
    logs.add_notes([note(0), note(1, awaited_type="Money"), note(2, branches=2)])
    assert logs.awaited("a", "o0") == logs.awaited("a", "o2") == ("bool", schema)
    assert logs.awaited("a", "o1") == ("Money", None)


def test_schemas_that_no_note_has_are_deleted(
    logs: LogStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_store, "_WRITES_BETWEEN_BOUNDS", 1)
    for arn in ("a", "b"):
        note = CodeNote(
            arn=arn, operation_id="o", file="x.py", line=1, awaited_type=arn, awaited_schema=arn
        )
        logs.add_notes([note])
    logs.forget("a")
    logs.add_lines([line("one", arn="b")])
    assert logs.awaited("b", "o") == ("b", "b")
    with sqlite3.connect(logs.path) as db:
        assert db.execute("SELECT json FROM schemas").fetchall() == [("b",)]
    db.close()


@pytest.mark.parametrize(
    ("version", "missing"),
    [(1, ("branches INTEGER,", "awaited_schema TEXT,")), (2, ("awaited_schema TEXT,",))],
)
def test_older_logs_are_read(tmp_path: Path, version: int, missing: tuple[str, ...]) -> None:
    path = tmp_path / "x.logs"
    older = sqlite3.connect(path)
    for statement in LOGS.tables:
        for column in missing:
            statement = statement.replace(column, "")
        if "TABLE schemas" not in statement and "TABLE runs" not in statement:
            older.execute(statement)
    older.execute(f"PRAGMA application_id = {LOGS.application_id}")
    older.execute(f"PRAGMA user_version = {version}")
    older.execute("INSERT INTO notes (arn, operation_id, file, line) VALUES ('a', 'o', 'x.py', 1)")
    older.commit()
    older.close()
    logs = LogStore(path)
    logs.add_notes([CodeNote(arn="a", operation_id="o", file="x.py", line=1, branches=4)])
    [note] = logs.notes("a")
    assert (note.branches, note.number) == (4, 2)
    assert logs.awaited("a", "o") == (None, None)
    logs.close()


def test_what_is_kept_is_bounded_in_number_and_size(
    logs: LogStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_store, "_WRITES_BETWEEN_BOUNDS", 1)
    monkeypatch.setattr(log_store, "MOST_ROWS", 10)
    logs.add_lines([line(str(number), arn="a") for number in range(25)])
    assert texts(logs.lines("a")) == [str(number) for number in range(15, 25)]
    monkeypatch.setattr(log_store, "MOST_BYTES", 1)
    logs.add_lines([line("25", arn="a")])
    assert texts(logs.lines("a")) == ["21", "22", "23", "24", "25"]


def test_a_write_that_fails_is_dropped_with_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "logs"
    store = LogStore(path)
    path.unlink()
    with caplog.at_level(logging.WARNING):
        store.add_lines([line("x")])
        store.add_lines([line("y")])
    assert len(caplog.records) == 1
    assert "logs of functions are lost" in caplog.text
    store.close()


def test_threads_write_at_once(logs: LogStore) -> None:
    threads = [
        threading.Thread(target=lambda: [logs.add_lines([line("x", arn="a")]) for _ in range(50)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(logs.lines("a")) == 200


def test_the_store_of_executions_is_not_taken_for_logs(tmp_path: Path) -> None:
    from durable_execution_sdk.emulator.stores.sqlite import SqliteStore

    path = tmp_path / "executions.db"
    SqliteStore(path).close()
    with pytest.raises(StoreError, match="something else"):
        LogStore(path)
    assert logs_path(path) == tmp_path / "executions.db.logs"

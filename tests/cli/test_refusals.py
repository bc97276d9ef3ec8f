"""A command that is not possible prints one clear paragraph and exits with code 2."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.command import CommandOutput, Durable, Write

from durable_execution_sdk.emulator.stores import sqlite_file

ONE = """
    @durable_execution
    async def one(event: object, ctx: DurableContext) -> object:
        return event
"""
TWO = (
    ONE
    + """
    @durable_execution
    async def two(event: object, ctx: DurableContext) -> int:
        return 2
"""
)


def refused(output: CommandOutput) -> str:
    """Check that there is one paragraph on stderr, nothing on stdout and no traceback; return it."""
    assert (output.code, output.out) == (2, "")
    assert "Traceback" not in output.err
    assert output.err.startswith("durable: ")
    assert output.err.count("\n") == 1
    return output.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "missing.py"], "there is no file missing.py"),
        (["run", "missing.py:flow"], "there is no file missing.py"),
        (["run", "one.one"], "there is no file one.one; did you mean one.py:one? A workflow is"),
        (["run", "one"], "there is no file one; did you mean one.py? A workflow is named as"),
        (["run", "away.one"], "there is no file away.one"),
        (["run", "."], ". is not a Python file; name the .py file"),
        (
            ["run", "none.py"],
            "none.py has no workflow: decorate an `async def handler(event, ctx)`",
        ),
        (["run", "none.py:flow"], "none.py has no workflow flow. It has no workflow at all"),
        (["run", "none.py:plain"], "plain in none.py is no workflow: it is not decorated"),
        (["run", "two.py"], "two.py has 2 workflows: one, two. Say which one: two.py:one"),
        (["run", "two.py:three"], "two.py has no workflow three. Its workflows: one, two"),
        (["run", "one.py", "--function", "plain"], "--function plain: write it as NAME=FILE:ATTR"),
        (["run", "one.py", "--function", "f=none.py:x"], "none.py has no function x"),
        (["run", "one.py", "--function", "f=none.py:number"], "neither a @durable_execution"),
        (["run", "one.py", "--function", "f=none.py:cr"], "neither a @durable_execution"),
        (["run", "one.py", "--function", "f!=none.py:plain"], "a function's name is 1 to 64"),
        (["run", "one.py", "--name", "a b"], "1 to 64 letters, digits"),
        (["run", "one.py", "--input", "hello"], "Text needs its quotes: '\"text\"'"),
        (["run", "one.py", "--input", '{"a": 1,\n "b" 2}'], "at line 2, column 6, near "),
        (["run", "one.py", "--input", ""], "--input is not JSON: Expecting value at line 1"),
        (["run", "one.py", "--input", "[NaN]"], "there is no NaN in JSON"),
        (
            ["run", "one.py", "--input", "@away.json"],
            "--input @away.json: cannot read the file: No",
        ),
        (["run", "one.py", "--input", "@latin.json"], "the file is not UTF-8 text"),
        (["show", "x"], "there is no store .durable/executions.db: nothing has run here yet"),
        (["list", "--store", "away.db"], "there is no store away.db"),
        (["list", "--store", "text.db"], "text.db is not a SQLite database, or it is damaged"),
        (["run", "one.py", "--store", "text.db"], "text.db is not a SQLite database"),
        (["list", "--store", "foreign.db"], "foreign.db is a SQLite database of something else"),
        (["run", "one.py", "--store", "text.db/x.db"], "cannot use text.db/x.db"),
    ],
)
def test_a_refusal_names_the_cause(
    durable: Durable, write: Write, place: Path, words: list[str], message: str
) -> None:
    write(ONE, "one.py")
    write(TWO, "two.py")
    write("number = 1\ndef plain(event, context): ...\nasync def cr(event, ctx): ...\n", "none.py")
    (place / "latin.json").write_bytes(b'"\xe9"')
    (place / "text.db").write_text("no database at all, just text\n" * 50)
    foreign = sqlite3.connect(place / "foreign.db")
    foreign.execute("CREATE TABLE songs (title)")
    foreign.close()
    assert message in refused(durable(*words))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "one.py", "--name", "first", "--input", "2"], "another input, 1. Choose another"),
        (["run", "two.py:two", "--name", "first"], "belongs to an execution of one in .durable"),
        (["show", "second"], "there is no execution 'second' in .durable/executions.db"),
        (["history", "second"], "`durable list` shows those that are there"),
        (["stop", "second"], "there is no execution 'second'"),
        (["callback", "succeed", "nonsense"], "there is no callback with the id 'nonsense'"),
        (["callback", "fail", "nonsense"], "there is no callback with the id 'nonsense'"),
        (["callback", "heartbeat", "nonsense"], "there is no callback with the id 'nonsense'"),
    ],
)
def test_a_refusal_names_what_is_in_the_store(
    durable: Durable, write: Write, words: list[str], message: str
) -> None:
    write(TWO, "two.py")
    durable("run", write(ONE, "one.py"), "--name", "first", "--input", "1")
    assert message in refused(durable(*words))


@pytest.mark.parametrize(
    "words", [["run"], ["run", "one.py", "--nonsense"], ["nonsense"], ["list", "--limit", "0"]]
)
def test_wrong_usage_is_explained(durable: Durable, words: list[str]) -> None:
    output = durable(*words)
    assert output.code == 2
    assert "Usage: durable" in output.err


def test_a_callback_cannot_be_answered_twice(durable: Durable, write: Write) -> None:
    file = write("""
        @durable_execution
        async def f(event: object, ctx: DurableContext) -> object:
            return await ctx.wait_for_callback(lambda callback_id: None)
    """)
    output = durable("run", file, "--name", "f", "--no-wait", "--json")
    callback_id = output.document["waiting"][0]["callback_id"]
    durable("callback", "succeed", callback_id)
    assert "callback" in refused(durable("callback", "succeed", callback_id)).lower()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import away", "ModuleNotFoundError: No module named 'away'"),
        ("def f(:\n    pass", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("@durable_execution\ndef f(event, ctx): ...", "f is no coroutine function"),
    ],
)
def test_a_module_that_cannot_be_imported_shows_the_users_own_traceback(
    durable: Durable, write: Write, source: str, message: str
) -> None:
    answer = durable("run", write(source))
    assert (answer.code, answer.out) == (2, "")
    first, _, detail = answer.err.partition("\n")
    assert first == "durable: app.py cannot be imported:"
    assert message in detail
    assert 'app.py", line' in detail
    assert "durable_execution_sdk/" not in detail
    assert "importlib" not in detail


def test_a_module_that_fails_deep_inside_shows_every_frame_of_the_user(
    durable: Durable, write: Write
) -> None:
    write("def parse():\n    return int('x')\n", "settings.py")
    answer = durable("run", write("import settings\nsettings.parse()\n"))
    assert "settings.parse()" in answer.err
    assert 'settings.py", line 3, in parse' in answer.err


@pytest.fixture
def locked(durable: Durable, write: Write, place: Path) -> Iterator[None]:
    durable("run", write(ONE, "one.py"), "--name", "first")
    other = sqlite3.connect(place / ".durable" / "executions.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.close()


def test_a_locked_store_is_named(
    durable: Durable, locked: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "_BUSY_SECONDS", 0.01)
    output = durable("run", "one.py", "--name", "second")
    assert output.code == 2
    assert "database is locked; another process has been writing to it" in output.err
    assert "Traceback" not in output.err


def test_a_store_that_a_newer_version_wrote_is_left_alone(
    durable: Durable, write: Write, place: Path
) -> None:
    durable("run", write(ONE), "--name", "first")
    store = sqlite3.connect(place / ".durable" / "executions.db")
    store.execute("PRAGMA user_version = 99")
    store.close()
    assert "has format 99" in refused(durable("show", "first"))


def test_damaged_events_are_named(durable: Durable, write: Write, place: Path) -> None:
    durable("run", write(ONE), "--name", "first")
    store = sqlite3.connect(place / ".durable" / "executions.db")
    store.execute("UPDATE events SET json = '{' WHERE seq = 2")
    store.commit()
    store.close()
    assert "cannot read an event of" in refused(durable("show", "first"))


def test_an_error_of_our_own_is_admitted_in_one_paragraph(
    durable: Durable, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(path: object) -> None:
        raise AttributeError("oops")

    monkeypatch.setattr(sqlite_file, "prepare", lambda *_: fails(None))
    output = durable("run", write(ONE))
    assert output.code == 70
    assert output.err.startswith("durable: internal error (please report it): AttributeError: oops")
    assert "Traceback" not in output.err
    monkeypatch.setenv("DURABLE_TRACEBACK", "1")
    assert "Traceback" in durable("run", "app.py").err

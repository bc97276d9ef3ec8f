"""Edits of code under running executions, with functions in real processes."""

from __future__ import annotations

import json
import os
import re
import signal
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from tests.dev.reload.reload_rig import ReloadRig, write

from durable_execution_sdk.dev.reload.held_file import read_held
from durable_execution_sdk.dev.reload.source_files import directories_of, source_files
from durable_execution_sdk.engine.execution_time import TimeMode

pytestmark = pytest.mark.dev

ORDER = """
    def greet(text):
        return text

    @durable_execution
    async def order(event, ctx):
        greeting = await ctx.step(greet, "hello", name="greet")
        answer = await (await ctx.create_callback(name="approval"))
        return [greeting, answer, 1]
"""
HARMLESS = ORDER.replace("answer, 1", "answer, 2")
DIVERGES = ORDER.replace('name="greet"', 'name="hail"')


PAGE = Path(__file__).parents[3] / "docs" / "dev-api.md"


def documented(text: str, part: str) -> list[str]:
    (line,) = re.findall(rf"^\| {part} \| (.*) \|$", text, re.MULTILINE)
    return re.findall(r"`(\w+)`", line)


def row(rig: ReloadRig, name: str) -> Any:
    return asked(rig, f"/_durable/executions/{name}")["execution"]


def asked(rig: ReloadRig, path: str) -> Any:
    connection = HTTPConnection(rig.session.server.url.removeprefix("http://"), timeout=30)
    try:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


@pytest.fixture
def waiting(tmp_path: Path) -> Any:
    """Return a server and an execution that waits for an answer."""
    write(tmp_path / "app.py", ORDER)
    with ReloadRig(tmp_path, "app.py") as rig:
        arn = rig.start("n")
        rig.asks(arn)
        yield rig, arn


def test_a_harmless_edit_goes_on(waiting: tuple[ReloadRig, str]) -> None:
    rig, arn = waiting
    rig.edit(HARMLESS)
    rig.answer(arn)
    assert rig.result(arn) == ["hello", "yes", 2]
    assert rig.news.told == []


def test_the_last_load_and_its_rehearsals_are_told_with_the_function(
    waiting: tuple[ReloadRig, str],
) -> None:
    rig, arn = waiting

    def reload() -> Any:
        [function] = asked(rig, "/_durable/functions")["functions"]
        return function["reload"]

    first = reload()
    assert first["rehearsed"] == [] and not first["is_broken"]
    rig.edit(DIVERGES)
    rig.news.until(lambda: "n" in rig.news.findings)
    held = reload()
    assert held["loaded_at"] > first["loaded_at"]
    assert (held["fine"], held["held"], held["unknown"]) == (0, 1, 0)
    [rehearsed] = held["rehearsed"]
    assert (rehearsed["durable_execution_arn"], rehearsed["outcome"]) == (arn, "held")
    assert "step 'greet'; the code now: step 'hail'" in rehearsed["text"]
    text = PAGE.read_text("utf-8")
    assert list(held) == documented(text, "reload")
    assert list(rehearsed) == documented(text, "rehearsed execution")
    rig.edit(HARMLESS)
    rig.news.until(lambda: "released n" in rig.news.told)
    assert [each["outcome"] for each in reload()["rehearsed"]] == ["fine"]
    rig.edit(DIVERGES)
    rig.news.until(lambda: rig.news.told[-1:] == ["held n"] and len(rig.news.told) == 3)
    rig.emulator.stop(arn)
    rig.news.until(lambda: len(rig.news.told) == 4)
    assert reload()["rehearsed"] == []


def test_a_function_says_that_its_file_is_broken(
    waiting: tuple[ReloadRig, str], tmp_path: Path
) -> None:
    rig, _ = waiting
    write(tmp_path / "app.py", "this is no Python")
    rig.news.until(lambda: bool(rig.news.notices))
    [function] = asked(rig, "/_durable/functions")["functions"]
    assert function["reload"]["is_broken"] is True


def test_a_diverging_edit_is_held_and_a_further_edit_releases_it(
    waiting: tuple[ReloadRig, str], tmp_path: Path
) -> None:
    rig, arn = waiting
    rig.edit(DIVERGES)
    rig.news.until(lambda: "n" in rig.news.findings)
    finding = rig.news.findings["n"]
    assert (finding.expected, finding.actual) == ("step 'greet'", "step 'hail' (another name)")
    assert (finding.file, finding.line) == (str(tmp_path / "app.py"), 8)
    assert finding.source == 'greeting = await ctx.step(greet, "hello", name="hail")'
    shown = row(rig, "n")
    assert shown["activity"] == "held"
    assert shown["held"] == {
        "kind": "another operation",
        "expected": "step 'greet'",
        "actual": "step 'hail' (another name)",
        "operation_id": finding.operation_id,
        "file": str(tmp_path / "app.py"),
        "line": 8,
        "function": "order",
        "source": finding.source,
        "hint": "",
    }
    assert read_held(tmp_path / "store" / "x.db")[arn].finding == finding
    rig.answer(arn)
    assert (rig.emulator.describe(arn).status, rig.invocations(arn)) == ("RUNNING", 1)
    fresh = rig.start("fresh")
    rig.asks(fresh)
    assert (rig.emulator.describe(arn).status, rig.invocations(arn)) == ("RUNNING", 1)
    rig.edit(HARMLESS)
    assert rig.result(arn) == ["hello", "yes", 2]
    rig.news.until(lambda: "fresh" in rig.news.findings)
    assert rig.news.told == ["held n", "released n", "held fresh"]


def test_a_fork_of_a_held_execution_goes_on(waiting: tuple[ReloadRig, str]) -> None:
    rig, arn = waiting
    rig.edit(DIVERGES)
    rig.news.until(lambda: "n" in rig.news.findings)
    forked = rig.emulator.fork(arn, before=rig.news.findings["n"].operation_id, name="forked")
    rig.asks(forked)
    rig.answer(forked)
    assert rig.result(forked) == ["hello", "yes", 1]
    rig.emulator.stop(arn)
    rig.news.until(lambda: rig.news.told == ["held n", "released n"])
    shown = row(rig, "n")
    assert (shown["activity"], shown["held"]) == ("ended", None)


def test_a_held_execution_that_is_accepted_runs_and_fails(
    waiting: tuple[ReloadRig, str], tmp_path: Path
) -> None:
    rig, arn = waiting
    rig.edit(DIVERGES)
    rig.news.until(lambda: "n" in rig.news.findings)
    rig.answer(arn)
    store = tmp_path / "store" / "x.db"
    rig.emulator.accept_code(arn, read_held(store)[arn].code)
    described = rig.finish(arn)
    assert described.status == "FAILED"
    assert described.error is not None
    assert described.error.error_type == "DeterminismError"


def test_an_edit_that_fails_only_after_the_answer_is_found_then(
    waiting: tuple[ReloadRig, str],
) -> None:
    rig, arn = waiting
    rig.edit(ORDER.replace("return [greeting", "return [undefined, greeting"))
    assert rig.news.findings == {}
    rig.answer(arn)
    rig.news.until(lambda: "n" in rig.news.findings)
    assert "NameError: name 'undefined' is not defined" in rig.news.findings["n"].actual
    assert rig.emulator.describe(arn).status == "RUNNING"
    rig.edit(HARMLESS)
    assert rig.result(arn) == ["hello", "yes", 2]


def test_an_error_of_code_that_was_not_edited_is_recorded(tmp_path: Path) -> None:
    write(tmp_path / "app.py", ORDER.replace("return [greeting", "return [undefined, greeting"))
    with ReloadRig(tmp_path, "app.py") as rig:
        arn = rig.start("n")
        rig.asks(arn)
        rig.answer(arn)
        assert rig.finish(arn).status == "FAILED"


def test_an_input_that_no_longer_fits_is_held(waiting: tuple[ReloadRig, str]) -> None:
    rig, _ = waiting
    rig.edit(ORDER.replace("event, ctx", "event: list[int], ctx"))
    rig.news.until(lambda: "n" in rig.news.findings)
    assert "SerDesError: the input of the execution" in rig.news.findings["n"].actual


def test_a_syntax_error_keeps_the_old_code_until_it_is_mended(
    waiting: tuple[ReloadRig, str], tmp_path: Path
) -> None:
    rig, arn = waiting
    write(tmp_path / "app.py", "def broken(:\n")
    rig.news.until(lambda: bool(rig.news.notices))
    [notice] = rig.news.notices
    assert f'File "{tmp_path / "app.py"}", line 2' in notice
    assert "SyntaxError" in notice
    # The processes that were ready are gone, so new ones have to start with the old code.
    for worker in rig.session.host.workers():
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGKILL)
    another = rig.start("another")
    rig.asks(another)
    rig.answer(arn)
    assert rig.result(arn) == ["hello", "yes", 1]
    rig.edit(HARMLESS)
    rig.answer(another)
    assert rig.result(another) == ["hello", "yes", 2]
    assert rig.news.notices == []


def test_a_syntax_error_keeps_the_code_of_functions_of_a_table(tmp_path: Path) -> None:
    write(tmp_path / "app.py", ORDER)
    table = '[tool.durable.functions.order]\nhandler = "app.py:order"\n'
    (tmp_path / "pyproject.toml").write_text(table)
    with ReloadRig(tmp_path) as rig:
        arn = rig.start("n")
        rig.asks(arn)
        write(tmp_path / "app.py", "def broken(:\n")
        rig.news.until(lambda: bool(rig.news.notices))
        another = rig.start("another")
        rig.asks(another)
        rig.answer(arn)
        assert rig.result(arn) == ["hello", "yes", 1]
        rig.edit(HARMLESS)
        rig.answer(another)
        assert rig.result(another) == ["hello", "yes", 2]


def test_a_syntax_error_at_the_start_is_told_and_the_mended_file_is_found(tmp_path: Path) -> None:
    write(tmp_path / "app.py", ORDER)
    with ReloadRig(tmp_path, "app.py") as rig:
        arn = rig.start("n")
        rig.asks(arn)
    write(tmp_path / "app.py", "def broken(:\n")
    named = (f"other={tmp_path / 'app.py'}:order",)
    with ReloadRig(tmp_path, "app.py", named=named) as rig:
        assert rig.found.declarations == []
        assert len(rig.found.notices) == 1
        assert "SyntaxError" in rig.found.notices[0]
        rig.answer(arn)
        rig.edit(HARMLESS)
        assert rig.result(arn) == ["hello", "yes", 2]


def test_an_edit_during_an_invocation_lets_it_end_on_the_old_code(tmp_path: Path) -> None:
    source = """
        import os, time

        def wait_for(path):
            print("begun", flush=True)
            while not os.path.exists(path):
                time.sleep(0.01)
            return "old"

        @durable_execution
        async def order(event, ctx):
            first = await ctx.step(wait_for, event, name="first")
            answer = await (await ctx.create_callback(name="approval"))
            return [first, answer, 1]
    """
    write(tmp_path / "app.py", source)
    flag = tmp_path / "flag"
    with ReloadRig(tmp_path, "app.py") as rig:
        arn = rig.start("n", payload=str(flag))
        rig.news.until(lambda: "begun" in rig.news.lines)
        edited = source.replace('name="first"', 'name="renamed"')
        rig.edit(edited.replace('"old"', '"new"'))
        assert rig.emulator.snapshot(arn).invocation is not None
        flag.touch()
        rig.news.until(lambda: "n" in rig.news.findings)
        assert rig.emulator.snapshot(arn).invocation is None
        rig.answer(arn)
        rig.edit(source.replace("answer, 1", "answer, 2"))
        assert rig.result(arn) == ["old", "yes", 2]


def test_a_restart_holds_again_what_does_not_fit(tmp_path: Path) -> None:
    write(tmp_path / "app.py", ORDER)
    with ReloadRig(tmp_path, "app.py") as rig:
        arn, other = rig.start("n"), rig.start("other")
        rig.asks(arn)
        rig.asks(other)
    write(tmp_path / "app.py", DIVERGES)
    for _ in range(2):
        with ReloadRig(tmp_path, "app.py", watches=False) as rig:
            rig.news.until(lambda: {"n", "other"} <= rig.news.findings.keys())
            assert rig.invocations(arn) == 1
            if rig.callback_id(arn) is not None:
                rig.answer(arn)
        assert read_held(tmp_path / "store" / "x.db") == {}
    write(tmp_path / "app.py", ORDER)
    with ReloadRig(tmp_path, "app.py") as rig:
        assert rig.result(arn) == ["hello", "yes", 1]
        assert rig.news.told == []


def test_the_family_of_a_held_execution_skips_no_time(tmp_path: Path) -> None:
    source = """
        import asyncio

        def note(text):
            return text

        @durable_execution
        async def outer(event, ctx):
            return await asyncio.wait_for(ctx.invoke("inner:$LATEST", {}), 30 * 86400)

        @durable_execution
        async def inner(event, ctx):
            await ctx.step(note, "a", name="first")
            return await (await ctx.create_callback(name="approval"))
    """
    write(tmp_path / "app.py", source)
    with ReloadRig(tmp_path, "app.py", time_mode=TimeMode.SKIP) as rig:
        outer = rig.start("outer", "outer")
        rig.until(outer, lambda: len(rig.emulator.coordinator.schedule.arns) == 2)
        (inner,) = rig.emulator.coordinator.schedule.arns - {outer}
        rig.asks(inner)
        rig.edit(source.replace('name="first"', 'name="other"'))
        rig.news.until(lambda: len(rig.news.findings) == 1)
        rig.answer(inner)
        # Another family goes on meanwhile, so the drivers had their turns.
        rig.asks(rig.start("another", "inner"))
        assert rig.emulator.time(outer).offset < 1_000_000
        rig.edit(source)
        assert rig.result(outer) == "yes"


def test_functions_come_and_go_with_their_files(tmp_path: Path) -> None:
    write(tmp_path / "app.py", ORDER)
    with ReloadRig(tmp_path, ".") as rig:
        arn = rig.start("n")
        rig.asks(arn)
        rig.edit(ORDER.replace("order", "refund"), "more/refunds.py")
        assert rig.news.loads[-1].added == ["refund"]
        refund = rig.start("r", "refund")
        rig.asks(refund)
        (tmp_path / "app.py").unlink()
        rig.news.until(lambda: rig.news.loads[-1].removed == ["order"])
        assert rig.session.server.functions.names == ["refund"]
        rig.answer(arn)
        rig.answer(refund)
        assert rig.result(refund) == ["hello", "yes", 1]
        assert rig.invocations(arn) == 1
        rig.edit(HARMLESS)
        assert rig.result(arn) == ["hello", "yes", 2]


def test_a_store_in_the_folder_of_the_code_is_neither_watched_nor_searched(tmp_path: Path) -> None:
    write(tmp_path / "app.py", ORDER)
    with ReloadRig(tmp_path, ".", store="mine.db") as rig:
        rig.asks(rig.start("n"))
        assert rig.session.versions.publish("order") == "1"
        assert source_files(directories_of(tmp_path)).keys() == {str(tmp_path / "app.py")}
        rig.edit(HARMLESS)
        assert rig.news.loads[-1].changed == ["order"]
        assert rig.session.server.functions.names == ["order"]


def test_an_edit_of_an_imported_file_counts(tmp_path: Path) -> None:
    write(tmp_path / "steps" / "names.py", "NAME = 'greet'\n")
    source = ORDER.replace('name="greet"', "name=NAME").replace(
        "greeting = await", "from steps.names import NAME\n        greeting = await"
    )
    write(tmp_path / "app.py", source)
    with ReloadRig(tmp_path, "app.py") as rig:
        rig.asks(rig.start("n"))
        rig.edit("NAME = 'hail'\n", "steps/names.py")
        rig.news.until(lambda: "n" in rig.news.findings)
        rig.edit("NAME = 'greet'\n", "steps/names.py")
        rig.news.until(lambda: rig.news.told == ["held n", "released n"])


def test_a_hundred_open_executions_are_rehearsed_by_few_processes(tmp_path: Path) -> None:
    counted = "    open(__file__ + '.count', 'a').write('x')\n"
    write(tmp_path / "app.py", counted + ORDER)
    with ReloadRig(tmp_path, "app.py") as rig:
        arns = [rig.start(f"n{number}") for number in range(100)]
        for arn in arns:
            rig.asks(arn)
        rig.edit("    import os\n    PID = os.getpid()\n    " + counted.strip() + DIVERGES)
        rig.news.until(lambda: len(rig.news.findings) == 100)
        count = Path(f"{tmp_path / 'app.py'}.count")
        before = len(count.read_text())
        rig.edit(counted + ORDER)
        rig.news.until(lambda: not rig.news.findings)
        # Discovery, one rehearsal process for each batch, and workers.
        assert len(count.read_text()) - before <= 12
        assert all(rig.invocations(arn) == 1 for arn in arns)

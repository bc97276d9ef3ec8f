"""Messages about the processes that run an execution: in a second run, in `show` and in `list`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.cli.command import Durable, Write
from tests.cli.process import running

from durable_execution_sdk.dev.logs.log_store import LogStore, logs_path

WAITS = """
    @durable_execution
    async def waits(event, ctx):
        return await (await ctx.create_callback(name="answer"))

    @durable_execution
    async def asks(event, ctx):
        return await ctx.invoke("waits:$LATEST")
"""

IN_A_BODY = """
    def read_gate() -> str:
        with open("gate") as gate:
            return gate.read()

    @durable_execution
    async def works(event, ctx):
        return await ctx.step(read_gate)
"""


def processes(durable: Durable, name: str) -> list[int]:
    """Return the processes that `show` and `list` give for an execution."""
    shown: list[int] = durable("show", name, "--json").document["processes"]
    (listed,) = [
        execution["processes"]
        for execution in durable("list", "--json").document
        if execution["durable_execution_name"] == name
    ]
    assert listed == shown
    return shown


def test_a_second_run_says_at_once_which_process_is_in_a_body_and_what_it_does(
    durable: Durable, write: Write, place: Path
) -> None:
    file = write(IN_A_BODY)
    os.mkfifo(place / "gate")
    with running(place, "run", file, "--name", "n") as first:
        first.until("n  .durable")
        with open(place / "gate", "w") as gate:  # opens when the body has opened it
            with running(place, "run", file, "--name", "n") as second:
                line = second.until("runs it already")
                assert line.startswith(
                    f"process {first.process.pid} runs it already: this run follows"
                )
                output = durable("run", file, "--name", "n", "--no-wait")
                assert output.code == 3
                pids = sorted([first.process.pid, second.process.pid])
                assert (
                    f"processes {pids[0]}, {pids[1]} run it already: this run does what is"
                    in output.out
                )
                shown = durable("show", "n").out
                assert f"processes {pids[0]}, {pids[1]} run it now" in shown
                gate.write("opened")
                gate.close()
                assert first.end() == second.end() == 0
                assert second.lines[-1] == '"opened"\n'
    assert processes(durable, "n") == []


def test_a_run_that_is_alone_says_nothing_of_others(durable: Durable, write: Write) -> None:
    file = write(WAITS)
    output = durable("run", f"{file}:waits", "--name", "n", "--no-wait")
    assert "already" not in output.out + output.err


def test_the_processes_that_run_an_execution_are_shown_until_they_are_killed(
    durable: Durable, write: Write, place: Path
) -> None:
    file = write(WAITS)
    words = ("run", f"{file}:waits", "--name", "n")
    with running(place, *words) as first, running(place, *words) as second:
        for process in (first, second):
            process.until("answer with")
        pids = sorted([first.process.pid, second.process.pid])
        assert processes(durable, "n") == pids
        both = f"suspended; processes {pids[0]}, {pids[1]} go on when it is due"
        assert both in durable("show", "n").out
        first.kill()
        assert processes(durable, "n") == [second.process.pid]
        shown = durable("show", "n").out
        assert f"suspended; process {second.process.pid} goes on when it is due" in shown
        assert "go on with" not in shown
        assert durable("list").out.rstrip().endswith(str(second.process.pid))
        assert durable("pause", "n").code == 0
        shown = durable("show", "n").out
        assert f"paused; process {second.process.pid} goes on when it is resumed" in shown
        second.kill()
    assert processes(durable, "n") == []
    shown = durable("show", "n").out
    assert shown.splitlines()[-1] == (
        "no process runs it now; go on with: durable run FILE:waits --name n"
    )
    listed = durable("list")
    assert listed.out.rstrip().endswith("none")
    assert listed.err == (
        "no process runs those marked 'none'; go on with: durable run FILE:FUNCTION --name NAME\n"
    )
    # An execution that a server accepted, and had not invoked before it was killed, is not in its logs.
    LogStore(logs_path(place / ".durable" / "executions.db")).close()
    assert ", or, if a server ran them, durable dev, as it was started" in durable("list").err
    assert ", or, if a server accepted it, durable dev, as it was" in durable("show", "n").out
    # Those files are gone that no process has locked.
    assert list((place / ".durable" / "executions.db.leases").iterdir()) == []


def test_logs_name_the_process_whose_lines_are_not_kept(
    durable: Durable, write: Write, place: Path
) -> None:
    file = write(WAITS)
    with running(place, "run", f"{file}:waits", "--name", "n") as run:
        run.until("answer with")
        refused = durable("logs", "n")
        assert (refused.code, "writes to its own terminal" in refused.err) == (2, True)
        LogStore(logs_path(place / ".durable" / "executions.db")).close()
        read = durable("logs", "n")
        assert (read.code, read.out) == (0, "")
        assert f"process {run.process.pid} runs it now, and writes to its own terminal" in read.err
        assert "lines of 1 invocation are not here" in read.err


@pytest.mark.parametrize("killed", [False, True])
def test_an_invoked_execution_is_run_by_the_process_that_runs_the_first_one(
    durable: Durable, write: Write, place: Path, killed: bool
) -> None:
    file = write(WAITS)
    with running(place, "run", f"{file}:asks", "--name", "n") as process:
        process.until("answer with")
        if killed:
            process.kill()
        (invoked,) = [
            execution["durable_execution_name"]
            for execution in durable("list", "--json").document
            if execution["function_name"] == "waits"
        ]
        pids = [] if killed else [process.process.pid]
        assert processes(durable, "n") == processes(durable, invoked) == pids
        last = durable("show", invoked).out.splitlines()[-1]
        if killed:
            assert last == "no process runs it now; go on with: durable run FILE:asks --name n"
        else:
            assert last == f"suspended; process {pids[0]} goes on when it is due"


def test_an_execution_that_has_ended_is_run_by_no_process_and_needs_no_hint(
    durable: Durable, write: Write
) -> None:
    file = write("@durable_execution\nasync def ends(event, ctx): return 1")
    durable("run", file, "--name", "n")
    assert "process" not in durable("show", "n").out
    listed = durable("list")
    assert listed.out.splitlines()[1].split()[-3:] == ["ms", "0", "0"]
    assert listed.err == ""
    assert processes(durable, "n") == []


@pytest.mark.parametrize("words", [["succeed", "--data", "1"], ["fail", "--message", "no"]])
def test_an_answer_says_how_to_go_on_if_no_process_does(
    durable: Durable, write: Write, place: Path, words: list[str]
) -> None:
    file = write(WAITS)
    durable("run", f"{file}:waits", "--name", "n", "--no-wait")
    output = durable("callback", words[0], "n", *words[1:])
    assert output.out == "answered\n"
    assert output.err == "no process runs it now; go on with: durable run FILE:waits --name n\n"
    with running(place, "run", f"{file}:asks", "--name", "m") as process:
        process.until("answer with")
        output = durable("callback", words[0], "m", *words[1:])
        assert (output.out, output.err) == ("answered\n", "")
        process.end()


def test_the_hint_names_the_store(durable: Durable, write: Write) -> None:
    file = write(WAITS)
    durable("run", f"{file}:waits", "--name", "n", "--no-wait", "--store", "other.db")
    expected = "durable run FILE:waits --name n --store other.db"
    assert expected in durable("show", "n", "--store", "other.db").out


def test_an_execution_that_is_deleted_under_a_run_ends_it_with_the_reason(
    durable: Durable, write: Write, place: Path
) -> None:
    file = write(WAITS)
    with running(place, "run", f"{file}:waits", "--name", "n") as process:
        process.until("answer with")
        with process.standing_still():
            assert durable("delete", "n", "--force").code == 0
        assert process.end() == 2
        assert process.lines[-1] == (
            "durable: n was deleted by another process while this one ran it\n"
        )
        assert "Traceback" not in process.text
    assert durable("list", "--json").document == []


def test_an_execution_that_is_deleted_while_a_body_runs_stays_deleted(
    durable: Durable, write: Write, place: Path
) -> None:
    file = write(IN_A_BODY)
    os.mkfifo(place / "gate")
    with running(place, "run", file, "--name", "n") as process:
        process.until("n  .durable")
        with open(place / "gate", "w") as gate:  # opens when the body has opened it
            assert durable("delete", "n", "--force").code == 0
            gate.write("opened")
        assert process.end() == 2
        assert "n was deleted by another process" in process.text
    assert durable("list", "--json").document == []

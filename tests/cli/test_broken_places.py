"""A store that disappears, a lock that cannot be made, and absurd input give exit code 2 and a reason."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.command import Durable, Write

REMOVING = """
import os, pathlib, shutil

async def first(x): return x

async def harm(how):
    with open("harm.txt", "a") as file: file.write("once\\n")
    if how == "directory": shutil.rmtree(".durable")
    if how == "file": os.unlink(".durable/executions.db")
    if how == "moved": os.rename(".durable/executions.db", ".durable/gone.db")
    if how == "replaced":
        os.rename(".durable/executions.db", ".durable/gone.db")
        pathlib.Path(".durable/executions.db").touch()
    if how == "cut off": os.truncate(".durable/executions.db", 0)
    return how

AT_MOST_ONCE = StepConfig(semantics=StepSemantics.AT_MOST_ONCE_PER_RETRY)

@durable_execution
async def wf(event, ctx):
    await ctx.step(first, 1)
    await ctx.step(harm, event, config=AT_MOST_ONCE)
    return "done"
"""


@pytest.mark.parametrize("how", ["directory", "file", "moved", "replaced", "cut off"])
def test_a_store_that_goes_away_during_a_run_is_noticed_at_the_next_write(
    how: str, durable: Durable, write: Write, place: Path
) -> None:
    # What an earlier run left is in the file, and no longer in SQLite's log beside it.
    assert durable("run", write(REMOVING), "--input", '"nothing"', "--name", "earlier").code == 0
    (place / "harm.txt").unlink()
    output = durable("run", write(REMOVING), "--input", f'"{how}"', "--name", "n")
    assert output.code == 2
    assert ".durable/executions.db was deleted, moved, replaced or cut off" in output.err
    assert "SUCCEEDED" not in output.out
    assert (place / "harm.txt").read_text() == "once\n"


def test_a_store_that_goes_away_while_nothing_happens_is_noticed_too(
    durable: Durable, write: Write, place: Path
) -> None:
    file = write("""
        import os
        async def leave(ctx):
            os.unlink(".durable/executions.db")

        @durable_execution
        async def wf(event, ctx):
            await ctx.step(leave, None)
            await ctx.wait(Duration.from_days(3))
    """)
    assert durable("run", file).code == 2


@pytest.mark.parametrize("what", ["dangling link", "file", "link to a file"])
def test_leases_that_are_no_directory_are_named(
    what: str, durable: Durable, write: Write, place: Path
) -> None:
    (place / ".durable").mkdir()
    leases = place / ".durable" / "executions.db.leases"
    match what:
        case "dangling link":
            leases.symlink_to(place / "nowhere" / "at all")
        case "file":
            leases.touch()
        case _:
            (place / "other").touch()
            leases.symlink_to(place / "other")
    output = durable("run", write("@durable_execution\nasync def wf(event, ctx): return 1"))
    assert output.code == 2
    assert "executions.db.leases has to be a directory" in output.err


@pytest.mark.parametrize("depth", [501, 2_000, 100_000])
@pytest.mark.parametrize("bracket", ["[]", "{}"])
def test_input_nested_beyond_reason_is_refused(
    depth: int, bracket: str, durable: Durable, write: Write, place: Path
) -> None:
    file = write("@durable_execution\nasync def wf(event, ctx): return 1")
    opening = "[" if bracket == "[]" else '{"a":'
    (place / "deep.json").write_text(opening * depth + "1" + bracket[1] * depth)
    output = durable("run", file, "--input", "@deep.json")
    assert (output.code, "nested more than 500 deep" in output.err) == (2, True)


def test_input_that_is_nested_less_reaches_the_workflow_and_comes_back(
    durable: Durable, write: Write, place: Path
) -> None:
    file = write("@durable_execution\nasync def wf(event, ctx): return event")
    (place / "deep.json").write_text("[" * 400 + "]" * 400)
    output = durable("run", file, "--input", "@deep.json", "--name", "n")
    assert output.code == 0, output.err
    assert durable("show", "n").code == 0


def test_sys_exit_in_a_step_is_named_with_its_place(
    durable: Durable, write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    file = write("""
        import sys
        def leave(x): sys.exit(7)

        @durable_execution
        async def wf(event, ctx):
            await ctx.step(leave, None)
    """)
    output = durable("run", file, "--no-wait", "--name", "n")
    assert output.code == 3
    [warning] = [record.getMessage() for record in caplog.records if "sys.exit" in record.message]
    assert "app.py line 4, in leave, called sys.exit(7)" in warning
    assert "the last invocation failed; the next one comes" in output.out


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device here")
@pytest.mark.parametrize("words", [("list",), ("list", "--json"), ("--help",)])
def test_a_full_disk_below_the_output_is_no_internal_error(
    words: tuple[str, ...], durable: Durable, write: Write, place: Path
) -> None:
    durable("run", write(REMOVING.replace("await ctx.step(harm", "#")), "--input", "1")
    command = [sys.executable, "-m", "durable_execution_sdk.cli.main", *words]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            command, cwd=place, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (ended.returncode, ended.stderr) == (
        2,
        "durable: this cannot be written: No space left on device\n",
    )

"""`durable run` records no failure only because the code was edited under a running execution."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from tests.cli.command import CommandOutput, Durable, Write

ORIGINAL = """
    def note(text: str) -> str:
        with open("calls", "a") as file:
            file.write(text + "\\n")
        return text

    @durable_execution
    async def order(event: dict[str, object], ctx: DurableContext) -> object:
        first = await ctx.step(note, "first", name="first")
        answer = await ctx.wait_for_callback(lambda callback_id: None, name="approval")
        return [first, answer]
"""
RENAMED = ORIGINAL.replace('name="first"', 'name="renamed"')
HARMLESS = ORIGINAL.replace("[first, answer]", "[first, answer, 3]")
FAILS_AFTER = ORIGINAL.replace("return [first", "raise LookupError('after'); return [first")


def run(durable: Durable, *words: str) -> CommandOutput:
    return durable("run", "app.py", "--name", "n", "--no-wait", *words)


@pytest.fixture
def waiting(durable: Durable, write: Write) -> None:
    """Let an execution wait for an answer."""
    write(ORIGINAL)
    assert run(durable, "--input", '{"a": 1}').code == 3


def answer(durable: Durable) -> None:
    assert durable("callback", "succeed", "n/approval", "--data", "2").code == 0


def calls(place: Path) -> list[str]:
    return (place / "calls").read_text().splitlines()


@pytest.mark.usefixtures("waiting")
def test_a_harmless_edit_goes_on(durable: Durable, write: Write, place: Path) -> None:
    write(HARMLESS)
    assert run(durable).code == 3
    answer(durable)
    output = run(durable)
    assert (output.code, output.result) == (0, ["first", 2, 3])
    assert calls(place) == ["first"]


@pytest.mark.usefixtures("waiting")
def test_a_diverging_edit_is_told_and_a_further_edit_goes_on(
    durable: Durable, write: Write, place: Path
) -> None:
    write(RENAMED)
    output = run(durable)
    assert output.code == 3
    lines = output.out.splitlines()
    assert "HELD  n: the code was edited since it ran, and does not fit its log" in lines[1]
    assert lines[2:4] == [
        "  the log has:   step 'first'",
        "  the code now:  step 'renamed' (another name)",
    ]
    assert lines[4].startswith(f"  at:            {place / 'app.py'}:10, in order")
    assert lines[5].strip() == 'first = await ctx.step(note, "first", name="renamed")'
    assert "durable run app.py --name n" in output.err
    assert (
        "Edit the code (old beside new: if ctx.patched(...): new, else: old), and go on"
        in output.err
    )
    assert "or begin anew before that: durable fork n --before" in output.err
    answer(durable)
    assert run(durable).code == 3
    assert durable("show", "n", "--json").document["status"] == "RUNNING"
    write(ORIGINAL)
    output = run(durable)
    assert (output.code, output.result, calls(place)) == (0, ["first", 2], ["first"])


@pytest.mark.usefixtures("waiting")
def test_json_names_what_does_not_fit(durable: Durable, write: Write, place: Path) -> None:
    assert run(durable, "--json").document["held"] == []
    write(RENAMED)
    output = run(durable, "--json")
    assert (output.code, output.document["status"]) == (3, "RUNNING")
    [held] = output.document["held"]
    operation_id = held.pop("operation_id")
    assert operation_id in output.document["waiting"] or len(operation_id) > 20
    assert held.pop("durable_execution_arn") == output.document["durable_execution_arn"]
    assert held == {
        "durable_execution_name": "n",
        "kind": "another operation",
        "expected": "step 'first'",
        "actual": "step 'renamed' (another name)",
        "file": str(place / "app.py"),
        "line": 10,
        "function": "order",
        "source": 'first = await ctx.step(note, "first", name="renamed")',
        "hint": "",
    }


@pytest.mark.usefixtures("waiting")
def test_a_fork_from_before_the_divergence_goes_on(durable: Durable, write: Write) -> None:
    write(RENAMED)
    [held] = run(durable, "--json").document["held"]
    forked = durable("fork", "n", "--before", held["operation_id"], "--as", "other")
    assert forked.code == 0
    assert durable("run", "app.py", "--name", "other", "--no-wait").code == 3
    assert durable("callback", "succeed", "other/approval", "--data", "5").code == 0
    assert durable("run", "app.py", "--name", "other").result == ["first", 5]


@pytest.mark.usefixtures("waiting")
def test_an_input_that_no_longer_fits_goes_on_in_a_fork_with_another(
    durable: Durable, write: Write
) -> None:
    write(ORIGINAL.replace("event: dict[str, object]", "event: list[str]"))
    told = run(durable).err
    assert "or fork with other input: durable fork n --input JSON\n" in told
    assert "or fork with other results: durable fork n --result OPERATION=JSON\n" in told
    assert "begin anew" not in told
    assert "ctx.patched" not in told
    assert durable("fork", "n", "--input", '["b"]', "--as", "other").code == 0
    assert durable("run", "app.py", "--name", "other", "--no-wait").code == 3  # hands out a new id
    assert durable("callback", "succeed", "other/approval", "--data", "3").code == 0
    output = durable("run", "app.py", "--name", "other", "--no-wait")
    assert (output.code, output.result) == (0, ["first", 3])


@pytest.mark.usefixtures("waiting")
def test_anyway_runs_the_edited_code_which_then_fails(durable: Durable, write: Write) -> None:
    write(RENAMED)
    answer(durable)
    assert run(durable).code == 3
    output = run(durable, "--anyway")
    assert (output.code, "DeterminismError" in output.out) == (1, True)


@pytest.mark.parametrize(
    ("source", "actual"),
    [
        (
            ORIGINAL.replace("first = await", "undefined; first = await"),
            "it fails with NameError: name 'undefined' is not defined",
        ),
        (
            ORIGINAL.replace("first = await", "ctx.nonsense(); first = await"),
            "it fails with AttributeError: 'DurableContext' object has no attribute 'nonsense'",
        ),
        (
            ORIGINAL.replace("first = await", "import not_here; first = await"),
            "it fails with ModuleNotFoundError: No module named 'not_here'",
        ),
        (
            ORIGINAL.replace("first = await", "import broken; first = await"),
            "it fails with SyntaxError: '(' was never closed (broken.py, line 1)",
        ),
        (
            ORIGINAL.replace("event: dict[str, object]", "event: list[str]"),
            "it fails with SerDesError: the input of the execution, for 'event: list[str]' of order",
        ),
        (ORIGINAL.replace("first = await", "return 7; first = await"), "nothing more"),
    ],
)
@pytest.mark.usefixtures("waiting")
def test_an_edit_that_fails_before_anything_new_records_nothing(
    durable: Durable, write: Write, place: Path, source: str, actual: str
) -> None:
    (place / "broken.py").write_text("(\n")
    write(source)
    answer(durable)
    output = run(durable)
    assert output.code == 3
    assert f"  the code now:  {actual}" in output.out
    assert durable("show", "n", "--json").document["status"] == "RUNNING"
    write(ORIGINAL)
    assert run(durable).result == ["first", 2]


@pytest.mark.usefixtures("waiting")
def test_a_file_that_cannot_be_imported_holds_its_executions(
    durable: Durable, write: Write
) -> None:
    write("def broken(:\n")
    output = run(durable)
    assert output.code == 3
    assert "app.py cannot be imported" in output.err
    assert "n goes on once the file is mended" in output.err
    assert durable("run", "app.py", "--name", "another").code == 2
    write(ORIGINAL)
    answer(durable)
    assert run(durable).result == ["first", 2]


@pytest.mark.usefixtures("waiting")
def test_the_edit_is_found_when_the_execution_is_due(durable: Durable, write: Write) -> None:
    write(FAILS_AFTER)
    assert run(durable).code == 3
    answer(durable)
    output = run(durable)
    assert output.code == 3
    assert "it fails with LookupError: after" in output.out
    assert durable("show", "n", "--json").document["status"] == "RUNNING"


def test_unchanged_code_fails_as_ever(durable: Durable, write: Write) -> None:
    write(FAILS_AFTER)
    assert run(durable).code == 3
    answer(durable)
    output = run(durable)
    assert (output.code, "LookupError: after" in output.out) == (1, True)


def test_unchanged_code_that_does_not_replay_fails_as_ever(durable: Durable, write: Write) -> None:
    write("""
        import os

        def note(text: str) -> str:
            return text

        @durable_execution
        async def order(event: object, ctx: DurableContext) -> object:
            name = "second" if os.path.exists("flag") else "first"
            open("flag", "w").close()
            await ctx.step(note, "a", name=name)
            return await ctx.wait_for_callback(lambda callback_id: None, name="approval")
    """)
    assert run(durable).code == 3
    answer(durable)
    output = run(durable)
    assert (output.code, "DeterminismError" in output.out) == (1, True)


@pytest.mark.usefixtures("waiting")
def test_an_input_that_never_fitted_fails_as_ever(durable: Durable) -> None:
    # The code is not at hand when this execution is started.
    assert durable("rerun", "n", "--input", "[1]", "--as", "m").code == 0
    output = durable("run", "app.py", "--name", "m", "--no-wait")
    assert (output.code, "SerDesError" in output.out) == (1, True)


@pytest.mark.usefixtures("waiting")
def test_an_edit_of_an_imported_file_counts(durable: Durable, write: Write, place: Path) -> None:
    (place / "steps.py").write_text("NAME = 'first'\n")
    source = ORIGINAL.replace('name="first"', "name=NAME").replace(
        "first = await", "from steps import NAME\n        first = await"
    )
    write(source)
    assert run(durable).code == 3
    (place / "steps.py").write_text("NAME = 'other'\n")
    output = run(durable)
    assert (output.code, "step 'other' (another name)" in output.out) == (3, True)


INVOKES = """
    @durable_execution
    async def outer(event: object, ctx: DurableContext) -> object:
        return await ctx.invoke("inner:$LATEST", {}, name="call")

    def note(text: str) -> str:
        return text

    @durable_execution
    async def inner(event: object, ctx: DurableContext) -> object:
        await ctx.step(note, "first", name="first")
        return await ctx.wait_for_callback(lambda callback_id: None, name="approval")
"""


def test_an_invoked_execution_that_does_not_fit_is_told(durable: Durable, write: Write) -> None:
    write(INVOKES)
    assert durable("run", "app.py:outer", "--name", "n", "--no-wait").code == 3
    write(INVOKES.replace('name="first"', 'name="other"'))
    output = durable("run", "app.py:outer", "--name", "n", "--no-wait", "--json")
    [held] = output.document["held"]
    assert (output.code, held["actual"]) == (3, "step 'other' (another name)")
    assert held["durable_execution_arn"] != output.document["durable_execution_arn"]


def test_a_timer_that_fires_while_the_run_waits_meets_the_edited_code(
    durable: Durable, write: Write
) -> None:
    source = """
        @durable_execution
        async def order(event: object, ctx: DurableContext) -> object:
            await ctx.wait(Duration.from_days(1), name="cool_down")
            return 1
    """
    write(source)
    assert run(durable).code == 3
    write(source.replace("return 1", "return undefined"))
    output = durable("run", "app.py", "--name", "n", "--skip-time")
    assert output.code == 3
    assert "the log has:   no end after wait 'cool_down'" in output.out
    assert "NameError" in output.out
    write(source.replace("return 1", "return 2"))
    assert durable("run", "app.py", "--name", "n").result == 2


@pytest.mark.usefixtures("waiting")
def test_code_about_which_nothing_is_found_out_goes_on_and_that_is_told(
    durable: Durable, write: Write
) -> None:
    write(ORIGINAL.replace("first = await", "raise DurableError.invocation('down'); first = await"))
    output = run(durable)
    assert output.code == 3
    assert "the edited code was not rehearsed: InvocationError: down" in output.err
    assert "HELD" not in output.out


def test_an_edit_in_the_same_second_that_keeps_the_size_is_seen(
    durable: Durable, write: Write, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    source = """
        from imported import ANSWER

        @durable_execution
        async def f(event: object, ctx: DurableContext) -> str:
            return ANSWER + "{}"
    """
    for answer in ("old", "new"):
        files = [
            write(f'ANSWER = "{answer}"', "imported.py"),
            write(source.format(answer)),
        ]
        for file in files:
            os.utime(place / file, (1_700_000_000, 1_700_000_000))
            sys.modules.pop(file.removesuffix(".py"), None)
        assert durable("run", files[1]).result == answer * 2
    assert not sys.dont_write_bytecode

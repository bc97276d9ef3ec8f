"""Executions by name, ARN, beginning of an id and `@last`, in every command, and completed by a shell."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.command import Durable, Write

from durable_execution_sdk.cli.store_file import Place
from durable_execution_sdk.emulator.functions.registry import Functions
from durable_execution_sdk.protocol.control_plane import InvokeRequest
from durable_execution_sdk.protocol.ids import ExecutionArn

FLOWS = """
    @durable_execution
    async def asks(event, ctx):
        return await (await ctx.create_callback(name="approval"))

    @durable_execution
    async def outer(event, ctx):
        return await ctx.invoke("asks:$LATEST", name="inner")
"""


@pytest.fixture
def arns(durable: Durable, write: Write) -> dict[str, str]:
    """Start two executions; the ARNs by name."""
    write(FLOWS)
    return {
        name: durable("run", "app.py:asks", "--name", name, "--no-wait", "--json").document[
            "durable_execution_arn"
        ]
        for name in ("first", "second")
    }


def run_id(arn: str) -> str:
    return ExecutionArn.parse(arn).run_id


def test_the_last_execution_is_none_that_another_one_invoked(
    durable: Durable, write: Write
) -> None:
    write(FLOWS)
    durable("run", "app.py:asks", "--name", "before", "--no-wait")
    durable("run", "app.py:outer", "--name", "n", "--no-wait")
    listed = durable("list", "--json").document
    assert isinstance(listed, list)
    assert listed[0]["durable_execution_name"] not in ("n", "before")
    assert durable("show", "@last", "--json").document["durable_execution_name"] == "n"


def test_every_command_takes_every_kind_of_reference(
    durable: Durable, arns: dict[str, str]
) -> None:
    for name, arn in arns.items():
        beginning = run_id(arn)[:8]
        assert f" {beginning} " in durable("list").out
        for reference in (name, arn, run_id(arn), beginning):
            assert durable("show", reference, "--json").document["durable_execution_name"] == name
            assert durable("history", reference, "--json").document["DurableExecutionArn"] == arn
            assert durable("callback", "heartbeat", reference).code == 0
            assert durable("callback", "heartbeat", f"{reference}/approval").code == 0
    assert durable("show", "@last", "--json").document["durable_execution_name"] == "second"
    assert durable("callback", "heartbeat", "@last/approval").code == 0
    assert durable("callback", "succeed", "@last", "--data", "1").code == 0
    assert durable("stop", run_id(arns["first"])[:6]).out == "first is STOPPED\n"
    assert durable("delete", run_id(arns["first"])[:6]).out == "deleted first\n"
    assert durable("stop", "@last").out == "second is STOPPED\n"
    assert durable("delete", "@last").out == "deleted second\n"
    refused = durable("show", "@last")
    assert (refused.code, "there is no execution '@last'" in refused.err) == (2, True)


def test_what_names_none_or_several_is_refused(durable: Durable, arns: dict[str, str]) -> None:
    for reference in (run_id(arns["first"])[:3], run_id(arns["first"])[1:], "nope", "@first", "%"):
        refused = durable("show", reference)
        assert (refused.code, "there is no execution" in refused.err) == (2, True), reference


def test_the_beginning_of_several_ids_is_refused_with_their_names(
    durable: Durable, place: Path
) -> None:
    functions = Functions()
    functions.add_durable("wf", lambda _: lambda event, context: None)
    ids = iter(range(100))
    with Place(None).opened(functions) as emulator:
        emulator.ids = lambda: f"abcd-{next(ids)}"
        for number in range(7):
            emulator.start(
                InvokeRequest(function_name="wf:$LATEST", durable_execution_name=f"n{number}")
            )
    refused = durable("show", "abcd")
    assert refused.code == 2
    assert (
        "several executions have an id that begins with 'abcd': n6, n5, n4, n3, n2, ...;"
        in refused.err
    )


def test_the_callbacks_of_all_executions_are_listed_once(
    durable: Durable, write: Write, arns: dict[str, str]
) -> None:
    durable("run", "app.py:outer", "--name", "third", "--no-wait")
    documents = durable("callback", "list", "--json").document
    assert [each["callback"] for each in documents] == [
        "third/approval",
        "second/approval",
        "first/approval",
    ]
    assert documents[0]["path"] == ["inner", "approval"]
    assert documents[0]["function_name"] == "asks"
    assert documents[1]["durable_execution_arn"] == arns["second"]
    lines = durable("callback", "list").out.splitlines()
    assert [line.split()[0] for line in lines] == ["callback"] + [
        each["callback"] for each in documents
    ]
    assert lines[1].rstrip().endswith("no deadline")
    (only,) = durable("callback", "list", "first", "--json").document
    assert only["callback"] == "first/approval"
    for document in documents:
        assert durable("callback", "succeed", document["callback"], "--data", "1").code == 0
    assert durable("callback", "list", "--json").document == []


def complete(place: Path, *words: str) -> list[str]:
    """Ask as the script for bash does; return what it completes the last word to."""
    answer = subprocess.run(
        [sys.executable, "-m", "durable_execution_sdk.cli.main"],
        env={
            **os.environ,
            "_DURABLE_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(("durable", *words)),
            "COMP_CWORD": str(len(words)),
        },
        cwd=place,
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stderr == ""
    return [line.partition(",")[2] for line in answer.stdout.splitlines()]


def test_a_shell_completes_commands_and_names(place: Path, arns: dict[str, str]) -> None:
    assert complete(place, "his") == ["history"]
    assert complete(place, "show", "f") == ["first"]
    assert complete(place, "show", "") == ["second", "first", "@last"]
    assert complete(place, "delete", "first", "s") == ["second"]
    assert complete(place, "callback", "succeed", "sec") == ["second/approval"]
    assert complete(place, "list", "--function", "") == ["asks"]
    assert complete(place, "run", "app.py", "--name", "f") == ["first"]
    assert complete(place, "fork", "second", "--before", "app") == ["approval"]
    assert complete(place, "fork", "nothing", "--before", "") == [""]
    assert complete(place, "show", "--store", "nowhere.db", "") == ["@last"]
    assert not (place / "nowhere.db").exists()


def test_completed_operations_are_references_that_name_one_each(
    place: Path, durable: Durable, write: Write
) -> None:
    write("""
        async def one(ctx, item, index):
            return await ctx.step(lambda: item, name="price")

        @durable_execution
        async def f(event, ctx):
            await ctx.map([1, 2], one, name="items")
            await ctx.step(lambda: 1, name="pay")
            await ctx.step(lambda: 2, name="pay")
    """)
    assert durable("run", "app.py", "--name", "n").code == 0
    references = complete(place, "fork", "n", "--before", "")
    assert sorted(references) == [
        "items",
        "items/map-item-0",
        "items/map-item-0/price",
        "items/map-item-1",
        "items/map-item-1/price",
        "pay#1",
        "pay#2",
    ]
    for reference in references:
        assert durable("fork", "n", "--before", reference).code == 0


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_calls_the_command(durable: Durable, shell: str) -> None:
    script = durable("completion", shell)
    assert script.code == 0
    assert f"_DURABLE_COMPLETE={shell}_complete" in script.out


def test_the_help_lists_every_command_in_a_section(durable: Durable) -> None:
    text = durable("--help").out
    titles = [line[:-1] for line in text.splitlines() if line.endswith(":") and line[0] != " "]
    assert titles == ["Options", "Run", "Look", "Steer", "Prove", "Project"]
    for name in ("run", "list", "show", "history", "callback", "stop", "delete", "replay", "lint"):
        assert f"\n  {name} " in text
    # Each fits its line.
    assert "..." not in text.partition("Run:")[2]

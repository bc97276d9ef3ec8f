"""Payloads, failures and progress in `durable show` and `durable history`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.command import Durable, Write
from tests.cli.process import running

FLOW = """
    def good() -> dict:
        return {"text": "a" * 200, "list": [1, 2]}

    def bad() -> None:
        raise ValueError("no")

    async def group(ctx):
        try:
            await ctx.step(bad, config=StepConfig(retry_strategy=NoRetry()))
        except ValueError:
            pass

    @durable_execution
    async def flow(event, ctx):
        await ctx.step(good)
        await ctx.run_in_child_context(group, name="group")
        await ctx.run_in_child_context(fine, name="fine")
        return await (await ctx.create_callback(name="answer"))

    async def fine(ctx):
        await ctx.step(good, name="better")
"""


@pytest.fixture
def flow(durable: Durable, write: Write) -> str:
    durable("run", write(FLOW), "--name", "flow", "--input", '{"order": 1}', "--no-wait")
    return "flow"


def test_payloads_are_cut_to_a_line(durable: Durable, flow: str) -> None:
    result = json.dumps({"text": "a" * 200, "list": [1, 2]}, separators=(",", ":"))
    cut = f"{result[:120]}... ({len(result)} bytes)"
    shown = durable("show", flow).out
    assert f"├── ✔ good  Step  → {cut}\n" in shown
    assert '\ninput: {"order": 1}\n' in shown
    told = durable("history", flow).out
    assert f"StepSucceeded            good  result {cut}\n" in told
    assert 'ExecutionStarted         flow  input {"order": 1}\n' in told


def test_whole_payloads_are_shown_when_asked_for(durable: Durable, flow: str) -> None:
    text = f'  "text": "{"a" * 200}",'
    shown = durable("show", flow, "--full").out
    assert f"result of good:\n  {{\n  {text}\n" in shown
    assert 'input:\n  {\n    "order": 1\n  }\n' in shown
    assert "result of fine / better:\n" in shown
    assert "→" not in shown
    told = durable("history", flow, "--full").out
    assert f"       result: {{\n       {text}\n" in told
    operations = durable("show", flow, "--json").document["operations"]
    assert operations[0]["result"] == {"text": "a" * 200, "list": [1, 2]}


def test_only_failures_are_shown_when_asked_for(durable: Durable, flow: str) -> None:
    shown = durable("show", flow, "--failed").out.splitlines()
    assert shown[1:3] == [
        "└── ✔ group  RunInChildContext  → null",
        "    └── ✘ bad  Step  ValueError: no",
    ]
    assert not any("better" in line or "answer  Callback" in line for line in shown)
    (failed,) = durable("history", flow, "--failed").out.splitlines()
    assert "StepFailed               group / bad  ValueError: no" in failed
    durable("stop", flow, "--reason", "enough")
    *_, last = durable("history", flow, "--failed").out.splitlines()
    assert "ExecutionStopped" in last


def test_an_execution_without_failures_says_so(durable: Durable, write: Write) -> None:
    durable("run", write("@durable_execution\nasync def wf(event, ctx): return 1"), "--name", "n")
    assert "\nno operation has failed\n" in durable("show", "n", "--failed").out
    assert durable("history", "n", "--failed").out == ""


@pytest.mark.parametrize(
    "words",
    [
        ("show", "--json", "--full"),
        ("show", "--json", "--failed"),
        ("history", "--json", "--full"),
        ("history", "--json", "--failed"),
        ("history", "--json", "--follow"),
    ],
)
def test_documents_are_never_cut(durable: Durable, flow: str, words: tuple[str, ...]) -> None:
    command, *options = words
    refused = durable(command, flow, *options)
    assert (refused.code, "leave out" in refused.err, refused.out) == (2, True, "")


@pytest.mark.parametrize("command", ["show", "history"])
def test_an_execution_is_followed_to_its_end(
    durable: Durable, flow: str, place: Path, command: str
) -> None:
    with running(place, command, flow, "--follow") as follower:
        # Nothing comes before a process runs it, so that is said at once.
        follower.until("no process runs it now; go on with: durable run FILE:flow --name")
        assert durable("callback", "succeed", flow, "--data", "7").code == 0
        follower.until("CallbackSucceeded")
        assert durable("run", "app.py", "--name", flow).result == 7
        follower.until("ExecutionSucceeded")
        assert follower.end() == 0
    # One that has ended is shown at once.
    assert durable(command, flow, "--follow").code == 0


def test_a_document_waits_for_the_end_that_is_followed(
    durable: Durable, flow: str, place: Path
) -> None:
    durable("stop", flow)
    shown = durable("show", flow, "--follow", "--json")
    assert (shown.code, shown.document["status"]) == (1, "STOPPED")
    assert durable("show", flow).code == durable("history", flow).code == 0
    assert durable("history", flow, "--follow").code == 1


@pytest.mark.parametrize("command", ["show", "history"])
def test_ctrl_c_ends_the_following_with_a_code_of_its_own(
    flow: str, place: Path, command: str
) -> None:
    with running(place, command, flow, "--follow") as follower:
        follower.until("no process runs it now")
        follower.interrupt()
        assert follower.end() == 130
        assert "durable: interrupted; the execution is not affected" in follower.text


def test_an_execution_that_is_deleted_meanwhile_is_refused(
    durable: Durable, flow: str, place: Path
) -> None:
    with running(place, "history", flow, "--follow") as follower:
        follower.until("CallbackStarted")
        with follower.standing_still():
            durable("delete", flow, "--force")
        assert follower.end() == 2
        assert "was deleted by another process" in follower.text

"""`durable dev` and the other commands, while the code is edited."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.cli.process import running
from tests.dev.reload.reload_rig import write

APP = """
    def greet(text):
        return text

    @durable_execution
    async def order(event, ctx):
        greeting = await ctx.step(greet, "hello", name="greet")
        return [greeting, await (await ctx.create_callback(name="approval"))]
"""


def durable(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "durable_execution_sdk.cli.main", *words],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.dev
def test_a_held_execution_is_told_everywhere_and_accepted(tmp_path: Path) -> None:
    app = tmp_path / "app.py"
    write(app, APP)
    with running(tmp_path, "dev", "app.py", "--port", "0") as server:
        server.until("start one with")
        assert durable(tmp_path, "start", "order", "--name", "n").returncode == 0
        server.until("answer with")
        refused = durable(tmp_path, "resume", "n", "--anyway")
        assert (refused.returncode, "no server holds n" in refused.stderr) == (2, True)
        write(app, APP.replace('name="greet"', 'name="hail"'))
        server.until("loaded again: order")
        server.until("HELD  n: the code was edited since it ran")
        server.until("durable resume n --anyway")
        [listed] = json.loads(durable(tmp_path, "list", "--json").stdout)
        assert (listed["activity"], listed["held"]["line"]) == ("held", 8)
        assert "held" in durable(tmp_path, "list").stdout
        shown = durable(tmp_path, "show", "n").stdout
        assert "  the log has:   step 'greet'" in shown
        for way in ("fork n --before greet", "resume n --anyway", "stop n"):
            assert f"durable {way}\n" in shown
        assert "runs it now" not in shown
        assert "goes on when" not in shown
        refused = durable(tmp_path, "resume", "n")
        assert (refused.returncode, "n is not paused but held" in refused.stderr) == (2, True)
        assert json.loads(durable(tmp_path, "show", "n", "--json").stdout)["held"] == listed["held"]
        write(app, "def broken(:\n")
        server.until("SyntaxError: invalid syntax")
        server.until("the functions in it keep their code until it is mended")
        assert durable(tmp_path, "callback", "succeed", "n/approval").returncode == 0
        assert durable(tmp_path, "resume", "n", "--anyway").returncode == 0
        server.until("n is not held any more")
        server.until("n: ExecutionFailed")
        write(app, APP)
        server.until("loaded again: order")
        server.process.terminate()
        assert server.end() == 0


CALLS = """
    @durable_execution
    async def parent(event, ctx):
        return await ctx.invoke("order:$LATEST", None, name="delivery")
"""


@pytest.mark.dev
def test_a_caller_waits_for_a_held_execution_by_its_name_and_following_ends(tmp_path: Path) -> None:
    app = tmp_path / "app.py"
    write(app, APP + CALLS)
    with running(tmp_path, "dev", "app.py", "--port", "0") as server:
        server.until("start one with")
        assert durable(tmp_path, "start", "parent", "--name", "p").returncode == 0
        server.until("answer with")
        listed = json.loads(durable(tmp_path, "list", "--json").stdout)
        (child,) = (
            each["durable_execution_name"] for each in listed if each["function_name"] == "order"
        )
        followers = [
            ("show", "p"),
            ("history", "p"),
            ("logs", "p"),
            ("show", child),
            ("start", "p"),
        ]
        with ExitStack() as stack:
            running_followers = [
                stack.enter_context(running(tmp_path, *_follow(*words))) for words in followers
            ]
            write(app, (APP + CALLS).replace('name="greet"', 'name="hail"'))
            server.until(f"HELD  {child}: the code was edited since it ran")
            # The open callback is waited for, and once it is answered nothing is left but the held execution.
            assert "asking: delivery / approval, and 1 more" in durable(tmp_path, "list").stdout
            callback = f"{child}/approval"
            assert durable(tmp_path, "callback", "succeed", callback).returncode == 0
            for follower in running_followers:
                assert follower.end() == 3
                assert f"{child} is held, since edited code does not fit its log" in follower.text
        waits = f"delivery waits for {child}, which is held"
        assert f"suspended: {waits}" in durable(tmp_path, "list").stdout
        shown = durable(tmp_path, "show", "p")
        assert f"delivery (ChainedInvoke) waits for {child}, which is held\n" in shown.stdout
        (parent,) = json.loads(durable(tmp_path, "list", "--json", "p").stdout)[-1:]
        (waiting,) = parent["waiting"]
        assert (parent["activity"], waiting["path"]) == ("suspended", ["delivery"])
        assert json.loads(durable(tmp_path, "show", "p", "--json").stdout)["waiting"] == [waiting]
        write(app, APP + CALLS)
        server.until("p: ExecutionSucceeded")
        assert durable(tmp_path, "logs", "p", "--follow").returncode == 0


def _follow(command: str, name: str) -> tuple[str, ...]:
    if command == "start":
        return ("start", "parent", "--name", name, "--follow")
    return (command, name, "--follow")


@pytest.mark.dev
def test_without_reload_an_edit_changes_nothing_before_the_next_start(tmp_path: Path) -> None:
    app = tmp_path / "app.py"
    write(app, APP)
    words = ("dev", "app.py", "--port", "0", "--no-reload")
    with running(tmp_path, *words) as server:
        server.until("start one with")
        assert durable(tmp_path, "start", "order", "--name", "n").returncode == 0
        server.until("answer with")
        write(app, APP.replace('name="greet"', 'name="hail"'))
        assert durable(tmp_path, "callback", "succeed", "n/approval").returncode == 0
        server.until("n: ExecutionSucceeded")
        assert durable(tmp_path, "start", "order", "--name", "m").returncode == 0
        server.until("m: StepSucceeded            greet")
        server.until("m: answer with")
    with running(tmp_path, *words) as server:
        server.until("HELD  m: the code was edited since it ran")

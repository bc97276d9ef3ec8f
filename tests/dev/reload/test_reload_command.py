"""`durable dev` and the other commands, while the code is edited."""

from __future__ import annotations

import json
import subprocess
import sys
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

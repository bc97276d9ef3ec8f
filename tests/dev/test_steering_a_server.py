"""The steering commands as processes, on a running `durable dev` that they find by the store."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.process import Running, running
from tests.dev.test_command import durable

pytestmark = pytest.mark.dev

APP = """
import os, pathlib
from durable_execution_sdk import DurableContext, Duration, durable_execution

WORD = "first"

def hang(place: str) -> None:
    file = pathlib.Path(place)
    if not file.exists():
        file.write_text("")
        print("hanging", flush=True)
        os.read(os.pipe()[0], 1)

@durable_execution
async def order(event, ctx: DurableContext):
    await ctx.step(lambda: WORD, name="word")
    await ctx.wait(Duration.from_days(30), name="month")
    answer = await (await ctx.create_callback(name="approval"))
    return [WORD, event, answer]

def slow(event, context):
    print("in slow", flush=True)
    return pathlib.Path(event).read_text()  # a pipe, until the test writes to it

@durable_execution
async def stuck(event, ctx: DurableContext):
    await ctx.step(hang, event)
    return "done"
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    (tmp_path / "app.py").write_text(APP)
    words = ("dev", "app.py", "--port", "0", "--function", "slow=app.py:slow")
    with running(tmp_path, *words) as process:
        process.until("start one with")
        yield process


def told(place: Path, *words: str) -> str:
    """Run a command that has to succeed; return what it writes."""
    done = durable(place, *words)
    assert done.returncode == 0, (words, done)
    return done.stdout


def test_every_verb_reaches_the_server(server: Running, tmp_path: Path) -> None:
    told(tmp_path, "start", "order", "--input", "1", "--name", "a")
    server.until("a: WaitStarted")
    assert "a is PAUSED" in told(tmp_path, "pause", "a", "--reason", "lunch")
    assert "a is RUNNING" in told(tmp_path, "resume", "a")
    assert "time is real" in told(tmp_path, "time", "a")
    assert "ahead of the clock" in told(tmp_path, "time", "a", "advance", "next")
    server.until("answer with: durable callback succeed a/approval")
    assert "a/approval" in told(tmp_path, "callback", "list")
    told(tmp_path, "callback", "heartbeat", "a/approval")
    told(tmp_path, "fork", "a", "--before", "approval", "--input", "2", "--as", "b")
    server.until("answer with: durable callback succeed b/approval")
    told(tmp_path, "callback", "succeed", "b/approval", "--data", '"yes"')
    server.until("b: ExecutionSucceeded")
    assert '["first",2,"yes"]' in told(tmp_path, "show", "b")
    told(tmp_path, "rerun", "a", "--input", "3", "--as", "c")
    server.until("c: WaitStarted")
    told(tmp_path, "time", "c", "skip")
    server.until("answer with: durable callback succeed c/approval")
    told(tmp_path, "callback", "fail", "c/approval", "--message", "no")
    server.until("c: ExecutionFailed")
    assert "a is STOPPED" in told(tmp_path, "stop", "a")
    told(tmp_path, "delete", "a", "b", "c")
    assert json.loads(told(tmp_path, "list", "--json")) == []


def test_a_worker_is_crashed_now_and_at_a_checkpoint(server: Running, tmp_path: Path) -> None:
    gate = json.dumps(str(tmp_path / "gate"))
    told(tmp_path, "start", "stuck", "--input", gate, "--name", "s")
    server.until("hanging")
    assert "s: its process was killed" in told(tmp_path, "crash", "s")
    server.until("s: InvocationCompleted")
    server.until("s: ExecutionSucceeded")
    refused = durable(tmp_path, "crash", "s")
    assert (refused.returncode, "s has ended" in refused.stderr) == (2, True), refused.stderr

    told(tmp_path, "start", "order", "--name", "a")
    server.until("a: WaitStarted")
    planned = told(tmp_path, "crash", "a", "--after", "approval")
    assert "will be killed after the next checkpoint of approval is recorded" in planned
    told(tmp_path, "time", "a", "skip")
    server.until("answer with: durable callback succeed a/approval")
    server.until("a: InvocationCompleted")
    told(tmp_path, "callback", "succeed", "a/approval", "--data", "1")
    server.until("a: ExecutionSucceeded")


def test_a_version_is_published_and_outlives_an_edit_and_a_kill(
    server: Running, tmp_path: Path
) -> None:
    published = durable(tmp_path, "publish", "order", "--alias", "live")
    assert published.stdout == "order has version 1\norder:live is order:1\n"
    assert "durable start order:live" in published.stderr
    assert json.loads(told(tmp_path, "publish", "order", "--json"))["version"] == "1"
    told(tmp_path, "start", "order:live", "--name", "old", "--input", "1")
    server.until("old: WaitStarted")
    other = durable(tmp_path, "start", "order:$LATEST", "--name", "old", "--input", "1")
    assert "old was there already, on version 1 and not on $LATEST" in other.stderr
    refused = durable(tmp_path, "publish", "nope")
    assert (refused.returncode, "there is no function 'nope'" in refused.stderr) == (2, True)
    server.kill()
    refused = durable(tmp_path, "publish", "order")
    assert (refused.returncode, "no development server runs" in refused.stderr) == (2, True)

    (tmp_path / "app.py").write_text(APP.replace('WORD = "first"', 'WORD = "second"'))
    with running(tmp_path, "dev", "app.py", "--port", "0") as again:
        again.until("start one with")
        listed = told(tmp_path, "functions")
        assert "live=1" in listed
        (order, *_) = json.loads(told(tmp_path, "functions", "--json"))
        assert (order["versions"], order["aliases"]) == (["1"], {"live": "1"})
        told(tmp_path, "start", "order", "--name", "new", "--input", "1")
        again.until("new: WaitStarted")
        at = ("--endpoint", re.findall(r"http://127\.0\.0\.1:\d+", again.text)[0], "--json")
        found = json.loads(told(tmp_path, "versions", "order", "app.py:order", *at))["versions"]
        assert [
            (each["version"], each["aliases"], each["open_executions"], each["replayed"])
            for each in found
        ] == [("$LATEST", [], 1, 1), ("1", ["live"], 1, 1)]
        replayed = json.loads(
            told(tmp_path, "replay", "app.py:order", "--function", "order:1", *at)
        )
        assert [(each["recorded_as"], each["ok"]) for each in replayed] == [("order", True)]
        for name, word in (("old", "first"), ("new", "second")):
            told(tmp_path, "time", name, "skip")
            again.until(f"answer with: durable callback succeed {name}/approval")
            told(tmp_path, "callback", "succeed", f"{name}/approval", "--data", "0")
            again.until(f"{name}: ExecutionSucceeded")
            assert f'["{word}",1,0]' in told(tmp_path, "show", name)
        assert "order has version 2" in told(tmp_path, "publish", "order", "--alias", "live")
        back = told(tmp_path, "publish", "order", "--alias", "live", "--version", "1")
        assert back == "order:1\norder:live is order:1\n"


def test_ctrl_c_stops_the_server_after_it_has_answered_what_was_asked(
    server: Running, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with running(tmp_path, "start", "slow", "--input", json.dumps(str(pipe))) as asking:
        server.until("in slow")
        server.interrupt()
        server.until("stopping when the invocations in flight have ended")
        pipe.write_text("answered")
        assert (asking.end(), asking.text) == (0, '"answered"\n')
        assert server.end() == 0


def test_a_second_ctrl_c_ends_the_invocations_in_flight(server: Running, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with running(tmp_path, "start", "slow", "--input", json.dumps(str(pipe))) as asking:
        server.until("in slow")
        server.interrupt()
        server.until("stopping when the invocations in flight have ended")
        server.interrupt()
        assert server.end() == 0
        assert asking.end() == 1
        assert "Runtime.ExitError" in asking.text


def test_ctrl_c_ends_a_server_that_was_started_with_it_ignored(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    process = subprocess.Popen(
        [sys.executable, "-m", "durable_execution_sdk.cli.main", "dev", "app.py", "--port", "0"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    with process:
        try:
            assert process.stdout is not None
            assert any("start one with" in line for line in process.stdout)
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0
        finally:
            process.kill()

"""Options of `durable dev` and `durable start` as processes have them."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.process import running
from tests.dev.test_command import durable

pytestmark = pytest.mark.dev

APP = """
import os
from durable_execution_sdk import durable_execution

@durable_execution
async def echo(event, ctx):
    return event

def late(event, context):
    return context.get_remaining_time_in_millis() > 800_000
"""
TABLE = """
[tool.durable]
paths = ["app.py"]
[tool.durable.functions.late]
handler = "app.py:late"
durable = false
timeout = 3
"""


def start(place: Path, value: str, name: str, text: str = "") -> str:
    """Start an execution and follow it; return its result."""
    words = ("start", "echo", "--input", value, "--name", name, "--follow")
    done = subprocess.run(
        [sys.executable, "-m", "durable_execution_sdk.cli.main", *words],
        cwd=place,
        input=text,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.splitlines()[-1]


def test_what_ended_long_ago_is_deleted_and_inputs_are_read_from_files_and_stdin(
    tmp_path: Path,
) -> None:
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "pyproject.toml").write_text(TABLE)
    (tmp_path / "input.json").write_text('{"from": "a file"}')
    with running(tmp_path, "dev", "--port", "0", "--debug") as server:
        server.until("start one with")
        assert json.loads(start(tmp_path, "@input.json", "a")) == {"from": "a file"}
        assert json.loads(start(tmp_path, "-", "b", '{"from": "stdin"}')) == {"from": "stdin"}
        # With --debug its three seconds are no limit.
        assert durable(tmp_path, "start", "late").stdout == "true\n"
    with running(tmp_path, "dev", "--port", "0", "--keep", "1ms") as server:
        server.until("deleted 2 executions that ended more than 1ms ago")
        assert durable(tmp_path, "start", "late").stdout == "false\n"
        assert json.loads(durable(tmp_path, "list", "--json").stdout) == []
    refused = durable(tmp_path, "dev", "--port", "0", "--keep", "long")
    assert (refused.returncode, "--keep" in refused.stderr) == (2, True)


@pytest.mark.parametrize("name", ["executions.db", "executions.db.logs"])
def test_files_of_a_newer_version_are_refused_in_words(tmp_path: Path, name: str) -> None:
    (tmp_path / "app.py").write_text(APP)
    with running(tmp_path, "dev", "app.py", "--port", "0") as server:
        server.until("start one with")
    with sqlite3.connect(tmp_path / ".durable" / name) as file:
        file.execute("PRAGMA user_version = 99")
    file.close()
    refused = durable(tmp_path, "dev", "app.py", "--port", "0")
    assert refused.returncode == 2
    assert "format 99" in refused.stderr
    assert "Traceback" not in refused.stderr

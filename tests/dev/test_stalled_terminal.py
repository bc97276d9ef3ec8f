"""`durable dev` writes to a pipe that is not read, as in a pager: the functions go on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.dev

APP = """
def shout(event, context):
    for _ in range(3_000):
        print("x" * 100)
    return event
"""
_PATIENCE = 60


def durable(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "durable_execution_sdk.cli.main", *words],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE,
    )


def test_output_that_is_not_read_stops_neither_functions_nor_the_server(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    words = ["dev", "--port", "0", "--function", "shout=app.py:shout"]
    server = subprocess.Popen(
        [sys.executable, "-m", "durable_execution_sdk.cli.main", *words],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        assert server.stdout is not None
        while b"start one with" not in server.stdout.readline():
            assert server.poll() is None
        # More than a pipe holds.
        for number in range(3):
            done = durable(tmp_path, "start", "shout", "--input", str(number))
            assert (done.returncode, json.loads(done.stdout)) == (0, number)
        server.send_signal(signal.SIGINT)
        assert server.wait(_PATIENCE) == 0
    finally:
        server.kill()
        server.communicate()

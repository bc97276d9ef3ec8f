"""The order runs from the command line, and so does the demo."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from durable_execution_sdk.cli.main import main

EXAMPLE = "order_processing"


def test_the_order_runs_from_the_command_line_and_is_answered_from_there(
    example_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    target = f"{example_path / 'app.py'}:process_order"
    order = f"@{example_path / 'order.json'}"
    options = ["--name", "mine", "--skip-time", "--json"]
    assert main(["run", target, "--input", order, *options, "--no-wait"]) == 3
    [waiting] = json.loads(capfd.readouterr().out)["waiting"]
    answer = ["--data", '{"picked_by": "Grace"}']
    assert main(["callback", "succeed", waiting["callback_id"], *answer]) == 0
    capfd.readouterr()
    assert main(["run", target, *options]) == 0
    document = json.loads(capfd.readouterr().out)
    assert document["result"]["status"] == "shipped"
    assert (document["counts"]["invocations"], document["counts"]["operations"]) == (4, 10)


def test_the_demo_answers_itself_and_ships(example_path: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, example_path / "demo.py", "--skip-time"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    receipt = json.loads(done.stdout.splitlines()[-1])
    assert (receipt["status"], receipt["picked_by"]) == ("shipped", "Ada")

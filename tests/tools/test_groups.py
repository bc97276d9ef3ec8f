"""``tools/test-groups``: which groups ran, which could not, and what the run comes to."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"
GROUPS = {
    "good": "exit 0",
    "bad": "exit 1",
    "browser": 'tools/not-run browser "no Chromium (apt-get install chromium-headless-shell)"',
    "half": 'tools/not-run half "no Python 3.12 (pyenv install 3.12)"; echo the other half',
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Make a folder with the scripts, and groups of its own."""
    groups = tmp_path / "tools" / "groups"
    groups.mkdir(parents=True)
    for name in ("test-groups", "not-run"):
        shutil.copy(TOOLS / name, tmp_path / "tools" / name)
    scripts = {groups / name: body for name, body in GROUPS.items()}
    for path, body in {**scripts, tmp_path / "tools" / "test": "echo all tests"}.items():
        path.write_text(f"#!/usr/bin/env bash\n{body}\n")
        path.chmod(0o755)
    return tmp_path


def run(checkout: Path, *groups: str, require: str | None = None) -> tuple[int, list[str]]:
    variables = {name: value for name, value in os.environ.items() if name != "REQUIRE"}
    ran = subprocess.run(
        [checkout / "tools" / "test-groups", *groups],
        env=variables if require is None else {**variables, "REQUIRE": require},
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.returncode, (ran.stdout + ran.stderr).splitlines()


def test_a_group_that_passes(checkout: Path) -> None:
    code, lines = run(checkout, "good")
    assert code == 0
    assert lines[-1] == "groups: 1 passed, 0 failed"


def test_a_group_that_fails_does_not_keep_the_others_from_running(checkout: Path) -> None:
    code, lines = run(checkout, "bad", "good")
    assert code == 1
    assert "groups: 1 passed, 1 failed" in lines
    assert "FAILED bad" in lines


def test_what_could_not_run_ends_the_output(checkout: Path) -> None:
    code, lines = run(checkout, "browser", "half", "good")
    assert code == 0
    assert lines[-3:] == [
        "NOT RUN browser: no Chromium (apt-get install chromium-headless-shell)",
        "NOT RUN half: no Python 3.12 (pyenv install 3.12)",
        "groups: 1 passed, 0 failed, 2 skipped",
    ]


@pytest.mark.parametrize("group", ["browser", "half"])
def test_what_is_required_and_could_not_run_fails(checkout: Path, group: str) -> None:
    code, lines = run(checkout, group, "good", require=f"good,{group}")
    assert code == 1
    assert any(line.startswith(f"NOT RUN {group}: ") for line in lines)
    assert "groups: 1 passed, 1 failed" in lines


def test_without_names_all_tests_run_and_then_every_group(checkout: Path) -> None:
    code, lines = run(checkout)
    assert code == 1
    assert [line for line in lines if line.startswith("== ")] == [
        *("== test", "== bad", "== browser", "== good", "== half")
    ]
    assert "groups: 2 passed, 1 failed, 2 skipped" in lines


@pytest.mark.parametrize(("groups", "require"), [(("node",), ""), (("good",), "node")])
def test_a_group_that_does_not_exist_is_an_error(
    checkout: Path, groups: tuple[str, ...], require: str
) -> None:
    code, lines = run(checkout, *groups, require=require)
    assert code == 2
    assert lines == ["There is no group node, but bad browser good half"]

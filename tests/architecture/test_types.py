"""Type checkers accept the correct calls of the API, and report each wrong one."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

TYPING = Path(__file__).parents[1] / "typing"
ROOT = Path(__file__).parents[2]


def marked() -> set[int]:
    lines = (TYPING / "wrong.py").read_text(encoding="utf-8").splitlines()
    return {number for number, line in enumerate(lines, 1) if "# error:" in line}


def reported(command: list[str], pattern: str) -> tuple[set[int], str]:
    run = subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, cwd=ROOT, check=False
    )
    line_numbers = {int(number) for number in re.findall(pattern, run.stdout)}
    return line_numbers, run.stdout + run.stderr


CHECKERS = {
    "mypy": (["mypy", "--strict", "--no-warn-unreachable"], r"wrong\.py:(\d+): error"),
    "pyright": (
        ["pyright", "--pythonpath", sys.executable, "--level", "error"],
        r"wrong\.py:(\d+):\d+ - error",
    ),
}


# The environments of the test groups have no type checkers.
each_checker = pytest.mark.parametrize(
    "checker",
    [
        pytest.param(name, marks=pytest.mark.skipif(find_spec(name) is None, reason=f"no {name}"))
        for name in CHECKERS
    ],
)


@pytest.mark.slow
@each_checker
def test_each_wrong_call_is_an_error_and_nothing_else_is(checker):
    command, pattern = CHECKERS[checker]
    found, output = reported([*command, str(TYPING / "wrong.py")], pattern)
    assert found == marked(), output


# The linters check this file too.
@pytest.mark.slow
@each_checker
def test_right_calls_have_the_right_types(checker):
    command, _ = CHECKERS[checker]
    _, output = reported([*command, str(TYPING / "api.py")], r"never:(\d+)")
    assert "error:" not in output
    assert " - error" not in output

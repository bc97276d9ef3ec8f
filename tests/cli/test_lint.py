"""The output and exit codes of `durable lint`, which runs no user code."""

from __future__ import annotations

import pytest
from tests.cli.command import Durable, Write

BAD = """
import time

async def flow(event: dict, ctx: DurableContext) -> None:
    now = time.time()
"""


def test_each_finding_is_a_line_with_its_place_and_the_exit_code_is_1(
    durable: Durable, write: Write
) -> None:
    write("x = 1")
    write(BAD, "bad.py")
    output = durable("lint", ".")
    assert output.code == 1
    assert output.out.startswith("bad.py:6:11: DUR001 time.time() ")
    assert output.out.count("\n") == 1
    assert [finding["code"] for finding in durable("lint", "bad.py", "--json").document] == [
        "DUR001"
    ]


def test_a_clean_module_is_read_and_not_run(durable: Durable, write: Write) -> None:
    output = durable("lint", write("raise SystemExit(9)"))
    assert (output.code, output.out, output.err) == (0, "", "no findings in 1 file\n")


@pytest.mark.parametrize("source", ["def f(:", "x = '\0'"])
def test_what_is_no_python_is_refused(durable: Durable, write: Write, source: str) -> None:
    output = durable("lint", write(source))
    assert output.code == 2
    assert "app.py cannot be read as Python" in output.err


def test_a_path_that_is_not_there_is_refused(durable: Durable) -> None:
    output = durable("lint", "none.py")
    assert (output.code, output.err) == (2, "durable: none.py: no such file or folder\n")


def test_folders_that_hide_are_left_out(durable: Durable, write: Write, place) -> None:
    (place / ".venv").mkdir()
    write(BAD, ".venv/bad.py")
    assert durable("lint", ".").code == 0


def test_a_rule_can_be_left_out(durable: Durable, write: Write) -> None:
    path = write(BAD)
    assert durable("lint", path, "--ignore", "DUR001").code == 0
    assert durable("lint", path, "--ignore", "DUR002", "--ignore", "DUR018").code == 1


def test_a_rule_that_does_not_exist_cannot_be_left_out(durable: Durable, write: Write) -> None:
    output = durable("lint", write(BAD), "--ignore", "DUR999")
    assert output.code == 2
    assert output.err.startswith(
        "durable: --ignore DUR999: there is no such rule; the rules are DUR001"
    )

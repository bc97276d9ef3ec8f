"""The quick start works as it is written: its commands are run, and its process is killed."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest
from tests.docs.tables import DOCS

from durable_execution_sdk.cli.main import main

PAGE = (DOCS / "quick-start.md").read_text(encoding="utf-8")
COMMANDS = [
    line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()
]
RUN, KILL, LIST, SHOW, RUN_AGAIN = COMMANDS[3:8]
DEV, START, CALLBACKS, ANSWER, FOLLOW, TEST = COMMANDS[8:]


def file_of_the_page(name: str) -> str:
    [text] = re.findall(rf"```python {name}\n(.*?)```", PAGE, re.DOTALL)
    return str(text)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DURABLE_STORE", raising=False)
    for name in ("order.py", "test_order.py"):
        (tmp_path / name).write_text(file_of_the_page(name), "utf-8")
    yield tmp_path
    for name in ("order", "test_order"):
        sys.modules.pop(name, None)


def words_of(command: str) -> list[str]:
    program, *words = shlex.split(command)
    assert program == "durable"
    return [sys.executable, "-m", "durable_execution_sdk.cli.main", *words]


@pytest.fixture
def output_of(capfd: pytest.CaptureFixture[str]) -> Callable[[str], str]:
    """Return a function that runs a command in this process, and returns what it wrote."""

    def run(command: str) -> str:
        capfd.readouterr()
        program, *words = shlex.split(command)
        assert program == "durable"
        assert main(words) == 0
        return capfd.readouterr().out

    return run


def make_quick(folder: Path) -> None:
    """Edit the file as the reader does; the truck comes sooner, too."""
    text = (folder / "order.py").read_text("utf-8")
    quick = text.replace("PACKING = 30", "PACKING = 0").replace(
        "from_seconds(5)", "from_seconds(1)"
    )
    (folder / "order.py").write_text(quick, "utf-8")


def test_the_page_installs_the_extra_that_has_the_development_server() -> None:
    assert COMMANDS[2] == "pip install 'durable-execution-sdk[dev]' pytest"


def test_an_order_that_is_killed_goes_on(folder: Path, output_of: Callable[[str], str]) -> None:
    with subprocess.Popen(words_of(RUN), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        seen = "".join(lines_until(process.stdout, "packing, in process"))
        number = int(seen.split()[-1])
        assert shlex.split(KILL)[:2] == ["kill", "-9"]
        assert f"packing, in process {shlex.split(KILL)[2]}" in PAGE
        [shown] = re.findall(r"```text\n(buy  first.*?)```", PAGE, re.DOTALL)
        assert records_of(seen) == records_of(shown)
        os.kill(number, signal.SIGKILL)
        assert number == process.pid
        process.stdout.read()
    assert "charging 20" in seen
    assert "killed" in output_of(LIST)
    assert '✔ charge  Step  → "payment-A-1"' in output_of(SHOW)
    make_quick(folder)
    again = output_of(RUN_AGAIN)
    assert "charging" not in again
    [shown] = re.findall(r"```text\n([^`]*packing, in process 4720.*?)```", PAGE, re.DOTALL)
    result = shown.splitlines()[-1] + "\n"
    assert again.endswith(result)
    assert records_of(shown) == records_of(again)
    for line in shown.splitlines()[:2]:
        words = re.sub(r"^.{8}|\d\d:.*", "", line).strip()  # without the times
        assert words in again
    assert output_of(RUN_AGAIN).endswith(result)


def records_of(output: str) -> list[str]:
    """Return what the lines say was recorded, without times; but no start of `pack`, which may come late."""
    found = re.findall(r"^\d\d:\d\d:\d\d  (\w+(?:  +[a-z]+)?)", output, re.MULTILINE)
    return [record for record in found if record.split() != ["StepStarted", "pack"]]


def lines_until(stream: IO[str], text: str) -> Iterator[str]:
    for line in stream:
        yield line
        if text in line:
            return
    raise AssertionError(f"the output ended without {text!r}")


@pytest.mark.dev
def test_a_person_answers(folder: Path, output_of: Callable[[str], str]) -> None:
    make_quick(folder)
    server = [*words_of(DEV), "--port", "0"]
    with subprocess.Popen(server, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            list(lines_until(process.stdout, "durable start"))
            output_of(START)
            list(lines_until(process.stdout, "answer with"))
            assert "big/approval" in output_of(CALLBACKS)
            output_of(ANSWER)
            assert '"parcel-A-2 is on its way, paid by payment-A-2"' in output_of(FOLLOW)
        finally:
            process.send_signal(signal.SIGINT)
            process.stdout.read()


def test_the_tests_of_the_page_pass(
    folder: Path, durable_runner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert TEST == "pytest"
    monkeypatch.syspath_prepend(folder)
    tests = importlib.import_module("test_order")
    tests.test_a_small_order_is_shipped(durable_runner, monkeypatch)
    tests.test_a_large_order_needs_an_approval(durable_runner)

"""Processes that import user code: nothing of them is left."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from durable_execution_sdk.dev.discovery import files
from durable_execution_sdk.dev.discovery.files import find_functions
from durable_execution_sdk.dev.discovery.import_process import end_imports

pytestmark = pytest.mark.dev

_PATIENCE = 60
FORKS = """
import os, time
from durable_execution_sdk import durable_execution

held = os.open({fifo!r}, os.O_WRONLY)
os.write(held, b"here")
if os.fork() == 0:
    time.sleep(1_000)
{rest}

@durable_execution
async def order(event, ctx): ...
"""


@pytest.fixture
def fifo(tmp_path: Path) -> Iterator[int]:
    """The end of a pipe that is at its end when all processes are gone that have opened ``tmp_path/fifo``."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    end = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    yield end
    os.close(end)


def app(tmp_path: Path, rest: str = "") -> Path:
    file = tmp_path / "app.py"
    file.write_text(FORKS.format(fifo=str(tmp_path / "fifo"), rest=rest))
    return file


def read(fifo: int) -> bytes:
    ready, _, _ = select.select([fifo], [], [], _PATIENCE)
    assert ready, "a process is left"
    return os.read(fifo, 100)


def test_a_process_that_the_import_forks_holds_nothing_up_and_is_ended(
    tmp_path: Path, fifo: int
) -> None:
    found = find_functions([app(tmp_path)])
    assert [declaration.name for declaration in found.declarations] == ["order"]
    assert read(fifo) == b"here"
    assert read(fifo) == b""


def test_an_import_without_end_is_told_and_ended(
    tmp_path: Path, fifo: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_SECONDS", 3)
    found = find_functions([app(tmp_path, "while True: pass")])
    assert "its import takes more than 3 seconds" in found.notices[0]
    assert read(fifo) == b"here"
    assert read(fifo) == b""


_CALLER = """
import sys
from pathlib import Path
from durable_execution_sdk.dev.discovery.files import find_functions
find_functions([Path(sys.argv[1])])
"""


def test_an_import_without_end_ends_with_its_caller(tmp_path: Path, fifo: int) -> None:
    file = app(tmp_path, "while True: pass")
    with subprocess.Popen([sys.executable, "-c", _CALLER, str(file)]) as caller:
        assert read(fifo) == b"here"
        caller.kill()
    assert read(fifo) == b""


def test_an_import_without_end_can_be_cut_off(tmp_path: Path, fifo: int) -> None:
    with ThreadPoolExecutor(1) as thread:
        finding = thread.submit(find_functions, [app(tmp_path, "while True: pass")])
        assert read(fifo) == b"here"
        end_imports()
        assert finding.result(_PATIENCE).broken == [str(tmp_path / "app.py")]
    assert read(fifo) == b""

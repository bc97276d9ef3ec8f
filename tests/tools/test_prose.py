"""The check of docstrings, ``tools/prose.py``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "prose.py"


def check(folder: Path, source: str) -> subprocess.CompletedProcess[str]:
    (folder / "module.py").write_text(source, "utf-8")
    command = [sys.executable, str(TOOL), str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ('"""What a module has."""', "opens with a question word"),
        ('def run():\n    """Whether it runs."""', "opens with a question word"),
        ('class Run:\n    x = 1\n    """How many there are."""', "opens with a question word"),
        ('class Run:\n    """Tell somebody."""', "somebody"),
    ],
)
def test_a_sentence_that_a_reader_has_to_decode_is_found(
    tmp_path: Path, source: str, message: str
) -> None:
    checked = check(tmp_path, source)
    assert checked.returncode == 1, checked.stderr
    assert message in checked.stdout


def test_plain_sentences_pass(tmp_path: Path) -> None:
    checked = check(tmp_path, '"""Runs."""\n\nLIMIT = 3\n"""The largest number of runs."""\n')
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "2 docstrings, 0 open" in checked.stdout


def test_pages_are_counted_without_their_code(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Title\n\n```python\nsomebody = whoever()\n```\n\nRun `somebody`.\n", "utf-8")
    command = [sys.executable, str(TOOL), str(page)]
    passed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (passed.returncode, passed.stderr) == (0, "")
    page.write_text(page.read_text("utf-8") + "\nTell whoever asks.\n", "utf-8")
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "page.md:9: whoever" in refused.stdout

"""Things that the Makefile must not do."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_clean_leaves_executions_alone(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    executions = tmp_path / ".durable" / "executions.db"
    rest = [tmp_path / name / "x" for name in (".venv", ".venv-fuzz", "dist", ".hypothesis")]
    for path in (executions, *rest):
        path.parent.mkdir()
        path.touch()
    subprocess.run(["make", "clean"], cwd=tmp_path, check=True, capture_output=True)
    assert executions.exists()
    assert not any(path.exists() for path in rest)

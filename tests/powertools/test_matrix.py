"""Every row of the tables about Powertools is true."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.docs.tables import rows_of
from tests.powertools import (
    batch_rows,
    idempotency_rows,
    logger_rows,
    parser_rows,
    starter_rows,
    tracer_rows,
)

PAGE = "powertools.md"
PROGRAMS: dict[str, dict[str, Callable[..., str]]] = {
    "## Logger": logger_rows.ROWS,
    "## Tracer": tracer_rows.ROWS,
    "## Idempotency": idempotency_rows.ROWS,
    "## Parser and data classes": parser_rows.ROWS,
    "## Batch": {**batch_rows.ROWS, **starter_rows.ROWS},
}
VERDICTS = {
    (heading, row.code): row.verdict for heading in PROGRAMS for row in rows_of(PAGE, heading)
}


@pytest.mark.parametrize("heading", PROGRAMS)
def test_each_row_has_a_program_and_says_what_to_do(heading: str) -> None:
    rows = rows_of(PAGE, heading)
    assert [row.code for row in rows] == list(PROGRAMS[heading])
    assert all(row.note for row in rows)


@pytest.mark.parametrize("row", logger_rows.ROWS)
def test_logger(row: str) -> None:
    assert logger_rows.ROWS[row](logger_rows.Lines()) == VERDICTS["## Logger", row]


@pytest.mark.parametrize("row", idempotency_rows.ROWS)
def test_idempotency(row: str) -> None:
    assert idempotency_rows.ROWS[row]() == VERDICTS["## Idempotency", row]


@pytest.mark.parametrize("row", parser_rows.ROWS)
def test_parser(row: str) -> None:
    assert parser_rows.ROWS[row]() == VERDICTS["## Parser and data classes", row]


@pytest.mark.parametrize("row", batch_rows.ROWS)
def test_batch(row: str) -> None:
    assert batch_rows.ROWS[row]() == VERDICTS["## Batch", row]


@pytest.mark.parametrize("row", starter_rows.ROWS)
def test_starter(row: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert starter_rows.ROWS[row](monkeypatch) == VERDICTS["## Batch", row]


@pytest.fixture(scope="module")
def traced() -> dict[str, Any]:
    """Run the programs of the tracer in a process of their own."""
    command = [sys.executable, "-W", "error", "-m", "tests.powertools.tracer_rows"]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    verdicts: dict[str, Any] = json.loads(done.stdout)
    return verdicts


@pytest.mark.parametrize("row", tracer_rows.ROWS)
def test_tracer(row: str, traced: dict[str, Any]) -> None:
    assert traced[row] == VERDICTS["## Tracer", row]

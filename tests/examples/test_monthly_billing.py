"""A year of billing runs from the command line with skipped time, and is approved from there."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from durable_execution_sdk.cli.main import main

EXAMPLE = "monthly_billing"


def test_a_year_is_billed_from_the_command_line(
    example_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    books = json.loads((example_path / "year.json").read_text())
    books["first_month"] = datetime.now(UTC).strftime("%Y-%m-01")
    target = f"{example_path / 'app.py'}:bill_year"
    options = ["--name", "year", "--skip-time", "--json", "--no-wait"]
    run = ["run", target, "--input", json.dumps(books), *options]
    for _month in range(12):
        assert main(run) == 3  # it waits for an answer
        capfd.readouterr()
        assert main(["callback", "succeed", "year/approval", "--data", '"Grace"']) == 0
        capfd.readouterr()
    assert main(run) == 0
    document = json.loads(capfd.readouterr().out)
    assert document["result"]["billed"] == 12
    assert document["result"]["revenue"] == "18810.00"
    assert len(document["result"]["unpaid"]) == 12

"""A year of billing runs from the command line with skipped time, and is approved from there."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from durable_execution_sdk.cli.main import main

EXAMPLE = "patterns/monthly_billing"


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
    for month in range(12):
        assert main(run) == 3  # it waits for an answer
        if month == 8:  # in the execution of the second half
            assert main(["send", "@last", "changes", '{"customer": "ada", "plan": "pro"}']) == 0
        assert main(["callback", "succeed", "@last/approval", "--data", '"Grace"']) == 0
        capfd.readouterr()
    assert main(run) == 0
    document = json.loads(capfd.readouterr().out)
    assert document["result"]["billed"] == 12
    # Three seats cost 5.50 more in the last three months.
    assert document["result"]["revenue"] == "18859.50"
    assert len(document["result"]["unpaid"]) == 12
    payments = (tmp_path / ".durable" / "shop" / "payments.jsonl").read_text().splitlines()
    assert len({json.loads(line)["key"] for line in payments}) == len(payments) == 36
    assert main(["list", "--json"]) == 0
    assert len(json.loads(capfd.readouterr().out)) == 2

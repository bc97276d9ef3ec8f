"""The code of the page on chains runs, and does what the page says."""

from __future__ import annotations

import importlib
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.docs.tables import DOCS

from durable_execution_sdk import CheckpointingMode, durable_execution
from durable_execution_sdk.protocol.continuation import next_name
from durable_execution_sdk.testing import LocalDurableTestRunner

TEXT = (DOCS / "continue-as-new.md").read_text(encoding="utf-8")


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names that the code of the page defines."""
    code = "\n".join(re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL))
    (tmp_path / "page_on_chains.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "page_on_chains", raising=False)
    return vars(importlib.import_module("page_on_chains"))


def test_the_tests_of_the_page_pass(page: dict[str, Any]) -> None:
    tests = [each for name, each in page.items() if name.startswith("test_")]
    assert len(tests) == 2
    for test in tests:
        test()


def test_the_alias_and_the_strategy_are_taken(page: dict[str, Any]) -> None:
    assert LocalDurableTestRunner(page["bill_by_alias"]).run_sync(1).result == "a year"
    runner = LocalDurableTestRunner(page["persistent"]).sync
    assert runner.run(1, follow=False).continued_as is not None


def test_the_steps_have_the_names_that_the_page_gives(page: dict[str, Any]) -> None:
    runner = LocalDurableTestRunner(page["bill_by_alias"]).sync
    result = runner.run(11, name="monthly", follow=False)
    assert [each.name for each in result.operations] == ["continue_as_new input", "continue_as_new"]
    assert all(f"`{each.name}`" in TEXT for each in result.operations)
    assert list(json.loads(result.described.result or "")) == ["durable_continued_as"]
    assert re.fullmatch(r"monthly-run2-[0-9a-f]{12}", next_name(result.arn))


@pytest.mark.parametrize(
    ("mode", "checkpoints"),
    [
        (CheckpointingMode.BATCHED, 3),
        (CheckpointingMode.OPTIMISTIC, 4),
        (CheckpointingMode.EAGER, 5),
    ],
)
def test_the_costs_are_those_of_the_page(
    page: dict[str, Any], mode: CheckpointingMode, checkpoints: int
) -> None:
    workflow = durable_execution(checkpointing=mode)(page["bill_by_alias"].__wrapped__)
    runner = LocalDurableTestRunner(workflow)
    result = runner.run_sync(11, follow=False)
    assert "three checkpoints (four if `OPTIMISTIC`, five if `EAGER`) and one `Invoke`" in TEXT
    assert (len(result.operations), runner.faults.checkpoints) == (2, checkpoints)

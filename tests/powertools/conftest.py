"""AWS Lambda Powertools with durable handlers; the environment of the group aws has it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

# What cannot be imported cannot be collected.
collect_ignore_glob = (
    [] if importlib.util.find_spec("aws_lambda_powertools") else ["test_*.py", "*_rows.py"]
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.aws)

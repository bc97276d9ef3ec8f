"""The page on logging names every field that the SDK puts on a record."""

from __future__ import annotations

import json
import re

import pytest
from tests.docs.page_modules import module_of
from tests.docs.tables import DOCS

from durable_execution_sdk.runtime.logging import RECORD_FIELDS

PAGE = (DOCS / "logging-and-tracing.md").read_text(encoding="utf-8")


def test_the_table_has_every_field() -> None:
    section = PAGE.partition("## The fields")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| ([^|]+) \| ([^|]+) \|", section, re.MULTILINE)
    attributes = [name for first, _ in cells for name in re.findall(r"`(\w+)`", first)]
    in_json = [name for _, second in cells for name in re.findall(r"`(\w+)`", second)]
    assert sorted(attributes) == sorted([*RECORD_FIELDS, "executionArn"])
    assert in_json == [
        re.sub("_([a-z])", lambda part: part[1].upper(), name) for name in attributes
    ]


def test_the_line_on_the_page_has_the_members_of_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    [shown] = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
    written = module_of("logging-and-tracing.md", monkeypatch).told[1]
    assert shown.keys() == written.keys()
    for name in ("level", "message", "logger", "requestId", "operationName", "attempt", "isReplay"):
        assert shown[name] == written[name]

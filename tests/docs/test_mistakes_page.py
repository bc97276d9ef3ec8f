"""Each mistake of docs/mistakes.md gets the message that the page says, and what it says to write is accepted."""

from __future__ import annotations

import re
from datetime import UTC
from typing import Any

import pytest
from tests.docs.page_modules import module_of
from tests.docs.tables import DOCS

from durable_execution_sdk import ExponentialBackoff, durable_execution
from durable_execution_sdk.lint.check import check_source
from durable_execution_sdk.testing import LocalDurableTestRunner

PAGE = "mistakes.md"
TEXT = (DOCS / PAGE).read_text(encoding="utf-8")
TOLD, _, SILENT = TEXT.partition("## What no message tells")
ROWS = re.findall(r"^\| `(.*?)` \| (.*?) \| (.*?) \|$", TOLD, re.MULTILINE)


def message_of(code: str, names: dict[str, Any]) -> str:
    """Return the message of an execution whose workflow has this code."""
    source = f"async def workflow(event, ctx):\n    {code}"
    scope = {**names, "ExponentialBackoff": ExponentialBackoff, "UTC": UTC}
    exec(source, scope)
    handler = durable_execution(scope["workflow"])
    runner = LocalDurableTestRunner(handler, functions={"right": names["right"]}).sync
    runner.start(None)
    runner.run_until_suspended()
    runner.advance(days=2)
    result = runner.result()
    if result.status == "RUNNING":  # `return await (await ctx.create_callback())`
        return "RUNNING"
    return "SUCCEEDED" if result.status == "SUCCEEDED" else str(result.error)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    return vars(module_of(PAGE, monkeypatch))


def test_the_page_has_rows() -> None:
    assert len(ROWS) > 20


@pytest.mark.parametrize(("code", "message", "_"), ROWS, ids=lambda text: text[:40])
def test_the_mistake_gets_its_message(
    names: dict[str, Any], code: str, message: str, _: str
) -> None:
    assert message in message_of(code, names)


CURES = [cure for _, _, cure in ROWS if re.fullmatch(r"`[^`]+`", cure)]


@pytest.mark.parametrize("cure", CURES, ids=lambda text: text[:40])
def test_what_the_page_says_to_write_is_accepted(names: dict[str, Any], cure: str) -> None:
    assert message_of(cure.strip("`"), names) in {"SUCCEEDED", "RUNNING"}


FOUND = re.findall(r"^\| (`.*?) \| .*(DUR\d+).*\|$", SILENT, re.MULTILINE)


@pytest.mark.parametrize(("cell", "rule"), FOUND, ids=lambda text: text[:40])
def test_what_is_silent_is_found_by_the_linter(cell: str, rule: str) -> None:
    assert len(FOUND) >= 4
    for code in re.findall(r"`([^`]+)`", cell):
        lines = f"{code} pass" if code.endswith(":") else code
        head = "import time\nfrom datetime import datetime\n@durable_execution\n"
        source = f"{head}async def workflow(event, ctx: DurableContext):\n    {lines}\n"
        names = "from durable_execution_sdk import DurableContext, durable_execution\n"
        assert rule in {finding.rule.code for finding in check_source(names + source)}, code

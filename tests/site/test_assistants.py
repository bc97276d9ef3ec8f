"""The files for coding assistants: their code runs, their names and commands exist, their list of pages is complete."""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from tests.docs.command_lines import parsed
from tools.site import llms
from tools.site.stage import PACKAGE

import durable_execution_sdk as sdk
from durable_execution_sdk import client, testing

TEXT = (PACKAGE / "AGENTS.md").read_text("utf-8")
OUTSIDE_OF_CODE = re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL)
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = [
    line
    for line in "\n".join(re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)).splitlines()
    if line.startswith("durable ")
]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Import the code of the page: annotations are read in the module of their function."""
    path = tmp_path / "shop_of_agents.py"
    path.write_text("\n\n".join(BLOCKS), "utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, path.stem, made)
    spec.loader.exec_module(made)
    yield made


def test_the_tests_of_the_page_pass(module: ModuleType) -> None:
    tests = {name: each for name, each in vars(module).items() if name.startswith("test_")}
    assert len(tests) == 3
    for each in tests.values():
        each()


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_has_the_options_that_the_page_gives_it(line: str) -> None:
    with parsed(line) as context:
        assert context.command


def test_the_names_of_the_page_exist() -> None:
    in_code = " ".join(re.findall(r"`([^`\n]+)`", OUTSIDE_OF_CODE))
    public = {*sdk.__all__, *testing.__all__, *client.__all__, "AT_MOST_ONCE_PER_RETRY"}
    # Of the examples, of Python, and types that a reader fills in.
    others = {"CardDeclined", "BaseException", "TaskGroup", "Decimal", "Type", "None", "True"}
    names = set(re.findall(r"\b[A-Z]\w+", in_code)) - others
    assert sorted(names - public) == []
    for name in re.findall(r"\bctx\.(\w+)", in_code):
        assert hasattr(sdk.DurableContext, name), name


def test_the_options_of_the_tables_exist() -> None:
    calls = re.findall(
        r"(\w*Config|durable_execution)\(((?:\w+=(?:\.\.\.|\w*)(?:, )?)+)", OUTSIDE_OF_CODE
    )
    assert len(calls) > 4
    for name, options in calls:
        known = inspect.signature(getattr(sdk, name)).parameters
        for option in re.findall(r"(\w+)=", options):
            assert option in known, f"{name}({option}=)"


def test_each_operation_is_on_the_page() -> None:
    operations = {
        name
        for name, method in vars(sdk.DurableContext).items()
        if inspect.isfunction(method) and not name.startswith(("_", "log_"))
    }
    elsewhere = {"complete_execution_success", "complete_execution_failure"}
    assert sorted(operations - elsewhere - set(re.findall(r"\bctx\.(\w+)", TEXT))) == []


def test_the_list_of_pages_is_that_of_the_navigation() -> None:
    assert llms.FILE.read_text("utf-8") == llms.text(), "write it with: python -m tools.site.llms"

"""The pages are consistent: their code parses, their links have targets, and their names exist."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

import durable_execution_sdk as sdk

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path for path in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")] if path.name != "LICENSE"
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_blocks_parse(page):
    for block in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        ast.parse(block)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_files_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_readme_leads_to_every_page():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    linked = {ROOT / target for target in re.findall(r"\]\(([^)#]+)\)", text)}
    assert set(PAGES) - {ROOT / "README.md"} <= linked


def test_the_readme_names_every_extra():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for extra in project["optional-dependencies"]:
        assert f"[{extra}]" in text, extra


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_operations_that_are_mentioned_exist(page):
    for name in re.findall(r"ctx\.([a-z_0-9]+)", page.read_text(encoding="utf-8")):
        assert hasattr(sdk.DurableContext, name), f"{page.name} mentions ctx.{name}"


def test_the_test_files_that_architecture_names_exist():
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    for path in re.findall(r"`((?:tests|benchmarks)/[^`]+)`", text):
        assert (ROOT / path).exists(), path


def test_the_modules_that_architecture_names_exist():
    package = ROOT / "src" / "durable_execution_sdk"
    for name in ("ARCHITECTURE.md", "CONTRIBUTING.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        for path in re.findall(r"`([\w/]+(?:\.py|/))`", text):
            places = (ROOT / path, package / path, *(ROOT / "tests").glob(f"*/{path}"))
            assert any(place.exists() for place in places), f"{name}: {path}"


def test_the_limits_page_agrees_with_the_code():
    text = (ROOT / "docs" / "limits.md").read_text(encoding="utf-8").replace(",", "")
    from durable_execution_sdk.protocol import limits

    for number in (
        limits.LONGEST_TIMER_SECONDS,
        limits.MAX_STORED_RESULT_BYTES,
        limits.LONGEST_CALLBACK_TIMEOUT_SECONDS,
        limits.MAX_BATCH_UPDATES,
    ):
        assert str(number) in text

"""The pages are consistent: their code parses, their links have targets, and their names exist."""

import ast
import re
import tomllib
from pathlib import Path

import pytest
from tests.docs.links import (
    anchors_linked_from,
    anchors_of,
    files_linked_from,
    targets_of,
)

import durable_execution_sdk as sdk

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
INDEX = ROOT / "docs" / "index.md"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_blocks_parse(page):
    for block in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        ast.parse(block)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_files_lead_somewhere(page):
    for link, target in targets_of(page):
        assert target is None or target.exists(), f"{page.name} links to {link}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_headings_lead_somewhere(page):
    for target, anchor in anchors_linked_from(page):
        assert anchor in anchors_of(target), f"{page.name} links to {target.name}#{anchor}"


def test_the_index_leads_to_every_page_of_the_documentation():
    pages = {page for page in PAGES if page.is_relative_to(INDEX.parent)}
    others = [*(INDEX.parent / "coming-from").glob("*.md"), INDEX.parent / "reference" / "index.md"]
    assert pages - {INDEX} <= files_linked_from(INDEX, *others)


def test_the_readme_leads_to_the_index_and_to_every_page_beside_it():
    pages = {page for page in PAGES if page.parent == ROOT} - {ROOT / "README.md"}
    assert {INDEX, *pages} <= files_linked_from(ROOT / "README.md")


def test_links_of_the_readme_lead_somewhere_from_the_package_index_too():
    for link, _ in targets_of(ROOT / "README.md"):
        assert link.startswith("https://"), link


def test_the_readme_names_every_extra():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for extra in project["optional-dependencies"]:
        assert f"[{extra}]" in text, extra


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_operations_that_are_mentioned_exist(page):
    text = page.read_text(encoding="utf-8")
    if page.name == "mistakes.md":
        text = text.replace("`await ctx.sleep(5)`", "", 1)  # the mistake of a row
    for name in re.findall(r"ctx\.([a-z_0-9]+)", text):
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

"""The table of the Rust crates' examples names each of them once, and examples of ours that exist."""

from __future__ import annotations

import re

import pytest
from tests.examples.catalogue import ADDRESS, ROOT

PAGE = ROOT / "docs" / "coming-from" / "rust-examples.md"
TEXT = PAGE.read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.split("|")[1:-1]]
    for line in TEXT.splitlines()
    if line.startswith("| `")
]
LINKS = re.findall(r"\]\(([^)#]+)[^)]*\)", TEXT)


def test_each_of_the_eighty_is_named_once() -> None:
    assert len({rust for rust, _, _ in ROWS}) == len(ROWS) == 80


def test_each_has_an_example_of_ours_or_a_reason() -> None:
    assert [rust for rust, ours, remark in ROWS if not ours and not remark] == []


@pytest.mark.parametrize("link", sorted(set(LINKS)))
def test_what_the_table_names_is_there(link: str) -> None:
    if link.startswith(ADDRESS):
        path = link.removeprefix(f"{ADDRESS}/")
        assert path.startswith("examples/")
        assert (ROOT / path / "app.py").is_file()
    else:
        assert (PAGE.parent / link).is_file()


def test_the_text_of_a_link_is_the_name_of_its_example() -> None:
    for text, path in re.findall(rf"\[([^\]]+)\]\({re.escape(ADDRESS)}/examples/([^)]+)\)", TEXT):
        assert text in (path, path.rpartition("/")[2])


def test_the_pages_about_examples_and_about_the_crates_lead_here() -> None:
    for name in ("examples.md", "seed-parity.md"):
        assert "](coming-from/rust-examples.md)" in (ROOT / "docs" / name).read_text("utf-8")

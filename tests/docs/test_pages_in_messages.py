"""The pages that messages of the package name exist, by an address that an installed package can give."""

from __future__ import annotations

import re
from pathlib import Path

from tests.docs.links import anchors_of
from tests.docs.tables import DOCS

import durable_execution_sdk
from durable_execution_sdk.version import PAGES

SOURCES = sorted(Path(durable_execution_sdk.__file__).parent.rglob("*.py"))
NAMED = [
    (source.name, page, anchor)
    for source in SOURCES
    for page, anchor in re.findall(
        r"\{PAGES\}/([\w/-]+\.md)#?([\w-]*)", source.read_text(encoding="utf-8")
    )
]


def test_each_page_and_anchor_of_a_message_exists() -> None:
    assert len(NAMED) >= 5
    for source, page, anchor in NAMED:
        assert (DOCS / page).is_file(), f"{source}: {page}"
        assert not anchor or anchor in anchors_of(DOCS / page), f"{source}: {page}#{anchor}"


def test_the_address_is_that_of_the_readme() -> None:
    readme = (DOCS.parent / "README.md").read_text(encoding="utf-8")
    assert f"({PAGES}/changing-code.md)" in readme

"""The navigation of the site names every page of docs/ once, and no other."""

import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "zensical.toml").read_text("utf-8"))["project"]


def entries(place: Any) -> Iterator[str]:
    if isinstance(place, str):
        yield place
    elif isinstance(place, list):
        for inner in place:
            yield from entries(inner)
    else:
        for inner in place.values():
            yield from entries(inner)


IN_NAVIGATION = list(entries(PROJECT["nav"]))


def test_each_page_is_in_the_navigation() -> None:
    pages = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}
    missing = sorted(pages.difference(IN_NAVIGATION))
    assert not missing, f"add them to nav in zensical.toml: {', '.join(missing)}"


def test_each_entry_of_the_navigation_has_a_page() -> None:
    missing = sorted(entry for entry in IN_NAVIGATION if not (DOCS / entry).is_file())
    assert not missing, (
        f"take them out of nav in zensical.toml, or write them: {', '.join(missing)}"
    )


def test_no_page_is_in_the_navigation_twice() -> None:
    twice = [entry for entry, number in Counter(IN_NAVIGATION).items() if number > 1]
    assert not twice


def test_the_sections_are_those_that_readers_know() -> None:
    titles = [title for section in PROJECT["nav"] for title in section]
    assert titles == ["Start", "Guides", "Reference", "Coming from", "Examples"]


def test_the_site_loads_no_fonts_and_asks_no_other_server() -> None:
    assert PROJECT["theme"]["font"] is False
    # With it, each page asks GitHub for the stars of the repository.
    assert "repo_url" not in PROJECT
    # It adds a script of another server.
    assert "offline" not in PROJECT["plugins"]

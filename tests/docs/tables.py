"""Read the tables of the documentation pages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


@dataclass(frozen=True)
class Row:
    """A row: the code, the verdict, and a note or a message."""

    code: str
    verdict: str
    note: str


def rows_of(page: str, heading: str) -> list[Row]:
    """Return the rows of the table below a heading."""
    text = (DOCS / page).read_text(encoding="utf-8")
    _, found, below = text.partition(f"\n{heading}\n")
    assert found, f"{page} has no {heading!r}"
    section = re.split(r"^## ", below, maxsplit=1, flags=re.MULTILINE)[0]
    lines = re.findall(r"^\| (.*) \| \*(.*)\* \| ?(.*?) ?\|$", section, re.MULTILINE)
    return [Row(*line) for line in lines]

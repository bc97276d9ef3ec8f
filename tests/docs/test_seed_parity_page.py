"""Each name of ours in the table of the Rust crates exists, and each row without one has a reason."""

from __future__ import annotations

import importlib
import inspect
import re

import pytest
from tests.docs.tables import DOCS

PACKAGE = "durable_execution_sdk"
ROOTS = (PACKAGE, f"{PACKAGE}.testing")
PAGE = (DOCS / "seed-parity.md").read_text(encoding="utf-8")


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


ROWS = [
    cells(line)
    for line in PAGE.splitlines()
    if line.startswith("| ") and not line.startswith("| Rust ")
]
NAMES = sorted({name for row in ROWS for name in re.findall(r"`([^`]+)`", row[1])})


def found(name: str) -> object:
    """Return what a name of ours means: an object of the faces, or a module of the package and what is in it."""
    parts = name.split(".")
    for root in ROOTS:
        thing: object = importlib.import_module(root)
        try:
            for part in parts:
                thing = getattr(thing, part)
        except AttributeError:
            continue
        return thing
    for length in range(len(parts), 0, -1):
        try:
            thing = importlib.import_module(".".join([PACKAGE, *parts[:length]]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            thing = getattr(thing, part)
        return thing
    raise AttributeError(f"{PACKAGE} has no {name}")


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_ours_exists(name: str) -> None:
    called, _, option = name.partition("(")
    thing = found(called)
    if option:
        assert option.endswith("=)"), name
        assert callable(thing)
        assert option.removesuffix("=)") in inspect.signature(thing).parameters


def test_a_name_that_does_not_exist_is_noticed() -> None:
    for name in ("DurableContext.steps", "protocol.operations.Operations", "wire"):
        with pytest.raises(AttributeError):
            found(name)


@pytest.mark.parametrize("row", ROWS, ids=[row[0][:60] for row in ROWS])
def test_a_row_has_three_cells_and_a_name_or_a_reason(row: list[str]) -> None:
    assert len(row) == 3
    theirs, ours, difference = row
    assert theirs
    assert ours or len(difference.split()) >= 3


def test_nothing_is_mapped_twice() -> None:
    """A crate's item stands in one row of a section, so that two rows cannot say different things."""
    for section in PAGE.split("\n## ")[1:]:
        rows = [cells(line)[0] for line in section.splitlines() if line.startswith("| `")]
        assert len(rows) == len(set(rows))
    assert len(ROWS) > 150

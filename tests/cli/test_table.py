"""Tables that fit the width of a terminal."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from durable_execution_sdk.cli.output.table import Column, fitted

NAME = Column(title="name", least=6, from_middle=True)
STATUS = Column(title="status")
ID = Column(title="id", spare=1)
NOW = Column(title="now", least=5)
ROW = ["abcdefghijkl-12", "RUNNING", "0a1b2c3d", "asking: approval"]


@pytest.mark.parametrize(
    ("width", "row"),
    [
        (80, ROW),
        (52, ROW),
        (51, ["abcdefghijkl-12", "RUNNING", "0a1b2c3d", "asking: approv…"]),
        (50, ["abcdefghijkl-12", "RUNNING", "0a1b2c3d", "asking: appro…"]),
        (32, ["abc…12", "RUNNING", "0a1b2c3d", "aski…"]),
        (31, ["abcde…l-12", "RUNNING", "asking: a…"]),
        (22, ["abc…12", "RUNNING", "aski…"]),
        # No narrower than the columns allow.
        (3, ["abc…12", "RUNNING", "aski…"]),
    ],
)
def test_cells_are_cut_and_columns_left_out(width: int, row: list[str]) -> None:
    columns, [cells] = fitted([NAME, STATUS, ID, NOW], [ROW], width)
    assert cells == row
    assert (ID in columns) == (len(row) == 4)


@pytest.mark.parametrize("width", range(22, 60))
def test_a_line_has_at_most_the_width(width: int) -> None:
    row = ["日本語の名前はとても長い", "RUNNING", "0a1b2c3d", "asking: 承認 until tomorrow"]
    _, [cells] = fitted([NAME, STATUS, ID, NOW], [row], width)
    assert sum(map(cell_len, cells)) + 2 * (len(cells) - 1) <= width

"""Write rows of text as a table, and fit it to the width of a terminal."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.table import Table
from rich.text import Text

from durable_execution_sdk.rendering.escaping import visible

_WIDE = 400
_GAP = 2
_CUT = "…"


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """A column of a table.

    Attributes:
        least: the width to which it may be cut; ``None`` leaves it whole.
        from_middle: a cell is cut in its middle, as names that differ at their ends want it.
        spare: the columns with the lowest numbers are left out first where a row would be too long; ``None``
            is never left out.
        is_kept: false for a column that is left out if all its cells are empty.
    """

    title: str
    least: int | None = None
    from_middle: bool = False
    spare: int | None = None
    is_kept: bool = True


def print_table(
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    *,
    full: bool = False,
    below: Sequence[str | None] = (),
) -> list[str]:
    """Print a table on stdout; return the titles of the columns that it has.

    ``below`` has a further line for each row, which is written under it.

    Into a pipe and with ``full``, whole cells matter more than the width of a terminal.
    """
    shown = [
        place
        for place, column in enumerate(columns)
        if column.is_kept or any(row[place] for row in rows)
    ]
    columns = [columns[place] for place in shown]
    cells = [[visible(row[place]) for place in shown] for row in rows]
    console = Console()
    if full or not console.is_terminal:
        console = Console(width=_WIDE)
    else:
        columns, cells = fitted(columns, cells, console.width)
    titles = [column.title for column in columns]
    if any(below):
        _print_with_lines(console, [titles, *cells], [None, *below])
        return titles
    table = Table(*titles, box=None, pad_edge=False)
    for row in cells:
        table.add_row(*map(Text, row))
    console.print(table)
    return titles


def _print_with_lines(
    console: Console, rows: Sequence[Sequence[str]], below: Sequence[str | None]
) -> None:
    widths = [max(map(cell_len, cells)) for cells in zip(*rows, strict=True)]
    for number, (row, line) in enumerate(zip(rows, below, strict=True)):
        padded = (set_cell_size(cell, widths[place]) for place, cell in enumerate(row))
        style = "" if number else "table.header"
        console.print(Text((" " * _GAP).join(padded).rstrip(), style=style), soft_wrap=True)
        if line is not None:
            console.print(Text(f"  {visible(line)}", style="dim"), soft_wrap=True)


def fitted(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int
) -> tuple[list[Column], list[list[str]]]:
    """Leave out columns, and cut cells, so that each row fits into a line, as far as the columns allow."""
    kept = list(range(len(columns)))
    natural = [
        max(cell_len(text) for text in (column.title, *(row[number] for row in rows)))
        for number, column in enumerate(columns)
    ]
    least = [
        natural[number] if column.least is None else min(natural[number], column.least)
        for number, column in enumerate(columns)
    ]
    spare = sorted(
        (column.spare, number) for number, column in enumerate(columns) if column.spare is not None
    )
    for _, number in spare:
        if _total(least, kept) <= width:
            break
        kept.remove(number)
    widths = list(natural)
    while _total(widths, kept) > width:
        widest = max(kept, key=lambda number: widths[number] - least[number])
        if widths[widest] == least[widest]:
            break
        widths[widest] -= 1
    return [columns[number] for number in kept], [
        [_cut(row[number], widths[number], columns[number]) for number in kept] for row in rows
    ]


def _total(widths: Sequence[int], kept: Sequence[int]) -> int:
    return sum(widths[number] for number in kept) + _GAP * (len(kept) - 1)


def _cut(text: str, width: int, column: Column) -> str:
    if cell_len(text) <= width:
        return text
    tail = (width - 1) // 2 if column.from_middle else 0
    head = set_cell_size(text, width - 1 - tail)
    return f"{head}{_CUT}{set_cell_size(text[::-1], tail)[::-1]}"

"""Write the results as a page: machine, versions, targets, all figures."""

from __future__ import annotations

import platform
import subprocess
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

from benchmarks.environments import python_of
from benchmarks.measure import Measured, Results
from benchmarks.targets import PEERS, better_peer, median_of, targets
from benchmarks.workloads import SDKS, Cell, floors

DISTRIBUTIONS = {
    "ours": ("durable-execution-sdk", "msgspec"),
    "aws": (
        "aws-durable-execution-sdk-python",
        "aws-durable-execution-sdk-python-testing",
        "boto3",
    ),
    "async_durable": ("async-durable-execution", "botocore"),
}
FLOOR_UNITS = {cell.key: cell.per for cell in floors()}


def page(cells: list[Cell], results: Results, *, is_quick: bool) -> str:
    quick = ", a quick run" if is_quick else ""
    lines = [
        "# Side by side",
        "",
        f"Made by `make bench` on {datetime.now(UTC):%Y-%m-%d}{quick}: {machine()}.",
        "",
        *(f"- {line}" for line in versions()),
        "",
        (
            "Every run is a fresh process, the SDKs take turns, and figures are medians. CPU is that of the"
            " whole process without the in-memory service's own. How it is measured, and what was tried:"
            " [NOTES.md](NOTES.md)."
        ),
        "",
        "## Targets",
        "",
        *target_lines(results),
        "",
        "## Figures",
        "",
        (
            "`x` says how many times as much the better peer took, and `floor` how many times this SDK takes its"
            " floor: bare tasks of asyncio for live steps and items, msgspec's decoding for replay, asyncio with"
            " msgspec and one bare call for a cold start."
        ),
    ]
    for group, members in groupby(cells, key=lambda cell: cell.group):
        lines += ["", f"### {group}", "", *group_lines(list(members), results)]
    return "\n".join(lines) + "\n"


def machine() -> str:
    model = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    import os

    return (
        f"{os.cpu_count()} cores, {model}, {platform.system()}, Python {platform.python_version()}"
    )


def versions() -> list[str]:
    code = "import sys; from importlib.metadata import version as v; print(*map(v, sys.argv[1:]))"
    lines: list[str] = []
    for sdk, names in DISTRIBUTIONS.items():
        process = subprocess.run(
            [python_of(sdk), "-c", code, *names], check=True, capture_output=True, text=True
        )
        numbers = process.stdout.split()
        lines.append(
            ", ".join(f"{name} {number}" for name, number in zip(names, numbers, strict=True))
        )
    return lines


def target_lines(results: Results) -> list[str]:
    lines = ["| what | at most | found | |", "|---|---|---|---|"]
    for target in targets():
        figure = target.figure(results)
        if figure is None:
            lines.append(f"| {target.what} | {target.wanted} | not measured | |")
            continue
        holds = "holds" if figure <= target.at_most else "**missed**"
        text = "peers failed" if figure == 0.0 else _times(target.at_most, figure)
        lines.append(f"| {target.what} | {target.wanted} | {text} | {holds} |")
    return lines


def _times(at_most: float, figure: float) -> str:
    """Format a small share as ``1/n``, any other figure as a decimal."""
    return (
        f"1/{1 / figure:.1f}"
        if at_most < 0.5 and figure < 1 and at_most != 0.3
        else f"{figure:.2f}"
    )


def group_lines(cells: list[Cell], results: Results) -> list[str]:
    if all(sdk not in SDKS for cell in cells for sdk in cell.sdks):
        return [
            "| | CPU |",
            "|---|---|",
            *(
                f"| {cell.label} | {_shown('cpu', _median(results, cell, cell.sdks[0], 'cpu'), cell)} |"
                for cell in cells
            ),
        ]
    lines = [
        "| workload | measure | ours | aws | async-durable | x | floor |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for cell in cells:
        for figure in ("cpu", "instructions", "wall", "calls", "peak", "beyond"):
            row = _row(cell, figure, results)
            if row:
                lines.append(row)
        lines += _wire_floors(cell, results)
    return lines


def _row(cell: Cell, figure: str, results: Results) -> str | None:
    if cell.sdks == ("bare",):
        if figure not in ("cpu", "wall"):
            return None
        value = _shown(figure, _median(results, cell, "bare", figure), cell)
        return f"| {cell.label} | {figure} | {value} | | | | |"
    own_figure = _median(results, cell, "ours", figure)
    if own_figure is None and (figure != "cpu" or "memory" in cell.worker):
        return None
    if figure == "calls" and cell.worker["kind"] != "live":
        return None
    figures = [_cell_of(cell, sdk, figure, results) for sdk in SDKS]
    peer = better_peer(results, cell.key, figure)
    times = f"{peer / own_figure:.1f}" if peer and own_figure else ""
    name = {"peak": "peak memory", "beyond": "beyond the event"}.get(figure, figure)
    unit = f" per {cell.unit}" if figure in ("cpu", "wall", "instructions") else ""
    floor = _median(results, cell, "floor", figure)
    above = _times_the_floor(cell, figure, own_figure, floor, results)
    row = f"| {cell.label} | {name}{unit} | {' | '.join(figures)} | {times} | {above} |"
    if floor is not None:
        row += f"\n| floor: asyncio, msgspec, one bare call | {figure} | {_shown(figure, floor, cell)} | | | | |"
    return row


def _times_the_floor(
    cell: Cell, figure: str, own_figure: float | None, floor: float | None, results: Results
) -> str:
    if cell.floor is not None and figure == "cpu":
        bare = median_of(results, cell.floor, "floors", "cpu")
        floor = None if bare is None else bare / FLOOR_UNITS[cell.floor] * cell.per
    return f"{own_figure / floor:.1f}" if floor and own_figure else ""


def _wire_floors(cell: Cell, results: Results) -> list[str]:
    """Return lines that say how many times as much as a bare socket this SDK takes."""
    lines: list[str] = []
    for name, label in (("asyncio", "a bare asyncio socket"), ("blocking", "a blocking socket")):
        for figure in ("cpu", "instructions"):
            lowest = _median(results, cell, name, figure)
            own_figure = _median(results, cell, "ours", figure)
            if lowest and own_figure:
                shown, ratio = _shown(figure, lowest, cell), own_figure / lowest
                lines.append(
                    f"| floor: {label}, same bytes | {figure}; ours takes {ratio:.1f} times that"
                    f" | {shown} | | | | |"
                )
    return lines


def _cell_of(cell: Cell, sdk: str, figure: str, results: Results) -> str:
    measured = results.get((cell.key, sdk), Measured())
    value = measured.median(figure)
    if value is None:
        return measured.failure or ""
    return _shown(figure, value, cell)


def _median(results: Results, cell: Cell, sdk: str, figure: str) -> float | None:
    return results.get((cell.key, sdk), Measured()).median(figure)


def _shown(figure: str, value: float | None, cell: Cell) -> str:
    if value is None:
        return ""
    if figure == "calls":
        return f"{value:,.0f}"
    if figure in ("peak", "beyond"):
        return f"{value / 1024 / 1024:.1f} MB"
    per_unit = value / cell.per
    if figure == "instructions":
        return f"{per_unit / 1000:,.1f} thousand"
    return f"{per_unit * 1e6:,.1f} us" if per_unit < 0.001 else f"{per_unit * 1e3:,.1f} ms"


def summary(results: Results) -> str:
    """Return the targets and their figures, for the terminal."""
    figures = [(target, target.figure(results)) for target in targets()]
    lines = [
        f"  {'ok    ' if figure <= target.at_most else 'MISSED'} {target.what}:"
        f" {'peers failed' if figure == 0.0 else _times(target.at_most, figure)} ({target.wanted})"
        for target, figure in figures
        if figure is not None
    ]
    return "\n".join(lines)


__all__ = ["PEERS", "page", "summary"]

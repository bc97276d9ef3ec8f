"""Writes what was measured as a page: machine, versions, targets, every figure."""

from __future__ import annotations

import platform
import subprocess
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

from benchmarks.environments import python_of
from benchmarks.measure import Measured, Results
from benchmarks.targets import PEERS, better_peer, targets
from benchmarks.workloads import SDKS, Cell

DISTRIBUTIONS = {
    "ours": ("durable-execution-sdk", "msgspec"),
    "aws": (
        "aws-durable-execution-sdk-python",
        "aws-durable-execution-sdk-python-testing",
        "boto3",
    ),
    "async_durable": ("async-durable-execution", "botocore"),
}


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
        "`x` says how many times as much the better peer took.",
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
        done = subprocess.run(
            [python_of(sdk), "-c", code, *names], check=True, capture_output=True, text=True
        )
        found = done.stdout.split()
        lines.append(
            ", ".join(f"{name} {number}" for name, number in zip(names, found, strict=True))
        )
    return lines


def target_lines(results: Results) -> list[str]:
    lines = ["| what | at most | found | |", "|---|---|---|---|"]
    for target in targets():
        found = target.figure(results)
        if found is None:
            lines.append(f"| {target.what} | {target.wanted} | not measured | |")
            continue
        holds = "holds" if found <= target.at_most else "**missed**"
        shown = "peers failed" if found == 0.0 else _times(target.at_most, found)
        lines.append(f"| {target.what} | {target.wanted} | {shown} | {holds} |")
    return lines


def _times(at_most: float, found: float) -> str:
    """A share as one over so many, anything else as it is."""
    return (
        f"1/{1 / found:.1f}" if at_most < 0.5 and found < 1 and at_most != 0.3 else f"{found:.2f}"
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
        "| workload | measure | ours | aws | async-durable | x |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for cell in cells:
        for figure in ("cpu", "wall", "calls", "peak", "beyond"):
            row = _row(cell, figure, results)
            if row:
                lines.append(row)
    return lines


def _row(cell: Cell, figure: str, results: Results) -> str | None:
    if cell.sdks == ("bare",):
        if figure not in ("cpu", "wall"):
            return None
        value = _shown(figure, _median(results, cell, "bare", figure), cell)
        return f"| {cell.label} | {figure} | {value} | | | |"
    ours = _median(results, cell, "ours", figure)
    if ours is None and (figure != "cpu" or "memory" in cell.worker):
        return None
    if figure == "calls" and cell.worker["kind"] != "live":
        return None
    shown = [_cell_of(cell, sdk, figure, results) for sdk in SDKS]
    peer = better_peer(results, cell.key, figure)
    times = f"{peer / ours:.1f}" if peer and ours else ""
    name = {"peak": "peak memory", "beyond": "beyond the event"}.get(figure, figure)
    unit = f" per {cell.unit}" if figure in ("cpu", "wall") else ""
    row = f"| {cell.label} | {name}{unit} | {' | '.join(shown)} | {times} |"
    floor = _median(results, cell, "floor", figure)
    if floor is not None:
        row += f"\n| floor: asyncio, msgspec, one bare call | {figure} | {_shown(figure, floor, cell)} | | | |"
    return row


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
    each = value / cell.per
    return f"{each * 1e6:,.1f} us" if each < 0.001 else f"{each * 1e3:,.1f} ms"


def summary(results: Results) -> str:
    """For the terminal: the targets."""
    found = [(target, target.figure(results)) for target in targets()]
    lines = [
        f"  {'ok    ' if figure <= target.at_most else 'MISSED'} {target.what}:"
        f" {'peers failed' if figure == 0.0 else _times(target.at_most, figure)} ({target.wanted})"
        for target, figure in found
        if figure is not None
    ]
    return "\n".join(lines)


__all__ = ["PEERS", "page", "summary"]

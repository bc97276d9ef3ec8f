"""The figures in the README, from the results of a whole run."""

from __future__ import annotations

from pathlib import Path

from benchmarks.measure import Results
from benchmarks.targets import better_peer, median_of

BEGIN = "<!-- figures: make bench writes them -->"
END = "<!-- end of figures -->"
# Absolute, because the package index shows the README too.
RESULTS = (
    "https://github.com/durable-execution-sdk/durable-execution-sdk/blob/main/benchmarks/RESULTS.md"
)

# The words of the README, the cell, its number of units, the figure and its unit.
FIGURES = (
    ("a cold start, with bytecode", "cold-unchecked-hash", 1, "cpu", "ms"),
    ("a cold start, without", "cold-none", 1, "cpu", "ms"),
    ("a step over HTTP, of 500", "wire-steps", 490, "cpu", "us"),
    ("an item of a map of 500 over HTTP", "wire-map", 480, "cpu", "us"),
    ("a replayed step, of 5,000", "wire-replay", 4_990, "cpu", "us"),
)
_SCALE = {"ms": 1e3, "us": 1e6}


def table(results: Results) -> list[str]:
    """Return the table: CPU time of this SDK, of the better peer, and their ratio."""
    lines = ["| CPU time of | here | better peer | |", "|---|---:|---:|---:|"]
    for words, key, units, figure, unit in FIGURES:
        own_figure = median_of(results, key, "ours", figure)
        peer = better_peer(results, key, figure)
        if own_figure is None or peer is None:
            raise SystemExit(f"{key} was not measured, so the README keeps its figures")
        here, there = (value / units * _SCALE[unit] for value in (own_figure, peer))
        lines.append(
            f"| {words} | {here:.0f} {unit} | {there:,.0f} {unit} | 1/{there / here:.1f} |"
        )
    return lines


def write(results: Results, readme: Path) -> None:
    """Replace what is between the marks."""
    text = readme.read_text()
    before, _, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise SystemExit(f"{readme} has no place for figures, which is between {BEGIN} and {END}")
    block = [
        f"Measured beside other SDKs ([all figures]({RESULTS})):",
        "",
        *table(results),
    ]
    readme.write_text("\n".join([f"{before}{BEGIN}", "", *block, "", f"{END}{after}"]))

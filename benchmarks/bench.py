"""Run all workloads with this SDK and its peers, side by side.

make bench                      everything; writes benchmarks/RESULTS.md, and the figures of README.md
make bench ARGS="--quick"       the smaller workloads, once, without counts; prints, and writes nothing
make bench ARGS="--only steps"  the cells whose key begins so; prints, and writes nothing
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import readme
from benchmarks.environments import ROOT, make_all
from benchmarks.measure import run_all
from benchmarks.report import page, summary
from benchmarks.workloads import SDKS, Cell, all_cells


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="smaller workloads, one round")
    parser.add_argument("--only", action="append", help="cells whose key begins so")
    parser.add_argument("--sdk", action="append", choices=SDKS, help="only these SDKs")
    parser.add_argument("--rounds", type=int, default=0, help="at most so many rounds")
    parser.add_argument("--fresh", action="store_true", help="make the environments anew")
    options = parser.parse_args()
    cells = all_cells()
    if options.quick:
        cells = [uncounted(cell) for cell in cells if cell.is_quick]
    if options.only:
        cells = [cell for cell in cells if cell.key.startswith(tuple(options.only))]
    if not cells:
        parser.error("no such cell")
    make_all(fresh=options.fresh)
    rounds = options.rounds or (1 if options.quick else max(cell.rounds for cell in cells))
    results = run_all(cells, rounds, options.sdk or list(SDKS))
    text = page(cells, results, is_quick=options.quick)
    if options.quick or options.only or options.sdk:
        print(text)
    else:
        (ROOT / "benchmarks" / "RESULTS.md").write_text(text)
        readme.write(results, ROOT / "README.md")
    print(summary(results))


def uncounted(cell: Cell) -> Cell:
    """Return the cell without its count of instructions, which takes a minute."""
    return replace(cell, worker=cell.worker | {"counted": False})


if __name__ == "__main__":
    main()

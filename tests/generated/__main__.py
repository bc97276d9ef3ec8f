"""``make fuzz``: runs of many programs under many schedules, and a report.

A finding is printed as the smallest program that has it, with the schedule and the command that runs it
again. ``make fuzz ARGS="--seed 123 --programs 1"`` runs one program.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.generated.programs import ALL, CORE, EXTRA, STATEMENTS, Program, grow, in_sequence
from tests.generated.rendering import render
from tests.generated.runner import (
    CALM,
    Finding,
    Playing,
    Report,
    check_program,
    compiled,
    fuzz,
    shrink,
)

CHUNK = 20


def main() -> int:
    options = _options()
    features = _features(options.features)
    if options.print:
        print(render(grow(options.seed, features, _kinds(options))))
        return 0
    if options.digest:
        print(digest(range(options.seed, options.seed + options.programs), features))
        return 0
    began, report, sorts = time.perf_counter(), Report(), Counter[str]()
    for part in _reports(options, features):
        report.add(part)
        report.seconds += part.seconds
        for finding in part.findings:
            sorts[finding.sort] += 1
            if sorts[finding.sort] == 1:
                _tell(finding, options, features)
    seeds = f"seeds {options.seed} to {options.seed + options.programs - 1}"
    print(
        f"{report.programs:,} programs ({seeds}), {report.executions:,} executions on Python"
        f" {sys.version.split()[0]}: {len(report.findings):,} findings of {len(sorts):,} kinds,"
        f" {1000 * report.seconds / max(report.executions, 1):.1f} ms of CPU each,"
        f" {time.perf_counter() - began:.0f} s in all"
    )
    for sort, count in sorts.most_common():
        print(f"{count:6,}  {sort}")
    return int(bool(report.findings))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="of the first program")
    parser.add_argument("--programs", type=int, default=2000)
    parser.add_argument("--schedules", type=int, default=15, help="for each program")
    parser.add_argument(
        "--features", default="", help=f"core and these, or all: {', '.join(EXTRA)}"
    )
    parser.add_argument(
        "--kinds", default="", help=f"only these statements: {', '.join(STATEMENTS)}"
    )
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--file", type=Path, help="a program as it was printed, in place of others")
    parser.add_argument(
        "--print", action="store_true", help="the program of this seed, and no more"
    )
    parser.add_argument("--digest", action="store_true", help="of the ids, to compare Pythons by")
    parser.add_argument("--no-shrink", action="store_true", help="print programs as they were made")
    return parser.parse_args()


def _features(text: str) -> frozenset[str]:
    if text == "all":
        return ALL
    features = frozenset(filter(None, text.split(",")))
    if unknown := features - ALL:
        raise SystemExit(
            f"no such features: {', '.join(sorted(unknown))}; there are {', '.join(EXTRA)}"
        )
    return CORE | features


def _kinds(options: argparse.Namespace) -> frozenset[str] | None:
    kinds = frozenset(filter(None, options.kinds.split(",")))
    if unknown := kinds - STATEMENTS.keys():
        raise SystemExit(f"no such statements: {', '.join(sorted(unknown))}")
    return kinds or None


def _reports(options: argparse.Namespace, features: frozenset[str]) -> Iterator[Report]:
    if options.file:
        program = Program((), options.seed, source=options.file.read_text())
        yield check_program(program, options.schedules, features)
        return
    last = options.seed + options.programs
    chunks = [range(n, min(n + CHUNK, last)) for n in range(options.seed, last, CHUNK)]
    if options.jobs < 2 or len(chunks) < 2:
        for chunk in chunks:
            yield fuzz(chunk, options.schedules, features, kinds=_kinds(options))
        return
    with ProcessPoolExecutor(options.jobs) as pool:
        waiting = [
            pool.submit(fuzz, chunk, options.schedules, features, kinds=_kinds(options))
            for chunk in chunks
        ]
        for each in waiting:
            yield each.result()


def _tell(finding: Finding, options: argparse.Namespace, features: frozenset[str]) -> None:
    seed = finding.program.seed
    print(f"\n{'-' * 79}\n{finding.what}\n{finding.schedule}")
    if not (options.no_shrink or options.file):
        finding = shrink(finding, options.schedules, features)
        print(f"The smallest: {finding.what}\n{finding.schedule}")
    print(f"\n{render(finding.program)}")
    other = in_sequence(finding.program)
    if other is not None and finding.what.startswith("changed code"):
        print(
            f"and then, after the process has died:\n\n{render(other).partition(chr(10))[2].strip()}\n"
        )
    extra = ",".join(sorted(features - CORE))
    named = (f" --features {extra}" if extra else "") + (
        f" --kinds {options.kinds}" if options.kinds else ""
    )
    print(
        f'again: make fuzz ARGS="--seed {seed} --programs 1 --schedules {options.schedules}{named}"'
    )
    print('or put the program into a file: make fuzz ARGS="--file program.py"', flush=True)


def digest(seeds: range, features: frozenset[str]) -> str:
    """Digest the ids in the logs of these programs' calm runs, which are the same on every Python."""
    ids = {}
    for seed in seeds:
        program = grow(seed, features)
        log = Playing(program, compiled(program)).run(CALM).log()
        ids[seed] = hashlib.sha256(json.dumps(sorted(log)).encode()).hexdigest()[:12]
    return json.dumps(ids, indent=0)


if __name__ == "__main__":
    raise SystemExit(main())

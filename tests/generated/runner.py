"""Runs of one program under many schedules: its faults, and the smallest program that still has them."""

from __future__ import annotations

import gc
import logging
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from tests.generated import (
    hazards,
    operations,
    patches,
    program_api,
    statements,
    synchronizing,
)
from tests.generated.clock import free_abandoned_loops
from tests.generated.oracle import (
    Execution,
    Playing,
    check_agreement,
    check_execution,
    check_lines,
)
from tests.generated.programs import CORE, Program, grow, in_sequence
from tests.generated.rendering import render
from tests.generated.schedules import CALM, Schedule, schedules
from tests.generated.shrinking import smaller

__all__ = ["Finding", "Report", "check_program", "fuzz", "shrink"]

# They register the kinds of statements and operations.
_ = (hazards, operations, patches, statements, synchronizing)

# Replays of a cut log for each execution.
CUTS = 2


@dataclass(frozen=True)
class Finding:
    """A fault that a program shows under a schedule."""

    program: Program
    schedule: Schedule
    what: str

    @property
    def sort(self) -> str:
        """The kind of the finding: its text without keys, counts and names."""
        head = re.sub(r"'[^']*'|\"[^\"]*\"|\([^)]*\)|[0-9a-f]{6,}|[\d./~!-]+", "", self.what)
        return " ".join(head.split()[:7])


@dataclass
class Report:
    """The findings of a run, and its numbers of programs and executions."""

    programs: int = 0
    executions: int = 0
    # CPU time of this process.
    seconds: float = 0.0
    findings: list[Finding] = field(default_factory=list)

    def add(self, other: Report) -> None:
        self.programs += other.programs
        self.executions += other.executions
        self.findings += other.findings


def compiled(program: Program, *, is_old: bool = False) -> Any:
    """Compile a program to its workflow function; with ``is_old``, as it was before its patches were added."""
    names = dict(program_api.NAMES)
    source = render(program, is_old=is_old).partition("\n")[2]
    exec(compile(source, f"<program {program.seed}>", "exec"), names)
    return names["workflow"]


def check_program(
    program: Program, count: int, features: Iterable[str] = CORE, stop: bool = False
) -> Report:
    """Run a program under so many schedules; with ``stop``, until a fault is found."""
    report = Report(programs=1)
    features = frozenset(features)
    # What the last trace holds of its program is freed now, so that no complaint of it is taken for one of this program.
    program_api.play_in(program_api.Trace())
    gc.collect()
    playing = Playing(program, compiled(program))
    calm = playing.run(CALM)
    _check(playing, calm, None, features, report)
    if not (stop and report.findings):
        bodies = sum(calm.trace.bodies.values())
        for schedule in schedules(program.seed, count - 1, calm.calls, bodies, features):
            _check(playing, playing.run(schedule), calm, features, report)
            if stop and report.findings:
                break
    if "changed" in features and not (stop and report.findings):
        check_change(program, calm, report)
    if "patch" in program.kinds and not (stop and report.findings):
        check_patches(program, count, report)
    return report


def _check(
    playing: Playing,
    execution: Execution,
    calm: Execution | None,
    features: frozenset[str],
    report: Report,
) -> None:
    report.executions += 1
    found = check_execution(playing, execution, CUTS)
    found += patches.check_begun_after(execution)
    if calm is not None:
        found += check_agreement(playing.program, calm, execution)
    if "logs" in features and not found:
        found += check_lines(playing, execution)
    for what in dict.fromkeys(found):
        report.findings.append(Finding(playing.program, execution.schedule, what))


def check_change(program: Program, calm: Execution, report: Report) -> None:
    """Continue executions with a program whose code differs: no recorded step may run again."""
    other = in_sequence(program)
    if other is None or calm.status != "SUCCEEDED":
        return
    playing = Playing(program, compiled(program))
    changed = Playing(other, compiled(other))
    # The process dies in the last call of the calm run, or in the middle one; then the other code goes on.
    for number in {calm.calls, max(calm.calls // 2, 1)}:
        schedule = replace(CALM, crash=(number, "after"))
        begun = playing.interrupted(schedule)
        if begun is None:
            continue
        recorded = _recorded(begun)
        went_on = changed.run(replace(CALM, seed=1), continued=begun)
        report.executions += 2
        again = [key for key, _ in went_on.trace.bodies if key in recorded]
        if again:
            end = (went_on.error or {}).get("ErrorType") or went_on.status
            what = f"changed code: recorded steps ran again before {end}: {again[:3]}"
            report.findings.append(Finding(program, schedule, what))


def check_patches(program: Program, count: int, report: Report) -> None:
    """Go on, with a program that has patches, with executions that began before these were added."""
    old, new = Playing(program, compiled(program, is_old=True)), Playing(program, compiled(program))
    calm = old.run(CALM)
    for before, invocations, after in patches.handovers(program.seed, count, calm, program):
        begun = patches.begun_before(old, before, invocations)
        report.executions += 1
        if begun is None:
            continue
        report.executions += 1
        found = list(dict.fromkeys(patches.check_begun_before(new, begun, after)))
        then = "" if invocations is None else f" for {invocations} invocations"
        report.findings += [
            Finding(program, after, f"{what}; begun under: {before}{then}") for what in found
        ]


def _recorded(execution: Execution) -> set[str]:
    """Return the keys of steps that are recorded as succeeded; the result of most is their key."""
    recorded_keys = set()
    for op in execution.service.operations.values():
        if op["Type"] == "STEP" and op["Status"] == "SUCCEEDED":
            recorded_keys.add(((op.get("StepDetails") or {}).get("Result") or "").strip('"'))
    return recorded_keys & {key for key, _ in execution.trace.bodies}


def shrink(finding: Finding, count: int, features: Iterable[str], budget: int = 400) -> Finding:
    """Return a small program that has a finding of the same kind under any schedule of its seed."""
    best = finding
    progress = True
    while progress and budget > 0:
        progress = False
        for program in smaller(best.program):
            budget -= 1
            if budget <= 0:
                break
            try:
                report = check_program(program, count, features, stop=True)
            except Exception:
                continue  # The rest is not a valid program.
            similar = [candidate for candidate in report.findings if candidate.sort == finding.sort]
            if similar:
                best, progress = similar[0], True
                break
    return best


def fuzz(
    seeds: Iterable[int],
    count: int,
    features: Iterable[str] = CORE,
    *,
    seconds: float | None = None,
    kinds: frozenset[str] | None = None,
) -> Report:
    """Run the programs of these seeds, under ``count`` schedules each, for at most so many seconds."""
    report = Report()
    features = frozenset(features)
    began = time.process_time()
    # Warnings at a garbage collection between two executions belong to neither, and are not printed.
    logging.getLogger("asyncio").addHandler(logging.NullHandler())
    gc.collect()
    # In the suite everything that other tests have made is frozen already, and stays so.
    thaws = gc.get_freeze_count() < 1_000
    gc.freeze()
    try:
        for n, seed in enumerate(seeds):
            if seconds is not None and time.process_time() - began > seconds:
                break
            report.add(check_program(grow(seed, features, kinds), count, features))
            if n % 100 == 99:
                # Free the objects that the frozen collector has kept.
                gc.unfreeze()
                gc.collect()
                gc.freeze()
    finally:
        if thaws:
            gc.unfreeze()
        free_abandoned_loops()
    report.seconds = time.process_time() - began
    return report

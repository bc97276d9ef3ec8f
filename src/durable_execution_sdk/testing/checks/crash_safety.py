"""Check that a crash at any point of a workflow does no harm."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator

import msgspec

from durable_execution_sdk.emulator.faults.plan import BodyRun, When
from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.handler import AnyHandler
from durable_execution_sdk.protocol.history import HistoryEvent
from durable_execution_sdk.testing.checks.comparison import Standard
from durable_execution_sdk.testing.checks.safety_report import MAY_BE_TIMING, Harm, SafetyReport
from durable_execution_sdk.testing.checks.trials import (
    Play,
    SyncPlay,
    Trial,
    TrialOutcome,
    at_once,
    way_to_play,
    way_to_play_sync,
)
from durable_execution_sdk.testing.faults import Faults
from durable_execution_sdk.testing.local.runner import LocalDurableTestRunner
from durable_execution_sdk.testing.local.service import NO_EVENT

__all__ = ["check_crash_safety", "check_crash_safety_sync"]

_MOST_POINTS = 500
_WAYS: dict[When, str] = {
    "before": "killed before checkpoint",
    "after": "killed after checkpoint",
    "response_lost": "the answer was lost to checkpoint",
}


_MISSED = (
    "{} of the points were not reached: the calls of the service differ from run to run, as when"
    " steps in threads, or retries after random delays, end in another order"
)


class Point(msgspec.Struct, frozen=True):
    """The point at which a run crashes: around a checkpoint, or at an await of a step's body."""

    checkpoint: int = 0
    when: When = "before"
    body: BodyRun | None = None
    at_await: int = 1
    of_awaits: int = 1

    def plan(self, faults: Faults) -> None:
        """Plan the crash."""
        body = self.body
        if body is None:
            faults.crash_at(checkpoint=self.checkpoint, when=self.when)
        else:
            faults.crash_in(body.operation_id, attempt=body.attempt, at_await=self.at_await)

    def __str__(self) -> str:
        """Write the point for reports."""
        if self.body is None:
            return f"{_WAYS[self.when]} {self.checkpoint}"
        if self.of_awaits == 1:
            return f"killed in {self.body.label}"
        return f"killed at await {self.at_await} of {self.of_awaits} in {self.body.label}"


async def check_crash_safety(
    handler: AnyHandler | LocalDurableTestRunner[object],
    event: object = NO_EVENT,
    *,
    play: Play | None = None,
    setup: Callable[[], object] | None = None,
    observe: Callable[[], object] | None = None,
    on_crash: Callable[[], object] | None = None,
    same_result: bool = True,
    same_log: bool = True,
    max_points: int = _MOST_POINTS,
) -> SafetyReport:
    """Run a workflow undisturbed, then once for each possible crash, and report the differences.

    The crashes are: before and after each checkpoint, at each checkpoint with its response lost, and at
    each await in each attempt of each step. Reported as harm are differences in status, result, log and
    the external state; at-most-once bodies that ran again after an interruption; bodies that ran twice
    without an interruption; and steps that get other arguments on replay. A step's result that differs
    while nothing else does, such as a reading of a clock, is a note. Attempts, times and completion
    order are not compared. The time grows with the square of the workflow's length.

    Unlike a real crash, a simulated one unwinds tasks, so clean-up code runs, and keeps memory, unless
    ``on_crash`` clears it.

    Args:
        handler: the workflow, or a runner whose options and functions every run uses.
        event: the input of each execution.
        play: called in place of ``runner.run(event)``: starts the execution, answers callbacks, and
            returns the result. The execution crashes and goes on meanwhile.
        setup: called before each run, to reset the external state and the state of the test.
        observe: called after each run; returns the external state, to be compared with
            ``==``. Effects outside of steps, or in steps that run again, show only here. ``observe``
            and ``play`` may ``assert`` conditions that must hold after any crash.
        on_crash: called at each crash, to clear state that a process keeps in memory.
        same_result: ``False`` if the result depends on time, as in a race with a timeout or a map that
            ends early.
        same_log: ``False`` if the operations depend on time.
        max_points: the largest number of crashes to try, at even distances; the report has the number
            of those left out.

    Raises:
        ConfigError: ``max_points`` is below 1, or both ``event`` and ``play`` were given.
        DurableTestError: the workflow does not end even undisturbed.
    """
    return await _check(
        Trial(handler, way_to_play(play, event), setup, observe),
        on_crash,
        max_points,
        same_result=same_result,
        same_log=same_log,
    )


def check_crash_safety_sync(
    handler: AnyHandler | LocalDurableTestRunner[object],
    event: object = NO_EVENT,
    *,
    play: SyncPlay | None = None,
    setup: Callable[[], object] | None = None,
    observe: Callable[[], object] | None = None,
    on_crash: Callable[[], object] | None = None,
    same_result: bool = True,
    same_log: bool = True,
    max_points: int = _MOST_POINTS,
) -> SafetyReport:
    """Do what ``check_crash_safety`` does, in a test that is a plain function."""
    return at_once(
        _check(
            Trial(handler, way_to_play_sync(play, event), setup, observe),
            on_crash,
            max_points,
            same_result=same_result,
            same_log=same_log,
        )
    )


async def _check(
    trial: Trial,
    on_crash: Callable[[], object] | None,
    max_points: int,
    *,
    same_result: bool,
    same_log: bool,
) -> SafetyReport:
    if type(max_points) is not int or max_points < 1:
        raise ConfigError(f"max_points is 1 or more, not {max_points!r}")
    calm, standard = await trial.calm()
    points = list(_points(calm.faults))
    if standard.problems:
        points = []
    chosen = points if len(points) <= max_points else _spread(points, max_points)
    harms = [Harm("undisturbed", difference) for difference in standard.problems]
    interrupted: list[Harm] = []
    noted: dict[str, str] = {}
    missed = 0
    for point in chosen:
        runner = trial.template.fresh()
        point.plan(runner.faults)
        if on_crash is not None:
            runner.faults.on_crash(on_crash)
        outcome = await trial.run(runner)
        if outcome.is_missed:
            missed += 1
            continue
        if outcome.snapshot is not None:
            await trial.look_again(standard, outcome.snapshot)
        differences, notes = _differences(
            outcome, standard, same_result=same_result, same_log=same_log
        )
        for label, note in notes:
            noted.setdefault(label, f"{point}: {note}; nothing else differs")
        cut = _cut_attempts(outcome.runner.faults, outcome.history)
        if cut and not outcome.is_wrong:
            # The workflow handles StepInterruptedError as it likes; the report has one line for it.
            differences, changed = [], differences
            interrupted += [Harm(str(point), difference) for difference in changed[:1]]
        if (
            differences
            and outcome.snapshot is not None
            and standard.may_be_timing(outcome.snapshot)
        ):
            noted.setdefault("", MAY_BE_TIMING)
        differences += _harms_of_bodies(outcome.runner.faults, outcome.history)
        harms += [Harm(str(point), difference) for difference in differences]
    return SafetyReport(
        function=trial.name,
        what="crashes",
        runs=len(chosen) - missed,
        skipped=len(points) - len(chosen),
        harms=harms,
        interrupted=interrupted,
        notes=[*standard.notes, *noted.values(), *([_MISSED.format(missed)] if missed else [])],
    )


def _points(calm: Faults) -> Iterator[Point]:
    for checkpoint in range(1, calm.checkpoints + 1):
        for when in _WAYS:
            yield Point(checkpoint, when)
    awaits = calm.awaits or {}
    for body in calm.bodies:
        count = awaits.get((body.operation_id, body.attempt), 1)
        for at_await in range(1, count + 1):
            yield Point(body=body, at_await=at_await, of_awaits=count)


def _spread(points: list[Point], most: int) -> list[Point]:
    return [points[n * len(points) // most] for n in range(most)]


def _differences(
    outcome: TrialOutcome, standard: Standard, *, same_result: bool, same_log: bool
) -> tuple[list[str], list[tuple[str, str]]]:
    """Return the harm of a crash, and notes on results that differ while nothing else does.

    A body that runs again may return another value, such as a reading of a clock or an id. That is harm
    only if something else differs too.
    """
    if outcome.snapshot is None:
        return [outcome.trouble], []
    differences = standard.differences(outcome.snapshot, same_result=same_result, same_log=same_log)
    if differences.harms:
        return [*differences.harms, *(result for _, result in differences.results)], []
    return [], [*differences.results, *differences.arguments]


def _harms_of_bodies(faults: Faults, history: list[HistoryEvent]) -> Iterator[str]:
    runs: dict[str, list[BodyRun]] = defaultdict(list)
    for run in faults.bodies:
        runs[run.operation_id].append(run)
    cut = _cut_attempts(faults, history)
    failed = _failed_invocations(history)
    for operation_id, mine in runs.items():
        by_attempt: dict[int, list[BodyRun]] = defaultdict(list)
        for run in mine:
            by_attempt[run.attempt].append(run)
        for same in by_attempt.values():
            # Bodies that a failed invocation interrupted run again, except at-most-once ones.
            if any(run.at_most_once or run.invocation not in failed for run in same[:-1]):
                yield (
                    f"the body of {same[0].label} ran {len(same)} times, and was not cut off before"
                )
        for attempt in cut.get(operation_id, ()):
            again = [run for run in mine if run.attempt > attempt]
            if attempt in by_attempt and again:
                yield (
                    f"the at-most-once body of step {mine[0].name!r} ran again: attempt {attempt} was"
                    f" cut off after it had begun, and the retry strategy asked for attempt"
                    f" {again[0].attempt}. Let the strategy give up on StepInterruptedError"
                )


def _failed_invocations(history: list[HistoryEvent]) -> set[int]:
    """Return the numbers, from 1, of the invocations that ended with an error."""
    details = [event.invocation_completed_details for event in history]
    ended = [detail for detail in details if detail is not None]
    return {number for number, detail in enumerate(ended, 1) if detail.error is not None}


def _cut_attempts(faults: Faults, history: list[HistoryEvent]) -> dict[str, list[int]]:
    """Return the interrupted attempts of at-most-once steps, by operation id.

    An at-least-once attempt that the function's time cuts off is recorded with the same error, and may run again.
    """
    at_least_once = {run.operation_id for run in faults.bodies if not run.at_most_once}
    attempts: dict[str, list[int]] = defaultdict(list)
    for event in history:
        details = event.step_failed_details
        error = details.error.payload if details else None
        is_cut = error is not None and error.error_type == "StepInterruptedError"
        if details and is_cut and event.id and event.id not in at_least_once:
            attempts[event.id].append(details.retry_details.current_attempt)
    return attempts

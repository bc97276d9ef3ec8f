"""Proves of a workflow that a crash anywhere does no harm, or finds where it does harm."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.handler import DurableHandler
from durable_execution_sdk.model.history import HistoryEvent
from durable_execution_sdk.testing.comparing import Standard
from durable_execution_sdk.testing.faults import BodyRun, Faults, When
from durable_execution_sdk.testing.runner import LocalDurableTestRunner
from durable_execution_sdk.testing.safety import MAY_BE_TIMING, Harm, SafetyReport
from durable_execution_sdk.testing.stage import NO_EVENT
from durable_execution_sdk.testing.trial import (
    Came,
    Play,
    SyncPlay,
    Trial,
    at_once,
    way_to_play,
    way_to_play_sync,
)

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
    """Where a run is to crash: around a checkpoint, or at an await of a body."""

    checkpoint: int = 0
    when: When = "before"
    body: BodyRun | None = None
    at_await: int = 1
    of_awaits: int = 1

    def plan(self, faults: Faults) -> None:
        """Let it happen."""
        body = self.body
        if body is None:
            faults.crash_at(checkpoint=self.checkpoint, when=self.when)
        else:
            faults.crash_in(body.operation_id, attempt=body.attempt, at_await=self.at_await)

    def __str__(self) -> str:
        """What reports call it."""
        if self.body is None:
            return f"{_WAYS[self.when]} {self.checkpoint}"
        if self.of_awaits == 1:
            return f"killed in {self.body.label}"
        return f"killed at await {self.at_await} of {self.of_awaits} in {self.body.label}"


async def check_crash_safety(
    handler: DurableHandler[Any, Any] | LocalDurableTestRunner[Any],
    event: Any = NO_EVENT,
    *,
    play: Play | None = None,
    setup: Callable[[], object] | None = None,
    observe: Callable[[], Any] | None = None,
    on_crash: Callable[[], object] | None = None,
    same_result: bool = True,
    same_log: bool = True,
    max_points: int = _MOST_POINTS,
) -> SafetyReport:
    """Run a workflow, then again with a crash at every possible point, and report what that changes.

    The points: before and after each checkpoint, at each with its answer lost, and at each await in
    each attempt of each step. Reported are differences in status, result, log and the world outside;
    at-most-once bodies that ran again after they had been cut off; bodies that ran twice without
    having been cut off; and steps that replay gives other arguments. The result of a step that differs
    where nothing else does, such as a reading of a clock, is a note. Attempts, times and completion
    order are not compared.

    A crash unwinds tasks, so clean-up code does run, and memory is kept unless ``on_crash`` clears it:
    a process that is killed does neither.

    Args:
        handler: the workflow, or a runner with the options and functions that each run gets.
        event: what each execution is started with.
        play: what to do in place of ``runner.run(event)``: start, answer callbacks, and return the
            result. It sees the execution crash and go on.
        setup: called before each run, to reset the world outside and whatever the test remembers.
        observe: called after each run; returns the state of the world outside, to be compared (with
            ``==``). An effect outside a step, or in a step that is run again, shows here only. It may
            ``assert`` as well, and so may ``play``: what must hold wherever the crash came.
        on_crash: called at each crash, to forget what lives in the memory of a process.
        same_result: ``False`` if time decides about the result, as in a race with a timeout, or a map
            that ends early.
        same_log: ``False`` if time decides about which operations there are.
        max_points: how many points to try at most, evenly spread; the report says how many are left.

    Raises:
        DurableTestError: the workflow does not come to its end even undisturbed.
    """
    return await _check(
        Trial(handler, way_to_play(play, event), setup, observe),
        on_crash,
        max_points,
        same_result=same_result,
        same_log=same_log,
    )


def check_crash_safety_sync(
    handler: DurableHandler[Any, Any] | LocalDurableTestRunner[Any],
    event: Any = NO_EVENT,
    *,
    play: SyncPlay | None = None,
    setup: Callable[[], object] | None = None,
    observe: Callable[[], Any] | None = None,
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
    harms = [Harm("undisturbed", each) for each in standard.problems]
    interrupted: list[Harm] = []
    noted: dict[str, str] = {}
    missed = 0
    for point in chosen:
        runner = trial.template.fresh()
        point.plan(runner.faults)
        if on_crash is not None:
            runner.faults.on_crash(on_crash)
        came = await trial.run(runner)
        if came.is_missed:
            missed += 1
            continue
        if came.snapshot is not None:
            await trial.look_again(standard, came.snapshot)
        differences, notes = _differences(
            came, standard, same_result=same_result, same_log=same_log
        )
        for label, note in notes:
            noted.setdefault(label, f"{point}: {note}; nothing else differs")
        if _cut_attempts(came.history) and not came.is_wrong:
            # What the workflow does then is its own business; one line says how it went on.
            differences, changed = [], differences
            interrupted += [Harm(str(point), each) for each in changed[:1]]
        if differences and came.snapshot is not None and standard.may_be_timing(came.snapshot):
            noted.setdefault("", MAY_BE_TIMING)
        differences += _harms_of_bodies(came.runner.faults, came.history)
        harms += [Harm(str(point), each) for each in differences]
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
    came: Came, standard: Standard, *, same_result: bool, same_log: bool
) -> tuple[list[str], list[tuple[str, str]]]:
    """The harm that a crash did, and results that differ though nothing else does.

    A body that ran again may come to another result: a reading of a clock, an id. That is harm only if
    it makes a difference.
    """
    if came.snapshot is None:
        return [came.trouble], []
    found = standard.differences(came.snapshot, same_result=same_result, same_log=same_log)
    if found.harms:
        return [*found.harms, *(result for _, result in found.results)], []
    return [], [*found.results, *found.arguments]


def _harms_of_bodies(faults: Faults, history: list[HistoryEvent]) -> Iterator[str]:
    runs: dict[str, list[BodyRun]] = defaultdict(list)
    for run in faults.bodies:
        runs[run.operation_id].append(run)
    cut = _cut_attempts(history)
    failed = _failed_invocations(history)
    for operation_id, mine in runs.items():
        by_attempt: dict[int, list[BodyRun]] = defaultdict(list)
        for run in mine:
            by_attempt[run.attempt].append(run)
        for same in by_attempt.values():
            # What an invocation that failed had under way runs again, unless it is at most once.
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
    """Those that ended with an error, numbered from 1."""
    details = [event.invocation_completed_details for event in history]
    ended = [each for each in details if each is not None]
    return {number for number, each in enumerate(ended, 1) if each.error is not None}


def _cut_attempts(history: list[HistoryEvent]) -> dict[str, list[int]]:
    """The attempts of at-most-once steps that were cut off, by operation id."""
    found: dict[str, list[int]] = defaultdict(list)
    for event in history:
        details = event.step_failed_details
        error = details.error.payload if details else None
        if details and error and error.error_type == "StepInterruptedError" and event.id:
            found[event.id].append(details.retry_details.current_attempt)
    return found

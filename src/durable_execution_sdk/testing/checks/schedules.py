"""Check that a workflow gives the same result when its operations complete in other orders."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import cast

from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.handler import AnyHandler
from durable_execution_sdk.testing.checks.safety_report import MAY_BE_TIMING, Harm, SafetyReport
from durable_execution_sdk.testing.checks.trials import (
    Play,
    SyncPlay,
    Trial,
    at_once,
    way_to_play,
    way_to_play_sync,
)
from durable_execution_sdk.testing.local.runner import LocalDurableTestRunner
from durable_execution_sdk.testing.local.service import NO_EVENT

__all__ = ["check_schedules", "check_schedules_sync"]

_SEEDS = range(20)


async def check_schedules(
    handler: AnyHandler | LocalDurableTestRunner[object],
    event: object = NO_EVENT,
    *,
    seeds: Iterable[int] = _SEEDS,
    play: Play | None = None,
    setup: Callable[[], object] | None = None,
    observe: Callable[[], object] | None = None,
    same_result: bool = True,
    same_log: bool = True,
) -> SafetyReport:
    """Run a workflow in many random orders of events, and report differences in its result or log.

    Each seed determines the durations of calls and of ``async`` step bodies, the sizes of batches, and
    the size of the service's pages. Steps that are plain functions run in threads at their own pace. A
    difference means that ids, results or operations depend on the order of completion.

    Args:
        handler: the workflow, or a runner whose options and functions every run uses.
        event: the input of each execution.
        seeds: one run for each seed; a seed from a report repeats its run.
        play: called in place of ``runner.run(event)``, as in ``check_crash_safety``.
        setup: called before each run, to reset the external state.
        observe: called after each run; returns the external state, to be compared.
        same_result: ``False`` if the result may depend on the order, as that of a race.
        same_log: ``False`` if the operations may depend on the order.

    Raises:
        ConfigError: ``seeds`` is empty or not numbers, or both ``event`` and ``play`` were given.
        DurableTestError: the workflow does not end even undisturbed.
    """
    trial = Trial(handler, way_to_play(play, event), setup, observe)
    return await _check(trial, seeds, same_result=same_result, same_log=same_log)


def check_schedules_sync(
    handler: AnyHandler | LocalDurableTestRunner[object],
    event: object = NO_EVENT,
    *,
    seeds: Iterable[int] = _SEEDS,
    play: SyncPlay | None = None,
    setup: Callable[[], object] | None = None,
    observe: Callable[[], object] | None = None,
    same_result: bool = True,
    same_log: bool = True,
) -> SafetyReport:
    """Do what ``check_schedules`` does, in a test that is a plain function."""
    trial = Trial(handler, way_to_play_sync(play, event), setup, observe)
    return at_once(_check(trial, seeds, same_result=same_result, same_log=same_log))


async def _check(
    trial: Trial, seeds: Iterable[int], *, same_result: bool, same_log: bool
) -> SafetyReport:
    numbers = list(seeds) if isinstance(cast("object", seeds), Iterable) else []
    if not numbers or not all(isinstance(cast("object", each), int) for each in numbers):
        raise ConfigError(f"seeds= is one number or more, as in range(20), not {seeds!r}")
    _, standard = await trial.calm()
    harms = [Harm("undisturbed", each) for each in standard.problems]
    chosen = [] if harms else numbers
    notes = dict.fromkeys(standard.notes)
    for seed in chosen:
        # Every other run reads the log in pages of one operation.
        runner = trial.template.fresh(page_size=1 if seed % 2 else None)
        runner.faults.shuffle(seed)
        outcome = await trial.run(runner)
        if outcome.snapshot is None:
            harms.append(Harm(f"seed {seed}", outcome.trouble))
            continue
        await trial.look_again(standard, outcome.snapshot)
        comparison = standard.differences(
            outcome.snapshot, same_result=same_result, same_log=same_log
        )
        # A result that differs depends on the order, so it is harm even if nothing else differs.
        results = [result for _, result in comparison.results]
        differences = dict.fromkeys([*comparison.harms, *results])
        if differences and standard.may_be_timing(outcome.snapshot):
            notes[MAY_BE_TIMING] = None
        harms += [Harm(f"seed {seed}", each) for each in differences]
    return SafetyReport(
        function=trial.name, what="schedules", runs=len(chosen), harms=harms, notes=list(notes)
    )

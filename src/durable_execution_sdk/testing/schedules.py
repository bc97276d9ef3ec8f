"""Runs a workflow under many interleavings: whatever may end in another order does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, cast

from durable_execution_sdk.errors import ConfigError
from durable_execution_sdk.handler import DurableHandler
from durable_execution_sdk.testing.runner import LocalDurableTestRunner
from durable_execution_sdk.testing.safety import MAY_BE_TIMING, Harm, SafetyReport
from durable_execution_sdk.testing.stage import NO_EVENT
from durable_execution_sdk.testing.trial import (
    Play,
    SyncPlay,
    Trial,
    at_once,
    way_to_play,
    way_to_play_sync,
)

__all__ = ["check_schedules", "check_schedules_sync"]

_SEEDS = range(20)


async def check_schedules(
    handler: DurableHandler[Any, Any] | LocalDurableTestRunner[Any],
    event: Any = NO_EVENT,
    *,
    seeds: Iterable[int] = _SEEDS,
    play: Play | None = None,
    setup: Callable[[], object] | None = None,
    observe: Callable[[], Any] | None = None,
    same_result: bool = True,
    same_log: bool = True,
) -> SafetyReport:
    """Run a workflow in many orders of events, and report in which its result or its log differs.

    From each seed come how long calls and the bodies of ``async`` steps take, how much goes into one
    call, and how many operations the service gives at once. Steps that are plain functions run in
    threads and have their own pace. A difference is a workflow that depends on who is first: ids,
    results or the operations themselves.

    Args:
        handler: the workflow, or a runner with the options and functions that each run gets.
        event: what each execution is started with.
        seeds: one run for each; a seed of a report does the same again.
        play: what to do in place of ``runner.run(event)``, as in ``check_crash_safety``.
        setup: called before each run, to reset the world outside.
        observe: called after each run; returns the state of the world outside, to be compared.
        same_result: ``False`` if the result may depend on the order, as that of a race.
        same_log: ``False`` if the operations may.

    Raises:
        ConfigError: there are no seeds.
        DurableTestError: the workflow does not come to its end even undisturbed.
    """
    trial = Trial(handler, way_to_play(play, event), setup, observe)
    return await _check(trial, seeds, same_result=same_result, same_log=same_log)


def check_schedules_sync(
    handler: DurableHandler[Any, Any] | LocalDurableTestRunner[Any],
    event: Any = NO_EVENT,
    *,
    seeds: Iterable[int] = _SEEDS,
    play: SyncPlay | None = None,
    setup: Callable[[], object] | None = None,
    observe: Callable[[], Any] | None = None,
    same_result: bool = True,
    same_log: bool = True,
) -> SafetyReport:
    """Do what ``check_schedules`` does, in a test that is a plain function."""
    trial = Trial(handler, way_to_play_sync(play, event), setup, observe)
    return at_once(_check(trial, seeds, same_result=same_result, same_log=same_log))


async def _check(
    trial: Trial, seeds: Iterable[int], *, same_result: bool, same_log: bool
) -> SafetyReport:
    given = list(seeds) if isinstance(cast("object", seeds), Iterable) else []
    if not given or not all(isinstance(cast("object", each), int) for each in given):
        raise ConfigError(f"seeds= is one number or more, as in range(20), not {seeds!r}")
    _, standard = await trial.calm()
    harms = [Harm("undisturbed", each) for each in standard.problems]
    chosen = [] if harms else given
    notes = dict.fromkeys(standard.notes)
    for seed in chosen:
        # Every other run reads the log in the smallest pages that there are.
        runner = trial.template.fresh(page_size=1 if seed % 2 else None)
        runner.faults.shuffle(seed)
        came = await trial.run(runner)
        if came.snapshot is None:
            harms.append(Harm(f"seed {seed}", came.trouble))
            continue
        await trial.look_again(standard, came.snapshot)
        found = standard.differences(came.snapshot, same_result=same_result, same_log=same_log)
        # A result that differs depends on who is first, whether or not anything else does.
        results = [result for _, result in found.results]
        differences = dict.fromkeys([*found.harms, *results])
        if differences and standard.may_be_timing(came.snapshot):
            notes[MAY_BE_TIMING] = None
        harms += [Harm(f"seed {seed}", each) for each in differences]
    return SafetyReport(
        function=trial.name, what="schedules", runs=len(chosen), harms=harms, notes=list(notes)
    )

"""Check that replay repeats a workflow's observations over cuts of its log, crashes and schedules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import pairwise

from tests.replay.corpus import Probe, Shape, Workflow
from tests.replay.play import Play, extends, replay, signature
from tests.replay.test_crash_everywhere import WAYS, crashed
from tests.replay.test_schedules import Schedule
from tests.rig import Ran

from durable_execution_sdk import CheckpointingMode
from durable_execution_sdk.emulator.faults.plan import When

Build = Callable[[Probe], Workflow]


def played(build: Build, *, fails: bool = False) -> tuple[Shape, Play, Ran]:
    """Run a workflow undisturbed."""
    shape = Shape(build.__name__, build, strict=False, at_most_once=False, fails=fails, tasks=True)
    play = Play(shape)
    ran = play.run()
    assert ran.status == ("FAILED" if fails else "SUCCEEDED"), ran.error
    return shape, play, ran


def prove(
    build: Build,
    *,
    fails: bool = False,
    seeds: int = 6,
    same_log: bool = True,
    same_result: bool = True,
    whole: bool = True,
) -> Ran:
    """Run a workflow under all disturbances; assert that replay repeats the earlier observations.

    Unless the workflow depends on time, all runs have the same result and the same log. Without
    ``whole`` the process dies around each checkpoint in one way instead of three, and there are two
    schedules at most.
    """
    shape, play, ran = played(build, fails=fails)
    final_observations = play.probe.observations[-1]
    for earlier, later in pairwise(play.probe.observations):
        assert extends(earlier, later)
    for state in play.snapshots:
        assert extends(replay(shape, state).observed, final_observations)
    replayed = replay(shape, play.snapshots[-1])
    assert extends(final_observations, replayed.observed)
    assert extends(replayed.observed, final_observations)
    assert not replayed.updates
    for n, way in enumerate(WAYS):
        for at in range(1, play.calls + 1) if whole else range(n + 1, play.calls + 1, len(WAYS)):
            disturbed, outcome = crashed(shape, at, way)
            label = f"{way} checkpoint {at} of {play.calls}"
            _compare(disturbed, outcome, ran, label, same_log=same_log, same_result=same_result)
    for seed in range(seeds if whole else min(seeds, 2)):
        schedule = Schedule(seed, batch=(1, 2, 250)[seed % 3], pages=seed % 2 == 0)
        disturbed, outcome = schedule.play(shape)
        _compare(
            disturbed, outcome, ran, f"seed {seed}", same_log=same_log, same_result=same_result
        )
        for state in disturbed.snapshots:
            assert extends(replay(shape, state).observed, disturbed.probe.observations[-1])
    return ran


def prove_in_mode(build: Build, mode: CheckpointingMode, way: When) -> None:
    """Assert that a workflow has the same result in another mode, undisturbed and with a crash around each checkpoint."""
    shape, _, ran = played(build)
    play = Play(shape, mode=mode)
    again = play.run()
    assert (again.status, again.result) == (ran.status, ran.result)
    for state in play.snapshots:
        assert extends(replay(shape, state, mode).observed, play.probe.observations[-1])
    for at in range(1, play.calls + 1):
        disturbed, outcome = crashed(shape, at, way, mode)
        assert (outcome.status, outcome.result) == (ran.status, ran.result), at
        for observed in disturbed.probe.observations:
            assert extends(observed, disturbed.probe.observations[-1]), at


def _compare(
    disturbed: Play, outcome: Ran, ran: Ran, label: str, *, same_log: bool, same_result: bool
) -> None:
    assert outcome.status == ran.status, (label, outcome.error)
    if same_result:
        assert outcome.result == ran.result, label
    for earlier, later in pairwise(disturbed.probe.observations):
        assert extends(earlier, later), label
    if same_log:
        assert Counter(signature(outcome.events)) == Counter(signature(ran.events)), label

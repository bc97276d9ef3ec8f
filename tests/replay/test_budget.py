"""Workflows of the corpus that look at their budget at each observation: replay shows them the same figures."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from tests.replay import test_crash_everywhere
from tests.replay.corpus import CORPUS, Probe, Shape
from tests.replay.play import Play, extends, replay
from tests.replay.test_crash_everywhere import WAYS, crashed
from tests.replay.test_schedules import Schedule
from tests.sampling import name_of, rotated, thinned

from durable_execution_sdk import CheckpointingMode
from durable_execution_sdk.emulator.faults.plan import When
from durable_execution_sdk.engine.limits import Limits
from durable_execution_sdk.runtime.contexts.budget import budget_of
from durable_execution_sdk.runtime.contexts.scope import IdScope
from durable_execution_sdk.runtime.current import get_current
from durable_execution_sdk.runtime.tasks import WorkflowTask

shapes = pytest.mark.parametrize("shape", thinned(CORPUS), ids=name_of)

_see = Probe.see


def see_budget(probe: Probe, label: str, value: Any = None, *, inside: str = "") -> Any:
    """Record an observation with the budget at its place, as ``ctx.budget`` has it."""
    task = get_current()
    budget = None
    if isinstance(task, WorkflowTask) and isinstance(task.scope, IdScope):
        if task.scope.is_over:
            return value  # clean-up code, which runs wherever the invocation leaves
        budget = budget_of(task.scope)
    _see(probe, label, (value, budget), inside=inside)
    return value


@pytest.fixture(autouse=True)
def observed_budgets(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(Probe, "see", see_budget)
    caches = (test_crash_everywhere.undisturbed,)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


def budgets(play: Play) -> list[Any]:
    return [entry[2][1] for observed in play.probe.observations for entry in observed]


@pytest.mark.parametrize(
    ("shape", "mode"), thinned(rotated(CORPUS, list(CheckpointingMode))), ids=name_of
)
def test_replay_over_every_cut_of_the_log_shows_the_same_budget(
    shape: Shape, mode: CheckpointingMode
) -> None:
    play = Play(shape, mode=mode)
    ran = play.run()
    assert ran.status == ("FAILED" if shape.fails else "SUCCEEDED"), ran.error
    for earlier, later in pairwise(play.probe.observations):
        assert extends(earlier, later)
    whole = replay(shape, play.snapshots[-1], mode).observed
    assert extends(play.probe.observations[-1], whole)
    # In optimistic mode the code may see more over a shorter log: the results that are handed on early.
    for state in play.snapshots:
        assert extends(replay(shape, state, mode).observed, whole)


@pytest.mark.parametrize(("shape", "way"), thinned(rotated(CORPUS, WAYS)), ids=name_of)
def test_a_crash_at_any_checkpoint_shows_the_same_budget(shape: Shape, way: When) -> None:
    calm = Play(shape, keeps_states=False)
    calm.run()
    for at in range(1, calm.calls + 1):
        play, _ = crashed(shape, at, way)
        for observed in play.probe.observations:
            assert extends(observed, play.probe.observations[-1]), f"{way}: checkpoint {at}"


@pytest.mark.parametrize(
    ("shape", "mode"), thinned(rotated(CORPUS, list(CheckpointingMode))), ids=name_of
)
def test_every_schedule_shows_the_same_budget_in_pages_of_one(
    shape: Shape, mode: CheckpointingMode
) -> None:
    for seed in range(2):
        play, _ = Schedule(seed, pages=True, mode=mode).play(shape)
        for earlier, later in pairwise(play.probe.observations):
            assert extends(earlier, later), seed


@shapes
def test_it_never_shows_more_than_the_log_holds(shape: Shape) -> None:
    play = Play(shape, keeps_states=False, limits=Limits())
    play.run()
    state = play.rig.emulator.coordinator.recorded(play.arn)
    for budget in filter(None, budgets(play)):
        assert 1 <= budget.operations.used <= state.operation_count
        assert 0 < budget.bytes.used <= state.stored_bytes

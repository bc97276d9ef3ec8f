"""After a crash at any moment, recorded operations stay, and others run again."""

from __future__ import annotations

import functools
from collections import Counter
from typing import Any

import pytest
from tests.replay.corpus import CORPUS, Shape
from tests.replay.play import Play, extends, last_status, signature
from tests.rig import Ran
from tests.sampling import name_of, rotated, thinned

from durable_execution_sdk import CheckpointingMode
from durable_execution_sdk.emulator.clock import VirtualClock
from durable_execution_sdk.emulator.faults.injection import FaultyPlane
from durable_execution_sdk.emulator.faults.plan import When
from durable_execution_sdk.ports import DataPlane
from durable_execution_sdk.testing.faults import Faults

WAYS: list[When] = ["before", "after", "response_lost"]


def crashed(
    shape: Shape,
    at: int,
    way: When,
    mode: CheckpointingMode = CheckpointingMode.BATCHED,
    **options: Any,
) -> tuple[Play, Ran]:
    """Run a shape whose process dies around the n-th checkpoint, and then continues in a new one."""
    faults = Faults().crash_at(checkpoint=at, when=way)

    def wrap(plane: DataPlane, play: Play) -> DataPlane:
        return FaultyPlane(plane, faults, VirtualClock(), lambda arn: arn == play.arn)

    play = Play(
        shape, wrap=wrap, keeps_states=False, begins=faults.invocation_begins, mode=mode, **options
    )
    return play, play.run()


@functools.cache
def undisturbed(shape: Shape) -> tuple[Play, Ran]:
    play = Play(shape)
    return play, play.run()


@pytest.mark.parametrize(("shape", "way"), thinned(rotated(CORPUS, WAYS)), ids=name_of)
def test_a_crash_at_any_checkpoint_changes_nothing(shape: Shape, way: When) -> None:
    check(shape, way, CheckpointingMode.BATCHED)


@pytest.mark.parametrize(
    ("shape", "mode", "way"),
    rotated(
        [each for each in CORPUS if each.strict],
        [CheckpointingMode.EAGER, CheckpointingMode.OPTIMISTIC],
        WAYS,
    ),
    ids=name_of,
)
def test_a_crash_changes_nothing_in_the_other_modes(
    shape: Shape, mode: CheckpointingMode, way: When
) -> None:
    check(shape, way, mode)


def check(shape: Shape, way: When, mode: CheckpointingMode) -> None:
    calm_play, calm = undisturbed(shape)
    for at in range(1, calm_play.calls + 1):
        play, ran = crashed(shape, at, way, mode)
        where = f"{way}: checkpoint {at} of {calm_play.calls}"
        assert ran.status == calm.status, (where, ran.error)
        assert ran.result == calm.result, where
        for observed in play.probe.observations:
            assert extends(observed, play.probe.observations[-1]), where
        assert last_status(ran.events) == last_status(calm.events), where
        now, then = signature(ran.events), signature(calm.events)
        if shape.at_most_once:
            # An interrupted attempt is recorded as failed.
            assert Counter(then) <= Counter(now), where
            assert max(play.probe.runs.values()) == 1, where
        elif shape.strict and mode is CheckpointingMode.BATCHED:
            assert now == then, where
        else:
            assert Counter(now) == Counter(then), where

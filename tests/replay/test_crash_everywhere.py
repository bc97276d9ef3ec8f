"""A process may die at any moment: whatever was recorded stays, whatever was not happens again."""

from __future__ import annotations

import functools
from collections import Counter
from typing import Any

import pytest
from tests.replay.corpus import CORPUS, Shape
from tests.replay.play import Play, Watched, extends, signature
from tests.rig import Ran

from durable_execution_sdk import CheckpointingMode
from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.model.api import CheckpointRequest, CheckpointResponse

WAYS = ["killed before", "killed after", "answer lost"]


class Mortal(Watched):
    """Ends the process around the n-th checkpoint of the workflow; the next process lives."""

    def __init__(self, plane: Any, play: Play, at: int, way: str) -> None:
        super().__init__(plane)
        self.play = play
        self.at = at
        self.way = way
        self.died_in: int | None = None

    async def checkpoint(self, request: CheckpointRequest) -> CheckpointResponse:
        if request.durable_execution_arn != self.play.arn:
            return await self.plane.checkpoint(request)
        if self.died_in == len(self.play.stage.observations):
            raise ServiceError("the process is dead", status=500)
        if self.play.calls + 1 != self.at or self.died_in is not None:
            return await self.plane.checkpoint(request)
        self.died_in = len(self.play.stage.observations)
        if self.way == "killed before":
            raise SystemExit(137)
        await self.plane.checkpoint(request)
        if self.way == "killed after":
            raise SystemExit(137)
        raise ServiceError("connection reset", status=None)


def crashed(
    shape: Shape, at: int, way: str, mode: CheckpointingMode = CheckpointingMode.BATCHED
) -> tuple[Play, Ran]:
    play = Play(
        shape,
        wrap=lambda plane, play: Mortal(plane, play, at, way),
        keeps_states=False,
        mode=mode,
    )
    return play, play.run()


@functools.cache
def undisturbed(shape: Shape) -> tuple[Play, Ran]:
    play = Play(shape)
    return play, play.run()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("shape", CORPUS, ids=lambda each: each.name)
def test_a_crash_at_any_checkpoint_changes_nothing(shape: Shape, way: str) -> None:
    check(shape, way, CheckpointingMode.BATCHED)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("mode", [CheckpointingMode.EAGER, CheckpointingMode.OPTIMISTIC])
@pytest.mark.parametrize(
    "shape", [each for each in CORPUS if each.strict], ids=lambda each: each.name
)
def test_a_crash_changes_nothing_in_the_other_modes(
    shape: Shape, mode: CheckpointingMode, way: str
) -> None:
    check(shape, way, mode)


def check(shape: Shape, way: str, mode: CheckpointingMode) -> None:
    calm_play, calm = undisturbed(shape)
    for at in range(1, calm_play.calls + 1):
        play, ran = crashed(shape, at, way, mode)
        where = f"{way} checkpoint {at} of {calm_play.calls}"
        assert ran.status == calm.status, (where, ran.error)
        assert ran.result == calm.result, where
        for observed in play.stage.observations:
            assert extends(observed, play.stage.observations[-1]), where
        now, then = signature(ran.events), signature(calm.events)
        if shape.at_most_once:
            # An attempt that was cut off is recorded as a failed one.
            assert Counter(then) <= Counter(now), where
            assert max(play.stage.runs.values()) == 1, where
        elif shape.strict and mode is CheckpointingMode.BATCHED:
            assert now == then, where
        else:
            assert Counter(now) == Counter(then), where

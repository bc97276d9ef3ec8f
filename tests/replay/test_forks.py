"""Fork every workflow of the corpus before each of its operations: it ends as the original did."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from tests.replay.corpus import BY_NAME, Shape
from tests.replay.play import Play, signature
from tests.rig import Ran
from tests.sampling import thinned

from durable_execution_sdk import CheckpointingMode
from durable_execution_sdk.engine.events import Event, OperationFields, StepStarted
from durable_execution_sdk.engine.evolution import evolve
from durable_execution_sdk.engine.limits import DEFAULT_LIMITS, Limits
from durable_execution_sdk.protocol.operations import TERMINAL_STATUSES, Operation, OperationType

PAGES_OF_ONE = Limits(page_items=1, first_page_items=1)


class Forked:
    """A fork of a play before an operation, driven to its end."""

    def __init__(self, play: Play, before: str | None) -> None:
        emulator = play.rig.emulator
        runs = Counter(play.probe.runs)
        self.arn = emulator.fork(play.arn, before=before)
        self.taken_over = emulator.recording(self.arn)()
        self.ran: Ran = play.rig.drive(self.arn)
        self.tail = emulator.recording(self.arn)()[len(self.taken_over) :]
        self.bodies = sum((play.probe.runs - runs).values())

    @property
    def ended(self) -> set[str]:
        """The operations that had ended at the cut."""
        return {
            operation.id
            for operation in folded(self.taken_over)
            if operation.status in TERMINAL_STATUSES
        }

    @property
    def interrupted(self) -> set[str]:
        """The steps that were running at the cut."""
        return {
            operation.id
            for operation in folded(self.taken_over)
            if operation.type == OperationType.STEP and operation.status == "STARTED"
        }

    @property
    def started_bodies(self) -> int:
        return sum(isinstance(event, StepStarted) for event in self.tail)


def folded(events: list[Event]) -> list[Operation]:
    state = None
    for event in events:
        state = evolve(state, event)
    assert state is not None
    return list(state.operations.values())


def observations(play: Play) -> list[Any]:
    """The observations of the last invocation, but for callback ids: each execution has its own."""
    return [entry for entry in play.probe.observations[-1] if entry[1] != "id"]


def cuts(play: Play) -> list[str | None]:
    """The operations in the order of their first events, and no operation."""
    ids = dict.fromkeys(
        event.operation.id
        for event in play.rig.emulator.recording(play.arn)()
        if isinstance(event, OperationFields)
    )
    return [*ids, None]


def check(shape: Shape, limits: Limits, mode: CheckpointingMode) -> None:
    play = Play(shape, limits=limits, mode=mode, keeps_states=False)
    original = play.run()
    observed = observations(play)
    for before in cuts(play):
        forked = Forked(play, before)
        label = (shape.name, before)
        assert forked.ran.status == original.status, (label, forked.ran.error)
        assert forked.ran.result == original.result, label
        touched = {
            event.operation.id for event in forked.tail if isinstance(event, OperationFields)
        }
        assert not touched & forked.ended, label
        assert forked.bodies <= forked.started_bodies + len(forked.interrupted), label
        if shape.strict:
            assert observations(play) == observed, label
        if shape.strict and shape.name != "goes_on_as_new":  # a fork starts a next one of its own
            assert Counter(signature(forked.ran.events)) == Counter(signature(original.events))
    assert play.rig.emulator.describe(play.arn).status == original.status


@pytest.mark.parametrize("name", thinned(BY_NAME))
def test_a_fork_ends_as_the_original_and_runs_no_body_again(name: str) -> None:
    check(BY_NAME[name], DEFAULT_LIMITS, CheckpointingMode.BATCHED)


@pytest.mark.parametrize("mode", [CheckpointingMode.EAGER, CheckpointingMode.OPTIMISTIC])
@pytest.mark.parametrize("name", list(BY_NAME)[::4])
def test_a_fork_ends_as_the_original_in_other_modes_with_pages_of_one(
    name: str, mode: CheckpointingMode
) -> None:
    check(BY_NAME[name], PAGES_OF_ONE, mode)

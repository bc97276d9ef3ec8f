"""The progress derived from a history equals the engine's, at every moment of an execution."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.replay.corpus import CORPUS, Shape
from tests.replay.play import Play
from tests.server.house import House

from durable_execution_sdk.emulator.caller import Seams
from durable_execution_sdk.emulator.data_plane import SlowDataPlane
from durable_execution_sdk.emulator.driver import Driver
from durable_execution_sdk.engine.views.progress import ExecutionProgress, OperationProgress
from durable_execution_sdk.model import control_wire
from durable_execution_sdk.model.control import HistoryPage, HistoryRequest
from durable_execution_sdk.testing.folding import progress_of


def told(house: House, arn: str) -> ExecutionProgress:
    """Derive the progress from the API's JSON."""
    page = house.emulator.history(HistoryRequest(durable_execution_arn=arn, max_items=1000))
    read = control_wire.decode_history_page(
        control_wire.encode_history_page(HistoryPage(events=page.events))
    )
    return progress_of(house.emulator.describe(arn), read.events, house.clock.now())


@pytest.mark.parametrize("event", ["everything", "add", "fail", "ask", "sleep"])
def test_the_history_tells_what_the_engine_knows(event: str) -> None:
    house = House()
    # A history has delays without their start, so the clock must agree with the log's times.
    slow = Seams(data_plane=lambda plane: SlowDataPlane(plane, house.clock, 5))
    house.driver = Driver(house.emulator, seams=slow)
    arn = house.start({"do": event})
    moments: list[tuple[ExecutionProgress, ExecutionProgress]] = []

    def look() -> bool:
        moments.append((told(house, arn), house.emulator.progress(arn)))
        return False

    house.driver.run_until(look, family=arn)
    assert len(moments) >= 2
    for found, expected in moments:
        assert found.operations == expected.operations
        assert (found.status, found.started_at, found.ended_at) == (
            expected.status,
            expected.started_at,
            expected.ended_at,
        )
    assert found.invocations == expected.invocations


def without_what_no_history_tells(each: OperationProgress) -> OperationProgress:
    """Remove the flag of results that were too large, which a history lacks."""
    details = each.operation.context_details
    if details is None:
        return each
    kept = replace(details, replay_children=None)
    return replace(each, operation=replace(each.operation, context_details=kept))


@pytest.mark.parametrize("shape", CORPUS, ids=lambda shape: shape.name)
def test_the_history_of_every_shape_tells_how_it_ended(shape: Shape) -> None:
    play = Play(shape, keeps_states=False)
    ran = play.run()
    described = play.rig.emulator.describe(ran.arn)
    progress = progress_of(described, ran.events, play.rig.clock.now())
    expected = play.rig.emulator.progress(ran.arn)
    assert progress.operations == [
        without_what_no_history_tells(operation) for operation in expected.operations
    ]

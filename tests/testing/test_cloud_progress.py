"""The progress derived from a history equals the engine's, at every moment of an execution."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.replay.corpus import CORPUS, Shape
from tests.replay.play import Play
from tests.server.server_rig import ServerRig

from durable_execution_sdk.emulator.data_plane import SlowDataPlane
from durable_execution_sdk.emulator.driver import Driver
from durable_execution_sdk.emulator.function_caller import Wrappers
from durable_execution_sdk.engine.state import is_pending
from durable_execution_sdk.engine.views.progress import ExecutionProgress, OperationProgress
from durable_execution_sdk.protocol import control_plane_codec
from durable_execution_sdk.protocol.control_plane import HistoryPage, HistoryRequest
from durable_execution_sdk.testing.cloud.progress import progress_of


def told(server_rig: ServerRig, arn: str) -> ExecutionProgress:
    """Derive the progress from the API's JSON."""
    page = server_rig.emulator.history(HistoryRequest(durable_execution_arn=arn, max_items=1000))
    read = control_plane_codec.decode_history_page(
        control_plane_codec.encode_history_page(HistoryPage(events=page.events))
    )
    return progress_of(server_rig.emulator.describe(arn), read.events, server_rig.clock.now())


@pytest.mark.parametrize("event", ["everything", "add", "fail", "ask", "sleep"])
def test_the_history_tells_what_the_engine_knows(event: str) -> None:
    server_rig = ServerRig()
    # A history has delays without their start, so the clock must agree with the log's times.
    slow = Wrappers(data_plane=lambda plane: SlowDataPlane(plane, server_rig.clock, 5))
    server_rig.driver = Driver(server_rig.emulator, wrappers=slow)
    arn = server_rig.start({"do": event})
    moments: list[tuple[ExecutionProgress, ExecutionProgress]] = []

    def look() -> bool:
        moments.append((told(server_rig, arn), server_rig.emulator.progress(arn)))
        return False

    server_rig.driver.run_until(look, family=arn)
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


@pytest.mark.parametrize("shape", CORPUS, ids=lambda shape: shape.name)
def test_each_beginning_of_a_history_tells_what_it_waits_for(shape: Shape) -> None:
    play = Play(shape, keeps_states=False)
    ran = play.run()
    described = play.rig.emulator.describe(ran.arn)
    is_open = replace(described, status="RUNNING", end_timestamp=None)
    for count in range(1, len(ran.events) + 1):
        progress = progress_of(is_open, ran.events[:count], play.rig.clock.now())
        for each in progress.operations:
            assert (each.waiting is not None) == is_pending(each.operation)

"""Executions that are held because the code under them has changed."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.emulator.emulator_rig import (
    DAY,
    PENDING,
    EmulatorRig,
    Invoked,
    calls_back,
    succeeded,
    waits,
)

from durable_execution_sdk.emulator.driver import Ending
from durable_execution_sdk.engine.events import InvocationStarted
from durable_execution_sdk.engine.execution_time import TimeMode
from durable_execution_sdk.engine.state import ExecutionState
from durable_execution_sdk.protocol.control_plane import HistoryRequest
from durable_execution_sdk.protocol.data_plane import Outcome


async def invokes_and_waits(run: Invoked) -> Outcome:
    invoked = await run.invoke("i", "child:$LATEST")
    waited = await run.wait("w", 30 * DAY)
    return succeeded(invoked.status) if waited and invoked.status != "STARTED" else PENDING


async def waits_twice(run: Invoked) -> Outcome:
    for number in range(2):
        if not await run.wait(f"w{number}", 10 * DAY):
            return PENDING
    return succeeded("waited")


class Asked:
    """Decides about executions as the test wants, and keeps the questions."""

    def __init__(self, rig: EmulatorRig) -> None:
        self.questions: list[tuple[str, str]] = []
        self.admits = False
        rig.emulator.holds.ask(self)

    def __call__(self, state: ExecutionState, code: str) -> bool:
        self.questions.append((state.arn, code))
        return self.admits


def drive(rig: EmulatorRig) -> Ending:
    """Do all that can be done while the clock stands still."""
    return rig.driver.run_until(lambda: False, wait=False)


def edit(rig: EmulatorRig, name: str, code: str) -> None:
    function = rig.functions.get(name)
    assert function is not None
    rig.functions.add_function(replace(function, code=code))


def codes(rig: EmulatorRig, arn: str) -> list[str | None]:
    events = rig.emulator.coordinator.events(arn)
    return [event.code for event in events if isinstance(event, InvocationStarted)]


@pytest.fixture
def arn(rig: EmulatorRig) -> str:
    """Return an execution that waits for a callback, with the code "one"."""
    rig.add("f", calls_back)
    edit(rig, "f", "one")
    started = rig.start()
    drive(rig)
    return started


def answer(rig: EmulatorRig, arn: str) -> None:
    rig.emulator.callback_success(rig.callback_id(arn), b'"yes"')


def test_unchanged_code_is_not_asked_about(rig: EmulatorRig, arn: str) -> None:
    asked = Asked(rig)
    answer(rig, arn)
    drive(rig)
    assert asked.questions == []
    assert rig.status(arn) == "SUCCEEDED"
    assert codes(rig, arn) == ["one", "one"]


def test_an_execution_that_never_ran_is_not_asked_about(rig: EmulatorRig) -> None:
    asked = Asked(rig)
    rig.add("f", waits)
    edit(rig, "f", "one")
    started = rig.start()
    drive(rig)
    assert (asked.questions, codes(rig, started)) == ([], ["one"])


def test_changed_code_is_held_until_it_is_admitted(rig: EmulatorRig, arn: str) -> None:
    asked = Asked(rig)
    edit(rig, "f", "two")
    answer(rig, arn)
    drive(rig)
    drive(rig)
    assert asked.questions == [(arn, "two")]
    assert (rig.status(arn), codes(rig, arn)) == ("RUNNING", ["one"])
    rig.emulator.holds.release(arn)
    drive(rig)
    assert (len(asked.questions), codes(rig, arn)) == (2, ["one"])
    asked.admits = True
    rig.emulator.holds.release(arn)
    drive(rig)
    assert (rig.status(arn), codes(rig, arn)) == ("SUCCEEDED", ["one", "two"])


def test_code_that_was_accepted_is_not_asked_about(rig: EmulatorRig, arn: str) -> None:
    asked = Asked(rig)
    edit(rig, "f", "two")
    rig.emulator.accept_code(arn, "two")
    answer(rig, arn)
    drive(rig)
    assert (asked.questions, rig.status(arn)) == ([], "SUCCEEDED")
    page = rig.emulator.history(HistoryRequest(durable_execution_arn=arn))
    assert "CodeAccepted" not in [event.event_type for event in page.events]


def test_a_held_execution_can_be_stopped_and_is_forgotten(rig: EmulatorRig, arn: str) -> None:
    rig.emulator.holds.hold(arn)
    rig.emulator.stop(arn)
    rig.emulator.holds.hold(arn)
    rig.emulator.holds.release(arn)
    drive(rig)
    assert rig.status(arn) == "STOPPED"


def test_a_family_skips_no_time_while_a_member_is_held(rig: EmulatorRig) -> None:
    rig.add("f", invokes_and_waits)
    rig.add("child", waits_twice)
    parent = rig.start()
    drive(rig)
    (child,) = rig.emulator.coordinator.schedule.arns - {parent}
    rig.emulator.holds.hold(child)
    rig.emulator.set_time_mode(parent, TimeMode.SKIP)
    drive(rig)
    assert (rig.emulator.time(parent).offset, rig.emulator.time(child).offset) == (0, 0)
    rig.emulator.holds.release(child)
    drive(rig)
    assert rig.result(parent) == "SUCCEEDED"


def test_an_advance_stops_where_a_held_execution_would_be_invoked(rig: EmulatorRig) -> None:
    rig.add("f", waits_twice)
    arn = rig.start()
    drive(rig)
    rig.emulator.holds.hold(arn)
    rig.emulator.advance(arn, 30 * DAY * 1_000)
    drive(rig)
    assert rig.emulator.time(arn).offset == 10 * DAY * 1_000
    rig.emulator.holds.release(arn)
    drive(rig)
    assert rig.result(arn) == "waited"

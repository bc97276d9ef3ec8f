"""Random changes of time between random pieces of work: every wait is as long as it says, and nothing is lost."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.emulator.emulator_rig import PENDING, EmulatorRig, Invoked, succeeded

from durable_execution_sdk.emulator.stores.memory import MemoryStore
from durable_execution_sdk.engine.events import Event, WaitStarted, WaitSucceeded
from durable_execution_sdk.engine.execution_time import TimeMode
from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.protocol.data_plane import Outcome

SECOND = 1_000


async def parent(run: Invoked) -> Outcome:
    """Wait for an invoked execution, while reminding."""
    child = await run.invoke("i", "child:$LATEST")
    if not await run.wait("reminder", 40):
        return PENDING
    await run.step("remind", lambda: "reminded")
    return PENDING if child.status == "STARTED" else succeeded(child.status)


async def child(run: Invoked) -> Outcome:
    for number in range(3):
        if not await run.wait(f"w{number}", 30):
            return PENDING
    return succeeded("waited")


who = st.sampled_from(["parent", "child"])
actions = st.lists(
    st.one_of(
        st.tuples(st.just("mode"), who, st.sampled_from(TimeMode)),
        st.tuples(st.just("advance"), who, st.integers(1, 50 * SECOND)),
        st.tuples(st.just("next"), who, st.none()),
        st.tuples(st.just("clock"), st.none(), st.integers(1, 50 * SECOND)),
        st.tuples(st.just("work"), st.none(), st.none()),
    ),
    max_size=15,
)


@settings(max_examples=60, deadline=None)
@given(actions, st.sampled_from(TimeMode))
def test_waits_keep_their_length_whatever_is_done_to_time(
    steps: list[tuple[str, str | None, object]], mode: TimeMode
) -> None:
    rig = EmulatorRig(MemoryStore())
    rig.add("f", parent)
    rig.add("child", child)
    arn = rig.start()
    rig.driver.run_until(lambda: False, wait=False)
    (invoked,) = rig.emulator.coordinator.schedule.arns - {arn}
    rig.emulator.set_time_mode(arn, mode)
    names = {"parent": arn, "child": invoked}
    latest = {member: rig.emulator.time(member).now for member in names.values()}
    for action, name, value in steps:
        change(rig, action, names.get(str(name), arn), value)
        for member, before in latest.items():
            now = rig.emulator.time(member).now
            assert now >= before
            latest[member] = now
    for member in names.values():
        if not rig.emulator.is_closed(member):
            rig.emulator.set_time_mode(member, TimeMode.SKIP)
    rig.driver.run_until(lambda: False, wait=False)
    assert rig.result(arn) == "SUCCEEDED"
    for member in names.values():
        check(rig.emulator.recording(member)())


def change(rig: EmulatorRig, action: str, arn: str, value: object) -> None:
    try:
        match action, value:
            case "mode", TimeMode():
                rig.emulator.set_time_mode(arn, value)
            case "advance", int():
                rig.emulator.advance(arn, value)
            case "next", _:
                rig.emulator.advance(arn)
            case "clock", int():
                rig.clock.advance(value)
            case _:
                rig.driver.run_until(lambda: False, wait=False)
    except ServiceError as error:
        # It has ended already.
        assert "Cannot change the time" in error.message or "no timer" in error.message


def check(log: list[Event]) -> None:
    """Check that the log's times rise, and that each wait took its time."""
    assert all(earlier.at <= later.at for earlier, later in pairwise(log))
    began = {event.operation.id: event for event in log if isinstance(event, WaitStarted)}
    ended = {event.operation.id: event for event in log if isinstance(event, WaitSucceeded)}
    assert began.keys() == ended.keys()
    for operation_id, event in ended.items():
        assert event.at - began[operation_id].at >= began[operation_id].seconds * SECOND
        assert event.seconds == began[operation_id].seconds

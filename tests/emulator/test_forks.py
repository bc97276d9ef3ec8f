"""Forks, repetitions and deletions of executions over both stores."""

from __future__ import annotations

import pytest
from tests.emulator.emulator_rig import (
    DAY,
    PENDING,
    EmulatorRig,
    Invoked,
    calls_back,
    succeeded,
    waits,
)

from durable_execution_sdk.engine.execution_time import TimeMode
from durable_execution_sdk.errors import ServiceError
from durable_execution_sdk.protocol.data_plane import Outcome

DAYS = DAY * 1_000


class Counted:
    """A workflow of two steps that counts the runs of their bodies."""

    def __init__(self) -> None:
        self.runs: list[str] = []

    async def __call__(self, run: Invoked) -> Outcome:
        first = await run.step("a", lambda: self._body("a"))
        if not await run.wait("w", 60):
            return PENDING
        second = await run.step("b", lambda: self._body("b"))
        return succeeded([run.input, first, second])

    def _body(self, name: str) -> str:
        self.runs.append(name)
        return name


def test_a_fork_runs_only_what_comes_after_the_cut(rig: EmulatorRig) -> None:
    workflow = Counted()
    rig.add("f", workflow)
    arn = rig.start(payload=1, durable_execution_name="original")
    rig.run(arn)
    forked = rig.emulator.fork(arn, before="b", name="fork")
    rig.run(forked)
    assert rig.result(forked) == [1, "a", "b"]
    assert workflow.runs == ["a", "b", "b"]
    assert rig.emulator.find_name("fork") == forked
    assert rig.history(arn)[-1] == "ExecutionSucceeded"
    lineage = rig.emulator.progress(forked).forked_from
    assert lineage is not None
    assert (lineage.arn, lineage.before) == (arn, "b")


def test_a_fork_has_a_changed_input_and_changed_results(rig: EmulatorRig) -> None:
    rig.add("f", Counted())
    arn = rig.start(payload=1)
    rig.run(arn)
    forked = rig.emulator.fork(arn, payload="2", results={"a": '"other"', "b": "3"})
    rig.run(forked)
    assert rig.result(forked) == [2, "other", 3]


def test_an_open_execution_and_its_fork_go_on_independently(rig: EmulatorRig) -> None:
    rig.add("f", calls_back)
    arn = rig.start()
    rig.run(arn)
    forked = rig.emulator.fork(arn)
    rig.run(forked)
    rig.emulator.callback_success(rig.callback_id(forked), b"1")
    rig.run(forked)
    assert rig.result(forked) == "1"
    assert rig.status(arn) == "RUNNING"
    rig.emulator.callback_success(rig.callback_id(arn), b"2")
    rig.run(arn)
    assert rig.result(arn) == "2"


def test_a_fork_of_an_old_execution_does_not_time_out(rig: EmulatorRig) -> None:
    rig.add("f", Counted(), execution_timeout=3_600)
    arn = rig.start(payload=1)
    rig.run(arn)
    rig.clock.advance(100 * DAYS)
    forked = rig.emulator.fork(arn, before="w")
    rig.run(forked)
    assert rig.result(forked) == [1, "a", "b"]


def test_a_name_that_exists_is_refused_and_a_name_is_made(memory: EmulatorRig) -> None:
    memory.add("f", waits)
    arn = memory.start(durable_execution_name="n" * 64)
    for make in (memory.emulator.fork, memory.emulator.rerun):
        with pytest.raises(ServiceError, match="use another name"):
            make(arn, name="n" * 64)
        with pytest.raises(ServiceError, match="letters, digits"):
            make(arn, name="no/good")
        assert len(make(arn).split("/")[-2]) == 64


def test_an_input_that_is_no_json_is_refused(memory: EmulatorRig) -> None:
    memory.add("f", waits)
    arn = memory.start()
    for make in (memory.emulator.fork, memory.emulator.rerun):
        with pytest.raises(ServiceError, match="Could not parse"):
            make(arn, payload="{")


def test_an_execution_that_does_not_exist_cannot_be_forked(memory: EmulatorRig) -> None:
    memory.add("f", waits)
    arn = memory.start()
    with pytest.raises(ServiceError, match="not found"):
        memory.emulator.fork(arn.replace("execution/", "execution/x"))


def test_an_execution_is_repeated_from_the_beginning(rig: EmulatorRig) -> None:
    workflow = Counted()
    rig.add("f", workflow)
    arn = rig.start(payload=1)
    rig.run(arn)
    again = rig.emulator.rerun(arn)
    other = rig.emulator.rerun(arn, payload="2", name="two")
    rig.run(again)
    rig.run(other)
    assert rig.result(again) == [1, "a", "b"]
    assert rig.result(other) == [2, "a", "b"]
    assert workflow.runs == ["a", "b"] * 3


def test_executions_that_ended_long_ago_are_deleted(rig: EmulatorRig) -> None:
    rig.add("f", waits)
    rig.add("g", calls_back)
    old = rig.start()
    rig.run(old)
    is_open = rig.start("g")
    rig.run(is_open)
    rig.clock.advance(30 * DAYS)
    young = rig.start()
    rig.run(young)
    assert rig.emulator.delete_older(31 * DAYS) == 0
    assert rig.emulator.delete_older(30 * DAYS) == 1
    with pytest.raises(ServiceError, match="not found"):
        rig.emulator.describe(old)
    assert rig.status(young) == "SUCCEEDED"
    assert rig.status(is_open) == "RUNNING"


def test_many_are_deleted_over_several_pages(memory: EmulatorRig) -> None:
    memory.add("f", waits)
    for _ in range(250):
        memory.run(memory.start())
    memory.clock.advance(1_000)
    assert memory.emulator.delete_older(0) == 250


@pytest.mark.parametrize("mode", [TimeMode.SKIP, TimeMode.PAUSED])
def test_the_age_is_counted_by_the_clock_not_by_the_time_of_the_execution(
    memory: EmulatorRig, mode: TimeMode
) -> None:
    memory.add("f", waits)
    memory.emulator.time_mode = mode
    arn = memory.start()
    memory.driver.run_until(lambda: False, wait=False)
    if mode is TimeMode.PAUSED:
        memory.clock.advance(40 * DAYS)
        memory.emulator.advance(arn, 60_000)
    memory.driver.run_until(lambda: False, wait=False)
    assert memory.result(arn) == "waited"
    memory.clock.advance(10 * DAYS)
    assert memory.emulator.delete_older(11 * DAYS) == 0
    assert memory.emulator.delete_older(9 * DAYS) == 1


def test_the_end_of_an_invoked_execution_is_kept_until_its_parent_knows(
    memory: EmulatorRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lose the notification of the parent, as a process that dies after the end does."""

    async def invokes(run: Invoked) -> Outcome:
        invoked = await run.invoke("i", "child:$LATEST")
        return PENDING if invoked.status == "STARTED" else succeeded(invoked.status)

    memory.add("f", invokes)
    memory.add("child", waits)
    arn = memory.start()
    memory.driver.run_until(lambda: False, wait=False)
    (child,) = memory.emulator.coordinator.schedule.arns - {arn}
    with monkeypatch.context() as patch:
        patch.setattr(memory.emulator.coordinator, "_carry_out", lambda effect: None)
        memory.driver.run_until(lambda: False, family=child)
    memory.clock.advance(1_000)
    assert memory.emulator.delete_older(0) == 0
    again = EmulatorRig(memory.emulator.store)
    again.clock.jump_to(memory.clock.now())
    again.add("f", invokes)
    again.run(arn)
    assert again.result(arn) == "SUCCEEDED"
    again.clock.advance(1_000)
    assert again.emulator.delete_older(0) == 2

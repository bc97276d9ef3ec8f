"""The time of an execution: modes, advances, and old logs without any."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.engine_driver import ARN, Execution, callback, invoke, step, wait

from durable_execution_sdk.engine.commands import (
    AdvanceTime,
    Command,
    MoveTime,
    SetTimeMode,
    StopExecution,
    Tick,
)
from durable_execution_sdk.engine.deadlines import (
    awaited_deadline,
    clock_deadline,
    next_deadline,
    retention_ends_at,
)
from durable_execution_sdk.engine.effects import NotifyParent, StartChild
from durable_execution_sdk.engine.events import (
    ExecutionStarted,
    ParentLink,
    TimeChanged,
    WaitSucceeded,
    decode_event,
    encode_event,
)
from durable_execution_sdk.engine.execution_time import (
    REAL_TIME,
    ExecutionTime,
    TimeMode,
    time_in_mode,
)
from durable_execution_sdk.engine.machine import decide, evolve, may_reuse_name, outstanding_effects
from durable_execution_sdk.engine.rejections import Rejected
from durable_execution_sdk.engine.views.progress import progress
from durable_execution_sdk.protocol.limits import LONGEST_TIMER_SECONDS

HOUR = 3_600_000


def now(execution: Execution) -> int:
    return execution.state.time.now(execution.now)


def suspended_in_a_wait(seconds: int = 3_600) -> Execution:
    execution = Execution(stands_still=True).start()
    execution.invoke()
    execution.checkpoint(wait(seconds=seconds))
    execution.suspend()
    return execution


def test_time_is_the_clocks_until_it_is_changed() -> None:
    execution = suspended_in_a_wait()
    assert execution.state.time is REAL_TIME
    assert clock_deadline(execution.state) == next_deadline(execution.state)


def test_an_event_of_an_earlier_version_has_real_time() -> None:
    execution = Execution().start()
    line = encode_event(execution.log[0])
    assert b"time" not in line.replace(b"execution_timeout", b"")
    decoded = decode_event(line)
    assert isinstance(decoded, ExecutionStarted)
    assert decoded.time == REAL_TIME


def test_a_moved_time_fires_what_is_due_and_is_in_the_log() -> None:
    execution = suspended_in_a_wait()
    deadline = next_deadline(execution.state)
    assert deadline is not None
    assert execution.tick() == []
    (changed,) = execution.send(MoveTime(to=deadline))
    assert isinstance(changed, TimeChanged)
    (ended,) = execution.send(Tick())
    assert isinstance(ended, WaitSucceeded)
    assert ended.at >= deadline
    assert execution.state.wants_invocation


def test_a_paused_time_stands_still_and_goes_on_where_it_stood() -> None:
    execution = suspended_in_a_wait()
    execution.send(SetTimeMode(mode=TimeMode.PAUSED))
    stood = now(execution)
    execution.now += 10 * HOUR
    assert now(execution) == stood
    assert clock_deadline(execution.state) is None
    assert execution.send(Tick()) == []
    execution.send(SetTimeMode(mode=TimeMode.REAL))
    assert now(execution) == stood
    execution.now += HOUR
    assert now(execution) == stood + HOUR
    (ended,) = execution.send(Tick())
    assert isinstance(ended, WaitSucceeded)


def test_a_paused_time_can_be_moved_to_a_deadline() -> None:
    execution = suspended_in_a_wait()
    execution.send(SetTimeMode(mode=TimeMode.PAUSED))
    deadline = next_deadline(execution.state)
    assert deadline is not None
    execution.send(MoveTime(to=deadline))
    at = clock_deadline(execution.state)
    assert at is not None
    assert at <= execution.now
    assert [type(event) for event in execution.send(Tick())] == [WaitSucceeded]


def test_the_same_mode_changes_nothing_and_ends_an_advance() -> None:
    execution = suspended_in_a_wait()
    assert execution.send(SetTimeMode(mode=TimeMode.REAL)) == []
    execution.send(AdvanceTime(to=now(execution) + HOUR))
    assert execution.state.time.advances_to == now(execution) + HOUR
    assert execution.send(AdvanceTime(to=now(execution) + 1)) == []
    execution.send(SetTimeMode(mode=TimeMode.REAL))
    assert execution.state.time == REAL_TIME


def test_an_advance_ends_when_its_time_is_reached() -> None:
    execution = suspended_in_a_wait(seconds=7_200)
    target = now(execution) + HOUR
    execution.send(AdvanceTime(to=target))
    execution.send(MoveTime(to=target - 1))
    assert execution.state.time.advances_to == target
    execution.send(MoveTime(to=target))
    assert execution.state.time.advances_to is None
    assert now(execution) == target


@pytest.mark.parametrize("mode", TimeMode)
def test_an_invoked_execution_gets_the_time_of_its_parent(mode: TimeMode) -> None:
    execution = Execution().start(time=time_in_mode(mode, 5_000_000, 1_000_000))
    assert execution.log[0].at == 5_000_000
    execution.invoke()
    execution.checkpoint(invoke())
    execution.suspend()
    (child,) = [act for act in outstanding_effects(execution.state) if isinstance(act, StartChild)]
    assert child.time == execution.state.time


def test_a_parent_is_told_the_time_of_the_end() -> None:
    link = ParentLink(arn=ARN, operation_id="i")
    execution = Execution().start(
        parent=link, time=time_in_mode(TimeMode.SKIP, 9_000_000, 1_000_000)
    )
    execution.invoke()
    execution.succeed()
    (told,) = [act for act in execution.acts if isinstance(act, NotifyParent)]
    assert told.time.now(execution.now) == now(execution)


def test_the_time_of_a_paused_execution_goes_on_when_it_ends() -> None:
    execution = Execution(stands_still=True).start(retention=1)
    execution.send(SetTimeMode(mode=TimeMode.PAUSED))
    execution.now += 10 * HOUR
    execution.send(StopExecution())
    expires_at = retention_ends_at(execution.state)
    assert expires_at is not None
    assert not may_reuse_name(execution.state, execution.state.input, execution.now + 23 * HOUR)
    assert may_reuse_name(execution.state, execution.state.input, execution.now + 25 * HOUR)


@pytest.mark.parametrize(
    "command", [SetTimeMode(mode=TimeMode.SKIP), AdvanceTime(to=1 << 50)], ids=["mode", "advance"]
)
def test_the_time_of_a_closed_execution_cannot_be_changed(command: Command) -> None:
    execution = Execution().start()
    execution.send(StopExecution())
    with pytest.raises(Rejected, match="Cannot change the time"):
        execution.send(command)
    assert execution.send(MoveTime(to=1 << 50)) == []


def test_the_longest_execution_timeout_alone_is_not_waited_for() -> None:
    execution = Execution().start(execution_timeout=LONGEST_TIMER_SECONDS)
    execution.invoke()
    execution.checkpoint(callback("a"))
    execution.suspend()
    assert awaited_deadline(execution.state) is None
    assert list(execution.state.open_callbacks) == ["a"]
    other = Execution().start(execution_timeout=LONGEST_TIMER_SECONDS - 1)
    assert awaited_deadline(other.state) == next_deadline(other.state)


def test_the_progress_shows_the_time() -> None:
    execution = Execution().start()
    execution.send(SetTimeMode(mode=TimeMode.SKIP))
    assert progress(execution.state).time.mode is TimeMode.SKIP


changes = st.lists(
    st.one_of(
        st.builds(SetTimeMode, mode=st.sampled_from(TimeMode)),
        st.builds(AdvanceTime, to=st.integers(0, 3_000_000)),
        st.builds(MoveTime, to=st.integers(0, 3_000_000)),
        st.integers(0, 500_000),
    ),
    max_size=30,
)


@given(changes)
def test_time_never_runs_backwards_and_the_log_gives_the_same_state(
    commands: list[Command | int],
) -> None:
    execution = Execution(stands_still=True).start()
    execution.invoke()
    execution.checkpoint(step("START"), wait(seconds=500), wait("v", seconds=1_500))
    latest = now(execution)
    for command in commands:
        if isinstance(command, int):
            execution.now += command
        else:
            before = now(execution)
            execution.send(command)
            if not isinstance(command, MoveTime):
                assert now(execution) == before
        assert now(execution) >= latest
        latest = now(execution)
        deadline = clock_deadline(execution.state)
        is_due = deadline is not None and deadline <= execution.now
        assert bool(decide(execution.state, Tick(), execution.now)) == is_due
        execution.send(Tick())
    assert [event.at for event in execution.log] == sorted(event.at for event in execution.log)
    state = None
    for event in execution.log:
        state = evolve(state, decode_event(encode_event(event)))
    assert state == execution.state


def test_a_time_is_one_small_object_in_the_log() -> None:
    changed = TimeChanged(at=1, time=ExecutionTime(mode=TimeMode.SKIP, ahead=5))
    assert json.loads(encode_event(changed)) == {
        "type": "TimeChanged",
        "at": 1,
        "time": {"mode": "skip", "ahead": 5},
    }

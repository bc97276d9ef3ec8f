"""The log of a fork: taken over, made anew and changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.engine_driver import (
    ARN,
    BOOM,
    CRASH,
    FUNCTIONS,
    Execution,
    callback,
    context,
    invoke,
    retry,
    step,
    wait,
)

from durable_execution_sdk.engine.commands import (
    Checkpoint,
    CompleteCallback,
    FinishChainedInvoke,
    PauseExecution,
    SetTimeMode,
    StartInvocation,
    StopExecution,
)
from durable_execution_sdk.engine.effects import InvokeHandler, StartChild
from durable_execution_sdk.engine.events import (
    Event,
    ForkOrigin,
    OperationFields,
    ParentLink,
    decode_event,
    encode_event,
)
from durable_execution_sdk.engine.execution_time import TimeMode, time_in_mode
from durable_execution_sdk.engine.fork import forked_events
from durable_execution_sdk.engine.machine import effects, evolve
from durable_execution_sdk.engine.rejections import Rejected
from durable_execution_sdk.engine.tokens import parse_callback_id
from durable_execution_sdk.engine.views.handler_view import invocation_event
from durable_execution_sdk.engine.views.history import history
from durable_execution_sdk.engine.views.progress import progress
from durable_execution_sdk.protocol import codec
from durable_execution_sdk.protocol.operations import OperationStatus

FORK = ARN.replace("order-7/run-1", "again/run-2")
LATER = 900_000_000


def fork(original: Execution, *, now: int = LATER, **options: Any) -> Execution:
    """Fork an execution, and check what holds for every fork."""
    events = forked_events(original.log, FORK, now, **options)
    forked = Execution(now=now)
    for event in events:
        forked.found = evolve(forked.found, decode_event(encode_event(event)))
    forked.log = list(events)
    assert [event.at for event in events] == sorted(event.at for event in events)
    assert forked.state.arn == FORK
    assert forked.state.time.now(now) == forked.log[-1].at
    assert [type(act) for act in effects(forked.state, events)] == [InvokeHandler]
    return forked


def worked() -> Execution:
    """An execution with a step that has ended, and a wait."""
    execution = Execution().start()
    execution.invoke()
    execution.checkpoint(step("START", "a"), step("SUCCEED", "a", payload='"A"'))
    execution.checkpoint(step("START", "b"), step("SUCCEED", "b", payload='"B"'), wait("w", 60))
    execution.suspend()
    execution.tick(60)
    execution.invoke()
    execution.succeed()
    return execution


def result(execution: Execution, operation_id: str) -> str | None:
    details = execution.operation(operation_id).step_details
    return None if details is None else details.result


def test_a_fork_has_what_was_recorded_before_an_operation() -> None:
    forked = fork(worked(), before="b")
    assert list(forked.state.operations) == ["run-2", "a"]
    assert result(forked, "a") == '"A"'
    assert forked.state.wants_invocation
    assert forked.invoke().updated_operation_ids == []
    with pytest.raises(Rejected, match="Invalid checkpoint token"):
        forked.send(Checkpoint(token=worked().log[1].token, updates=[]))  # type: ignore[union-attr]
    forked.checkpoint(step("START", "b"), step("SUCCEED", "b", payload='"other"'))
    forked.succeed()
    assert forked.state.status == "SUCCEEDED"


def test_a_fork_without_an_operation_has_everything_that_ended_but_the_end() -> None:
    forked = fork(worked())
    assert list(forked.state.operations) == ["run-2", "a", "b", "w"]
    assert forked.state.status == "RUNNING"
    assert [entry.event_type for entry in history(forked.log)][-1] == "InvocationCompleted"


def test_a_fork_of_an_execution_that_was_never_invoked_is_invoked() -> None:
    assert fork(Execution().start()).state.wants_invocation


def test_the_lineage_is_recorded_over_forks_of_forks() -> None:
    first = fork(worked(), before="b")
    origin = ForkOrigin(arn=ARN, before="b", first_arn=ARN)
    assert progress(first.state).forked_from == origin
    second = forked_events(first.log, FORK.replace("again", "third"), LATER, before="a")
    state = None
    for event in second:
        state = evolve(state, event)
    assert state is not None
    assert state.forked_from == ForkOrigin(arn=FORK, before="a", first_arn=ARN)


def test_only_the_handler_of_a_fork_is_told_of_the_first_execution() -> None:
    forked = fork(worked())
    event = codec.encode_invocation(forked.invoke())
    assert event["ForkedFromArn"] == ARN
    assert codec.decode_invocation(event).forked_from_arn == ARN
    original = Execution().start()
    assert "ForkedFromArn" not in codec.encode_invocation(original.invoke())


def test_only_the_handler_of_another_time_is_told_of_the_offset() -> None:
    running = Execution().start()
    running.invoke()
    assert "TimeOffsetMilliseconds" not in codec.encode_invocation(invocation_event(running.state))
    event = codec.encode_invocation(invocation_event(running.state, time_offset=-5))
    assert event["TimeOffsetMilliseconds"] == -5
    assert codec.decode_invocation(event).time_offset_milliseconds == -5


def test_the_input_can_be_changed() -> None:
    assert fork(worked(), payload='{"n":2}').state.input == '{"n":2}'
    assert fork(worked()).state.input == '{"n":1}'


def test_a_fork_belongs_to_no_parent() -> None:
    original = Execution().start(parent=ParentLink(arn="p", operation_id="i"), synchronous=True)
    forked = fork(original)
    assert forked.state.parent is None
    assert not forked.state.synchronous


def test_time_goes_on_at_the_cut_so_a_wait_has_as_much_left_as_then() -> None:
    original = Execution(stands_still=True).start(execution_timeout=3_600)
    original.invoke()
    original.checkpoint(wait("w", 60))
    original.now += 50_000
    original.checkpoint(step("START", "s"))
    forked = fork(original)
    assert forked.state.time.ahead < 0
    forked.invoke()
    forked.suspend()
    forked.stands_still = True
    forked.now += 9_000
    forked.tick()
    assert forked.status("w") == "STARTED"
    forked.now += 1_000
    forked.tick()
    assert forked.status("w") == "SUCCEEDED"


@pytest.mark.parametrize("mode", TimeMode)
def test_a_fork_has_the_mode_of_the_original_time(mode: TimeMode) -> None:
    original = Execution().start(time=time_in_mode(TimeMode.SKIP, 5_000_000, 1_000_000))
    original.send(SetTimeMode(mode=mode))
    assert fork(original).state.time.mode is mode


def test_a_running_attempt_is_interrupted_and_an_earlier_one_counts() -> None:
    original = Execution().start()
    original.invoke()
    original.checkpoint(step("START", "s"), retry("s", delay=5))
    original.suspend()
    original.tick(5)
    original.invoke()
    original.checkpoint(step("START", "s"))
    forked = fork(original)
    assert forked.status("s") == "STARTED"
    details = forked.operation("s").step_details
    assert details is not None
    assert details.attempt == 1


def test_a_step_that_waits_for_its_retry_waits_on() -> None:
    original = Execution(stands_still=True).start()
    original.invoke()
    original.checkpoint(step("START", "s"), retry("s", delay=5, error=BOOM))
    original.suspend()
    forked = fork(original)
    assert forked.status("s") == "PENDING"
    forked.stands_still = True
    forked.now += 5_000
    forked.tick()
    assert forked.status("s") == "READY"


def test_an_open_callback_gets_an_id_of_the_fork_and_an_answered_one_keeps_its_own() -> None:
    original = Execution().start()
    original.invoke()
    original.checkpoint(callback("open", timeout=60), callback("answered"))
    original.send(CompleteCallback(operation_id="answered", result="1"))
    forked = fork(original, secret="s")
    details = forked.operation("open").callback_details
    kept = forked.operation("answered").callback_details
    assert details is not None and details.callback_id is not None
    assert kept is not None and kept.callback_id is not None
    assert parse_callback_id(details.callback_id) == (FORK, "open")
    assert parse_callback_id(kept.callback_id) == (ARN, "answered")
    forked.send(CompleteCallback(operation_id="open", callback_id=details.callback_id, result="2"))
    assert forked.status("open") == "SUCCEEDED"


def waits_for_callback() -> Execution:
    original = Execution().start()
    original.invoke()
    original.checkpoint(
        context("START", "c", sub_type="WaitForCallback"),
        callback("cb", parent_id="c"),
        step("START", "submit", parent_id="c"),
        step("SUCCEED", "submit", parent_id="c"),
    )
    return original


def test_the_submitter_of_an_open_callback_runs_again() -> None:
    assert list(fork(waits_for_callback()).state.operations) == ["run-2", "c", "cb"]


def test_the_submitter_of_a_callback_that_was_answered_or_is_now_does_not() -> None:
    answered = waits_for_callback()
    answered.send(CompleteCallback(operation_id="cb", result="1"))
    assert "submit" in fork(answered).state.operations
    forked = fork(waits_for_callback(), results={"cb": "2"})
    assert "submit" in forked.state.operations
    assert forked.status("cb") == "SUCCEEDED"


def test_an_open_invoke_is_left_out_and_starts_another_execution() -> None:
    original = Execution().start()
    original.invoke()
    original.checkpoint(invoke(operation_id="i"), invoke(operation_id="done"))
    original.send(
        FinishChainedInvoke(operation_id="done", status=OperationStatus.SUCCEEDED, result="1")
    )
    forked = fork(original)
    assert list(forked.state.operations) == ["run-2", "done"]
    forked.invoke()
    forked.send(
        Checkpoint(token=forked.token, updates=[invoke(operation_id="i")], functions=FUNCTIONS)
    )
    (started,) = [act for act in forked.acts if isinstance(act, StartChild)]
    assert started.parent_arn == FORK
    assert started.arn not in str(original.log)


def test_a_result_can_be_changed_also_to_a_success() -> None:
    original = Execution().start()
    original.invoke()
    original.checkpoint(
        step("START", "a"),
        step("SUCCEED", "a", payload='"A"'),
        step("START", "b"),
        step("FAIL", "b", error=BOOM),
        context("START", "c"),
        context("FAIL", "c", error=BOOM),
        invoke("missing", "i"),
    )
    forked = fork(original, results={"a": "1", "b": "2", "c": "3", "i": "4"})
    assert (result(forked, "a"), result(forked, "b")) == ("1", "2")
    assert {forked.status(operation_id) for operation_id in "abci"} == {"SUCCEEDED"}
    attempts = [forked.operation(name).step_details.attempt for name in "ab"]  # type: ignore[union-attr]
    assert attempts == [1, 1]


@pytest.mark.parametrize(
    "update", [step("START", "x"), callback("x"), invoke(operation_id="x"), context("START", "x")]
)
def test_an_open_operation_can_be_given_a_result(update: Any) -> None:
    original = Execution().start()
    original.invoke()
    original.checkpoint(update)
    forked = fork(original, results={"x": "7"})
    assert forked.status("x") == "SUCCEEDED"
    assert forked.invoke().updated_operation_ids == ["x"]


def nested() -> Execution:
    original = Execution().start()
    original.invoke()
    original.checkpoint(
        context("START", "c"),
        step("START", "s", parent_id="c"),
        step("SUCCEED", "s", parent_id="c"),
        context("SUCCEED", "c"),
        wait("w"),
    )
    return original


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"before": "nothing"}, "no operation nothing to fork before"),
        ({"before": "run-1"}, "no operation run-1 to fork before"),
        ({"results": {"nothing": "1"}}, "no operation nothing"),
        ({"before": "c", "results": {"s": "1"}}, "no operation s"),
        ({"results": {"w": "1"}}, "a wait has no result"),
        ({"results": {"run-1": "1"}}, "an? execution has no result"),
        ({"results": {"s": "1"}}, r"inside an unnamed context \(c\), which has ended"),
    ],
)
def test_an_impossible_fork_is_refused(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(Rejected, match=problem):
        forked_events(nested().log, FORK, LATER, **options)


def test_children_of_a_context_that_was_cut_are_there_for_the_handler() -> None:
    forked = fork(nested(), before="w")
    hidden = [operation.id for operation in forked.invoke().initial_execution_state.operations]
    assert hidden == ["run-2", "c"]
    original = nested()
    cut = next(
        index
        for index, event in enumerate(original.log)
        if isinstance(event, OperationFields) and event.operation.id == "c" and index > 3
    )
    original.log = original.log[:cut]
    assert fork(original).status("c") == "STARTED"


@pytest.mark.parametrize("is_running", [True, False])
def test_a_fork_of_a_paused_execution_runs_and_has_as_much_time_left(is_running: bool) -> None:
    original = Execution(stands_still=True).start(execution_timeout=3_600)
    times_out_at = original.state.times_out_at
    original.invoke()
    if not is_running:
        original.checkpoint(wait())
        original.suspend()
    original.send(PauseExecution())
    forked = fork(original)
    assert forked.state.status == "RUNNING"
    assert abs(forked.state.times_out_at - times_out_at) <= 10


def test_a_failed_invocation_and_its_retry_do_not_hold_up_a_fork() -> None:
    original = Execution().start()
    for _ in range(3):
        original.invoke()
        original.crash()
        original.tick(100)
    original.invoke()
    original.crash()
    forked = fork(original)
    assert forked.state.failures == 0
    forked.send(StartInvocation(request_id="r"))


ENDINGS: dict[str, Callable[[Execution], object]] = {
    "stopped": lambda execution: execution.send(StopExecution()),
    "failed": lambda execution: execution.finish(error=CRASH, fatal=True),
    "running": lambda execution: None,
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_execution_can_be_forked_however_it_ended(ending: str) -> None:
    original = Execution().start()
    original.invoke()
    original.checkpoint(step("START", "a"), step("SUCCEED", "a"))
    ENDINGS[ending](original)
    forked = fork(original)
    forked.invoke()
    forked.succeed()
    assert forked.state.status == "SUCCEEDED"


@given(st.integers(0, 100))
def test_every_cut_gives_a_log_that_can_be_gone_on_with(cut: int) -> None:
    original = waits_for_callback()
    original.checkpoint(
        step("START", "s"),
        retry("s"),
        context("START", "d"),
        step("START", "t", parent_id="d"),
        invoke(operation_id="i"),
    )
    original.suspend()
    original.tick(5)
    original.invoke()
    original.checkpoint(step("START", "s"), step("SUCCEED", "s"), context("SUCCEED", "d"))
    whole: list[Event] = original.log
    original.log = whole[: 1 + cut % len(whole)]
    forked = fork(original)
    invocation_event(_invoked(forked).state)
    forked.suspend() if forked.state.pending_count else forked.succeed()


def _invoked(execution: Execution) -> Execution:
    execution.send(StartInvocation(request_id="next"))
    return execution

"""The log that is rebuilt from a history: the one of the history, as far as that tells."""

from __future__ import annotations

from msgspec.structs import replace
from tests.engine.engine_driver import (
    ARN,
    BOOM,
    Execution,
    callback,
    context,
    invoke,
    replayed_context,
    retry,
    step,
    wait,
)
from tests.engine.rebuilt import check_rebuilt, rebuilt

from durable_execution_sdk.engine.commands import (
    CompleteCallback,
    HeartbeatCallback,
    PauseExecution,
    ResumeExecution,
)
from durable_execution_sdk.engine.events import ParentLink
from durable_execution_sdk.engine.from_history import HistoryLog
from durable_execution_sdk.engine.state import TimerKind
from durable_execution_sdk.engine.views.history import history
from durable_execution_sdk.engine.views.progress import progress
from durable_execution_sdk.protocol.history import HistoryEvent


def test_retries_and_polls_have_their_attempts_and_delays(running: Execution) -> None:
    running.checkpoint(step("START"), retry(error=BOOM), retry("poll", payload="1"))
    check_rebuilt(running)
    running.tick(5)
    running.suspend()
    running.invoke()
    running.checkpoint(step("START"), step("SUCCEED"), step("FAIL", "poll", error=BOOM))
    check_rebuilt(running)


def test_what_is_open_waits_for_the_same_times(running: Execution) -> None:
    running.checkpoint(wait(seconds=60), callback(timeout=30), invoke(), context("START"))
    check_rebuilt(running)
    log = rebuilt(running.history())
    assert log.state is not None
    assert [each.waiting for each in progress(log.state).operations] == [
        each.waiting for each in progress(running.state).operations
    ]


def test_a_context_that_replays_its_children_is_rebuilt(running: Execution) -> None:
    running.checkpoint(replayed_context(), step("SUCCEED", "x", parent_id="c"))
    running.succeed()
    check_rebuilt(running)


def test_a_heartbeat_that_is_not_told_leaves_no_deadline_that_may_be_wrong(
    running: Execution,
) -> None:
    running.checkpoint(callback(timeout=600, heartbeat=10))
    [name] = running.state.open_callbacks
    details = running.operation(name).callback_details
    assert details is not None
    callback_id = details.callback_id
    assert callback_id is not None
    running.send(HeartbeatCallback(operation_id=name, callback_id=callback_id))
    again = rebuilt(running.history()).state
    assert again is not None
    assert (name, TimerKind.CALLBACK_HEARTBEAT) not in again.timers
    check_rebuilt(running)
    running.send(CompleteCallback(operation_id=name, callback_id=callback_id, result="1"))
    check_rebuilt(running)


def test_a_pause_moves_the_timeout_and_a_resume_moves_it_back(running: Execution) -> None:
    running.suspend()
    running.send(PauseExecution(reason="why"))
    check_rebuilt(running)
    running.now += 60_000
    running.send(ResumeExecution(reason="on"))
    check_rebuilt(running)


def test_a_failed_invocation_comes_again(running: Execution) -> None:
    running.crash()
    check_rebuilt(running)
    log = rebuilt(running.history())
    assert log.state is not None
    assert log.state.last_failure is not None
    assert not progress(log.state).is_idle
    assert log.state.invocation_count == 1


def test_a_step_whose_start_was_not_recorded_is_there(running: Execution) -> None:
    running.checkpoint(step("SUCCEED"))
    entries = [each for each in running.history() if each.event_type != "StepStarted"]
    assert len(entries) == 2
    rebuilt(entries)


def test_entries_that_cannot_be_understood_are_passed_over(running: Execution) -> None:
    running.checkpoint(step("SUCCEED"))
    first, *others = running.history()
    unknown = HistoryEvent(event_type="StepDreamt", event_id=2, event_timestamp=3, id="s")
    bare = [HistoryEvent(event_type=kind, event_id=3, event_timestamp=3, id="s") for kind in BARE]
    log = HistoryLog(ARN)
    assert log.take(others[0]) == []
    taken = [log.take(entry) for entry in (first, unknown, first, *bare, *others)]
    assert taken[1:3] == [[], []]
    assert log.state is not None


BARE = [
    "StepFailed",
    "WaitStarted",
    "WaitSucceeded",
    "CallbackStarted",
    "CallbackTimedOut",
    "ChainedInvokeStarted",
    "ChainedInvokeStopped",
    "ContextFailed",
    "InvocationCompleted",
    "ExecutionPaused",
    "ExecutionResumed",
    "ExecutionTimedOut",
]
"""Types of which an entry without details is the least that a service can send."""


def test_payloads_that_were_left_out_are_missing_and_nothing_else(running: Execution) -> None:
    running.checkpoint(step("SUCCEED", payload="1"))
    running.succeed()
    full = running.history()
    log = HistoryLog(ARN)
    events = [
        e for each in history(running.log, include_execution_data=False) for e in log.take(each)
    ]
    assert [each.event_type for each in history(events)] == [each.event_type for each in full]
    assert log.state is not None
    assert log.state.result is None


def test_times_of_the_service_have_fractions(running: Execution) -> None:
    entry = replace(running.history()[0], event_timestamp=1_000_000.4)
    [started] = HistoryLog(ARN).take(entry)
    assert started.at == 1_000_000


def test_the_invoke_that_it_was_started_by_is_kept(running: Execution) -> None:
    parent = ParentLink(arn=ARN.replace("order-7", "parent"), operation_id="i")
    log = HistoryLog(ARN, parent=parent)
    log.take(running.history()[0])
    assert log.state is not None
    assert log.state.parent == parent

from __future__ import annotations

import pytest
from tests.engine.engine_driver import BOOM, Execution, callback, retry, step, update, wait

from durable_execution_sdk.engine.commands import HeartbeatCallback
from durable_execution_sdk.engine.deadlines import next_deadline, retention_ends_at
from durable_execution_sdk.engine.events import CallbackTimedOut, WaitSucceeded
from durable_execution_sdk.protocol.operations import StepDetails


def details(execution: Execution, operation_id: str = "s") -> StepDetails:
    step = execution.operation(operation_id).step_details
    assert step is not None
    return step


def test_a_wait_ends_when_it_is_due_and_not_before(running: Execution) -> None:
    running.checkpoint(wait(seconds=10))
    assert next_deadline(running.state) == running.state.last_at + 10_000
    running.tick(9.999)
    assert running.status("w") == "STARTED"
    running.tick(0.001)
    assert running.status("w") == "SUCCEEDED"


def test_a_tick_with_nothing_due_changes_nothing(running: Execution) -> None:
    running.checkpoint(wait())
    assert running.tick(1) == []


def test_a_cancelled_wait_never_goes_off(running: Execution) -> None:
    running.checkpoint(wait(seconds=10))
    running.checkpoint(update("WAIT", "CANCEL", "w"))
    assert running.status("w") == "CANCELLED"
    assert running.tick(10) == []
    assert next_deadline(running.state) == running.state.times_out_at


def test_a_late_tick_fires_timers_in_order_of_their_due_times(
    running: Execution,
) -> None:
    running.checkpoint(wait("late", seconds=7), wait("early", seconds=5))
    running.tick(3_600)
    early, late = running.operation("early"), running.operation("late")
    assert early.end_timestamp is not None and late.end_timestamp is not None
    assert early.end_timestamp < late.end_timestamp


def test_timers_due_together_fire_together_in_order_of_their_starts(
    running: Execution,
) -> None:
    running.checkpoint(*(wait(f"w{number}", seconds=5) for number in range(5)))
    events = running.tick(5)
    assert [event.operation.id for event in events if isinstance(event, WaitSucceeded)] == [
        f"w{number}" for number in range(5)
    ]
    assert len({event.at for event in events}) == 1


def test_a_retried_step_is_pending_until_it_is_due_and_then_ready(running: Execution) -> None:
    running.checkpoint(step("START"), retry(delay=5, error=BOOM))
    step_details = details(running)
    assert (running.status("s"), step_details.attempt, step_details.error) == ("PENDING", 1, BOOM)
    assert step_details.next_attempt_timestamp == running.state.last_at + 5_000
    running.tick(5)
    assert running.status("s") == "READY"
    assert details(running).next_attempt_timestamp is None


def test_attempts_are_counted_when_they_end(running: Execution) -> None:
    running.checkpoint(step("START"))
    assert details(running).attempt == 0
    for attempt in (1, 2):
        running.checkpoint(retry(delay=1, error=BOOM))
        assert details(running).attempt == attempt
        running.tick(1)
        running.checkpoint(step("START"))
        assert (running.status("s"), details(running).attempt) == ("STARTED", attempt)
    running.checkpoint(step("SUCCEED", payload="9"))
    assert (details(running).attempt, details(running).result) == (3, "9")


@pytest.mark.parametrize("is_start_recorded", [True, False])
def test_attempts_of_an_execution_are_counted_when_they_begin(
    running: Execution, is_start_recorded: bool
) -> None:
    start = [step("START")] if is_start_recorded else []
    running.checkpoint(wait(seconds=100), *start, retry(delay=1, error=BOOM))
    assert running.state.attempts == 1
    running.tick(1)
    assert (running.status("s"), running.state.attempts) == ("READY", 1)
    if is_start_recorded:
        running.checkpoint(step("START"))
        assert running.state.attempts == 2
    running.checkpoint(step("SUCCEED", payload="9"))
    running.tick(100)
    assert (running.status("w"), running.state.attempts) == ("SUCCEEDED", 2)


def test_the_state_of_a_poll_is_kept_through_its_next_attempt(running: Execution) -> None:
    running.checkpoint(step("START"), retry(delay=1, payload='{"seen":1}'))
    running.tick(1)
    running.checkpoint(step("START"))
    assert details(running).result == '{"seen":1}'


def test_a_step_keeps_the_time_at_which_it_first_started(running: Execution) -> None:
    running.checkpoint(step("START"), retry(delay=1, error=BOOM))
    started_at = running.operation("s").start_timestamp
    running.tick(1)
    running.checkpoint(step("START"))
    assert running.operation("s").start_timestamp == started_at


def test_a_year_of_waiting_is_one_deadline(running: Execution) -> None:
    year = 31_622_400
    execution = Execution().start(execution_timeout=year)
    execution.invoke()
    execution.checkpoint(wait(seconds=year - 60))
    execution.tick(year - 60)
    assert execution.status("w") == "SUCCEEDED"


def test_an_execution_times_out_in_any_state() -> None:
    for running in (False, True):
        execution = Execution().start(execution_timeout=60)
        execution.invoke()
        execution.checkpoint(wait(seconds=3_600))
        if not running:
            execution.suspend()
        execution.tick(60)
        assert execution.state.status == "TIMED_OUT"
        assert execution.state.error is not None
        assert "60 seconds" in (execution.state.error.error_message or "")
        assert execution.status("w") == "STARTED"
        assert next_deadline(execution.state) is None


def test_a_wait_that_is_due_with_the_timeout_ends_before_it() -> None:
    execution = Execution().start(execution_timeout=60)
    execution.now = execution.state.started_at
    execution.invoke()
    due_in = (execution.state.times_out_at - execution.state.last_at) / 1_000
    execution.checkpoint(callback("never"), wait(seconds=59))
    execution.tick(due_in)
    assert (execution.status("w"), execution.state.status) == ("SUCCEEDED", "TIMED_OUT")


def test_a_closed_execution_is_kept_for_its_retention(running: Execution) -> None:
    assert retention_ends_at(running.state) is None
    running.succeed()
    assert retention_ends_at(running.state) == running.state.last_at + 14 * 86_400_000


def far_ahead(milliseconds: int = 1_500) -> Execution:
    """Return an execution whose log is ahead of a clock that stands still."""
    execution = Execution(stands_still=True).start()
    execution.invoke()
    run_ahead(execution, milliseconds)
    return execution


def run_ahead(execution: Execution, milliseconds: int) -> None:
    for number in range(milliseconds):
        execution.checkpoint(step("SUCCEED", f"s{number}", payload="1"))


STARTS = {
    "wait": wait("last", 10),
    "retry": retry("last", 10),
    "callback": callback("last", timeout=10),
    "heartbeat": callback("last", heartbeat=10),
}


@pytest.mark.parametrize("kind", STARTS)
def test_timers_are_due_by_the_clock_however_far_the_log_is_ahead(kind: str) -> None:
    execution = far_ahead()
    assert execution.state.last_at > execution.now + 1_000
    execution.checkpoint(STARTS[kind])
    began_at = execution.state.last_at
    assert execution.tick(9.999) == []
    [event] = execution.tick(0.001)
    # In the log's time it has its full length too.
    assert event.at == began_at + 10_000
    if isinstance(event, WaitSucceeded):
        assert event.seconds == 10
    if kind == "callback":
        assert isinstance(event, CallbackTimedOut)
        assert "after 10 seconds" in (event.error.error_message or "")


def test_a_sign_of_life_counts_from_the_clock() -> None:
    execution = far_ahead()
    execution.checkpoint(STARTS["heartbeat"])
    execution.now += 8_000
    execution.send(HeartbeatCallback(operation_id="last"))
    assert execution.tick(9.999) == []
    assert len(execution.tick(0.001)) == 1


def test_a_failed_invocation_is_retried_by_the_clock() -> None:
    execution = far_ahead()
    execution.crash()
    assert execution.tick(0.999) == []
    assert len(execution.tick(0.001)) == 1


def test_timers_are_recorded_in_order_however_far_the_log_was_ahead() -> None:
    execution = far_ahead(0)
    execution.checkpoint(wait("early", 10))
    run_ahead(execution, 1_500)
    execution.now += 1_000
    execution.checkpoint(wait("together", 9), wait("later", 10))
    ends = [event for event in execution.tick(20) if isinstance(event, WaitSucceeded)]
    assert [event.operation.id for event in ends] == ["early", "together", "later"]
    times = [event.at for event in ends]
    assert times[0] <= times[1] < times[2]
    assert [event.seconds for event in ends] == [10, 9, 10]

from __future__ import annotations

import pytest
from tests.engine.engine_driver import BOOM, Execution, callback, step, update, wait

from durable_execution_sdk.engine.commands import (
    CompleteCallback,
    PauseExecution,
    ResumeExecution,
    StopExecution,
)
from durable_execution_sdk.engine.deadlines import next_deadline
from durable_execution_sdk.engine.limits import DEFAULT_LIMITS
from durable_execution_sdk.engine.rejections import Rejected
from durable_execution_sdk.engine.views.description import describe

DAY = 86_400


@pytest.fixture
def suspended(running: Execution) -> Execution:
    running.checkpoint(wait(seconds=10), callback())
    running.suspend()
    return running


def test_an_execution_at_rest_is_paused_at_once(suspended: Execution) -> None:
    suspended.send(PauseExecution(reason="lunch"))
    assert suspended.state.status == "PAUSED"


def test_timers_and_callbacks_go_on_but_the_handler_is_not_invoked(suspended: Execution) -> None:
    suspended.send(PauseExecution())
    suspended.tick(10)
    suspended.send(CompleteCallback(operation_id="cb"))
    assert (suspended.status("w"), suspended.status("cb")) == ("SUCCEEDED", "SUCCEEDED")
    assert suspended.acts == []
    with pytest.raises(Rejected, match="it is PAUSED"):
        suspended.invoke()


def test_a_resumed_execution_is_invoked_if_something_completed(suspended: Execution) -> None:
    suspended.send(PauseExecution())
    suspended.tick(10)
    suspended.send(ResumeExecution())
    assert (suspended.state.status, len(suspended.acts)) == ("RUNNING", 1)
    assert suspended.invoke().updated_operation_ids == ["w"]


def test_a_resumed_execution_goes_on_waiting_if_nothing_completed(suspended: Execution) -> None:
    suspended.send(PauseExecution())
    suspended.send(ResumeExecution())
    assert (suspended.state.status, suspended.acts) == ("RUNNING", [])


def test_a_paused_execution_that_was_never_invoked_is_invoked_after_the_pause(
    execution: Execution,
) -> None:
    execution.send(PauseExecution())
    assert execution.acts == []
    execution.send(ResumeExecution())
    assert len(execution.acts) == 1


# While an invocation runs


def test_a_running_invocation_is_cut_at_its_next_checkpoint(running: Execution) -> None:
    token = running.token
    running.send(PauseExecution())
    assert running.state.status == "PAUSING"
    response = running.checkpoint(step("SUCCEED"), token=token)
    assert response.checkpoint_token is None
    assert [operation.id for operation in response.operations] == ["s"]
    assert running.state.status == "PAUSED"
    with pytest.raises(Rejected) as refused:
        running.checkpoint(token="anything")
    assert refused.value.is_stale_token


def test_a_cut_invocation_may_return_pending_and_is_invoked_after_the_pause(
    running: Execution,
) -> None:
    running.send(PauseExecution())
    running.checkpoint(step("START"))
    running.suspend()
    assert (running.state.refusals, running.acts) == (0, [])
    running.send(ResumeExecution())
    assert len(running.acts) == 1


def test_a_cut_invocation_that_outlives_the_pause_is_waited_for(running: Execution) -> None:
    running.send(PauseExecution())
    running.checkpoint(step("START"))
    running.send(ResumeExecution())
    assert running.acts == []
    running.suspend()
    assert len(running.acts) == 1


def test_an_invocation_that_suspends_by_itself_begins_the_pause(running: Execution) -> None:
    running.checkpoint(wait())
    running.send(PauseExecution())
    running.suspend()
    assert running.state.status == "PAUSED"
    running.send(ResumeExecution())
    assert running.acts == []


def test_an_invocation_that_crashes_begins_the_pause_and_is_invoked_after_it(
    running: Execution,
) -> None:
    running.send(PauseExecution())
    running.crash()
    assert (running.state.status, running.acts) == ("PAUSED", [])
    running.send(ResumeExecution())
    assert len(running.acts) == 1


def test_a_cut_invocation_that_crashes_is_invoked_after_the_pause(running: Execution) -> None:
    running.send(PauseExecution())
    running.checkpoint()
    running.crash()
    assert (running.state.status, running.acts) == ("PAUSED", [])
    running.send(ResumeExecution())
    assert len(running.acts) == 1


def test_a_result_ends_an_execution_that_was_about_to_pause(running: Execution) -> None:
    running.send(PauseExecution())
    running.succeed()
    assert running.state.status == "SUCCEEDED"


def test_a_settled_result_ends_an_execution_that_was_about_to_pause(running: Execution) -> None:
    running.send(PauseExecution())
    running.checkpoint(update("EXECUTION", "SUCCEED", "e", payload="1"))
    assert running.state.status == "PAUSING"
    running.succeed("")
    assert (running.state.status, running.state.result) == ("SUCCEEDED", "1")


def test_resuming_before_the_pause_began_lets_the_invocation_go_on(running: Execution) -> None:
    running.send(PauseExecution())
    running.send(ResumeExecution())
    assert running.state.status == "RUNNING"
    assert running.checkpoint(step("START")).checkpoint_token is not None
    assert "ExecutionPaused" not in running.story()


# The execution timeout


def test_the_execution_timeout_stands_still_while_paused(suspended: Execution) -> None:
    times_out_at = suspended.state.times_out_at
    suspended.send(PauseExecution())
    paused_at = suspended.state.last_at
    suspended.tick(5 * DAY)
    assert suspended.state.status == "PAUSED"
    suspended.send(ResumeExecution())
    assert suspended.state.times_out_at == times_out_at + suspended.state.last_at - paused_at
    suspended.now = suspended.state.times_out_at
    suspended.tick()
    assert suspended.state.status == "TIMED_OUT"


def test_a_paused_execution_ends_after_366_days(suspended: Execution) -> None:
    suspended.send(PauseExecution())
    cap = suspended.state.started_at + DEFAULT_LIMITS.paused_execution_seconds * 1_000
    assert describe(suspended.state).expected_execution_timeout_timestamp == cap
    suspended.now = cap
    suspended.tick()
    assert suspended.state.status == "TIMED_OUT"


def test_the_timeout_may_be_left_running(suspended: Execution) -> None:
    suspended.send(PauseExecution(execution_timeout_paused=False))
    suspended.tick(DAY)
    assert suspended.state.status == "TIMED_OUT"


def test_a_stopped_pause_is_over(suspended: Execution) -> None:
    suspended.send(PauseExecution())
    suspended.send(StopExecution(error=BOOM))
    assert suspended.state.status == "STOPPED"
    assert next_deadline(suspended.state) is None
    assert describe(suspended.state).pause_details is None


# Who may ask


def test_an_execution_that_is_not_running_cannot_be_paused(suspended: Execution) -> None:
    suspended.send(PauseExecution())
    with pytest.raises(Rejected) as refused:
        suspended.send(PauseExecution())
    assert (refused.value.code, refused.value.status) == ("ResourceConflictException", 409)


def test_an_execution_that_is_not_paused_cannot_be_resumed(suspended: Execution) -> None:
    with pytest.raises(Rejected) as refused:
        suspended.send(ResumeExecution())
    assert refused.value.code == "ResourceConflictException"


def test_the_same_request_again_is_welcome_for_a_quarter_of_an_hour(suspended: Execution) -> None:
    suspended.send(PauseExecution(client_token="p"))
    assert suspended.send(PauseExecution(client_token="p")) == []
    suspended.send(ResumeExecution(client_token="r"))
    assert suspended.send(ResumeExecution(client_token="r")) == []
    suspended.tick(16 * 60)
    with pytest.raises(Rejected):
        suspended.send(ResumeExecution(client_token="r"))


def test_a_reason_has_its_limit(suspended: Execution) -> None:
    with pytest.raises(Rejected, match="1025 characters"):
        suspended.send(PauseExecution(reason="x" * 1_025))
    suspended.send(PauseExecution(reason="x" * 1_024))
    with pytest.raises(Rejected, match="1025 characters"):
        suspended.send(ResumeExecution(reason="x" * 1_025))


def test_a_pause_is_described(suspended: Execution) -> None:
    suspended.send(PauseExecution(reason="lunch"))
    description = describe(suspended.state)
    assert (description.status, description.pause_details is not None) == ("PAUSED", True)
    assert description.pause_details is not None
    assert description.pause_details.reason == "lunch"
    assert description.pause_details.pause_request_timestamp == suspended.state.last_at
    hidden = describe(suspended.state, include_execution_data=False).pause_details
    assert hidden is not None and hidden.reason is None

from __future__ import annotations

import pytest
from tests.engine.engine_driver import (
    BOOM,
    CRASH,
    Execution,
    callback,
    context,
    retry,
    step,
    update,
    wait,
)

from durable_execution_sdk.engine.commands import (
    AcceptCode,
    CompleteCallback,
    FinishInvocation,
    PauseExecution,
    ResumeExecution,
    StartInvocation,
    StopExecution,
)
from durable_execution_sdk.engine.deadlines import next_deadline
from durable_execution_sdk.engine.effects import InvokeHandler
from durable_execution_sdk.engine.events import CodeAccepted
from durable_execution_sdk.engine.limits import Limits
from durable_execution_sdk.engine.rejections import Rejected
from durable_execution_sdk.protocol.data_plane import Outcome, OutcomeStatus
from durable_execution_sdk.protocol.error_object import ErrorObject


def invoked_again(execution: Execution) -> bool:
    return any(isinstance(act, InvokeHandler) for act in execution.acts)


# When


def test_a_new_execution_is_invoked_with_its_input_alone(execution: Execution) -> None:
    assert invoked_again(execution)
    invocation = execution.invoke()
    (operation,) = invocation.initial_execution_state.operations
    assert (operation.id, operation.type, operation.status) == ("run-1", "EXECUTION", "STARTED")
    assert operation.execution_details is not None
    assert operation.execution_details.input_payload == '{"n":1}'
    assert invocation.initial_execution_state.next_marker == ""
    assert invocation.updated_operation_ids == []


def test_there_is_one_invocation_at_a_time(running: Execution) -> None:
    with pytest.raises(Rejected, match="request-1 is running") as refused:
        running.send(StartInvocation(request_id="another"))
    assert refused.value.status == 409


def test_a_suspended_execution_is_not_invoked_without_a_reason(running: Execution) -> None:
    running.checkpoint(wait())
    running.suspend()
    assert not invoked_again(running)
    with pytest.raises(Rejected, match="nothing has changed"):
        running.invoke()


def test_operations_that_changed_since_the_last_invocation_are_named(running: Execution) -> None:
    running.checkpoint(wait(seconds=1), callback(), retry(delay=1, error=BOOM))
    running.suspend()
    running.tick(1)
    running.send(CompleteCallback(operation_id="cb"))
    assert running.invoke().updated_operation_ids == ["w", "s", "cb"]


def test_a_change_that_the_handler_saw_in_an_answer_is_no_reason_to_invoke(
    running: Execution,
) -> None:
    running.checkpoint(wait("a", seconds=1), wait("b", seconds=60))
    running.tick(1)
    running.checkpoint()
    running.suspend()
    assert not invoked_again(running)


def test_a_change_that_the_handler_did_not_see_invokes_it_again(running: Execution) -> None:
    running.checkpoint(wait("a", seconds=1), wait("b", seconds=60))
    running.tick(1)
    assert not invoked_again(running)
    running.suspend()
    assert invoked_again(running)
    assert running.invoke().updated_operation_ids == ["a"]


def test_a_callback_may_be_answered_while_the_handler_is_about_to_suspend(
    running: Execution,
) -> None:
    running.checkpoint(callback())
    running.send(CompleteCallback(operation_id="cb"))
    running.suspend()
    assert invoked_again(running)


def test_an_interrupted_invocation_is_no_failure_and_is_made_again_at_once(
    running: Execution,
) -> None:
    running.crash()
    running.tick(60)
    running.invoke()
    running.checkpoint(step("START"))
    running.interrupt()
    assert (running.state.failures, running.state.retry_at) == (0, None)
    assert running.state.last_failure is None
    assert invoked_again(running)
    # The step that was under way is found as after a crash: one that runs at most once is cut off.
    (_, found) = running.invoke().initial_execution_state.operations
    assert (found.id, found.status) == ("s", "STARTED")


def test_an_interrupted_invocation_that_waits_for_nothing_is_made_again(running: Execution) -> None:
    running.interrupt()
    assert (running.state.refusals, invoked_again(running)) == (0, True)


def test_an_interruption_comes_after_an_end_and_before_a_pause(running: Execution) -> None:
    running.send(PauseExecution())
    running.interrupt()
    assert (running.state.status, invoked_again(running)) == ("PAUSED", False)
    running.send(ResumeExecution())
    assert invoked_again(running)
    running.invoke()
    running.send(StopExecution())
    running.interrupt()
    assert (running.state.status, running.state.invocation) == ("STOPPED", None)


# How it ends


def test_a_result_ends_the_execution(running: Execution) -> None:
    running.succeed('"fine"')
    assert (running.state.status, running.state.result) == ("SUCCEEDED", '"fine"')
    assert running.status("run-1") == "SUCCEEDED"
    assert next_deadline(running.state) is None


def test_an_error_ends_the_execution(running: Execution) -> None:
    running.fail()
    assert (running.state.status, running.state.error) == ("FAILED", BOOM)


@pytest.mark.parametrize(
    ("outcome", "why"),
    [
        (Outcome(status=OutcomeStatus.FAILED, result="1", error=BOOM), "Result with FAILED"),
        (Outcome(status=OutcomeStatus.SUCCEEDED, error=BOOM), "Error with SUCCEEDED"),
    ],
)
def test_an_outcome_that_contradicts_itself_fails_the_execution(
    running: Execution, outcome: Outcome, why: str
) -> None:
    running.finish(outcome)
    assert running.state.status == "FAILED"
    assert running.state.error is not None
    assert running.state.error.error_type == "InvalidParameterValueException"
    assert why in (running.state.error.error_message or "")


def test_an_answer_that_is_no_outcome_fails_the_execution_at_once(running: Execution) -> None:
    error = ErrorObject(error_type="InvalidParameterValueException", error_message="not an outcome")
    running.finish(error=error, fatal=True)
    assert (running.state.status, running.state.error) == ("FAILED", error)


def test_no_answer_at_all_fails_the_execution(running: Execution) -> None:
    running.finish()
    assert running.state.error is not None
    assert running.state.error.error_type == "InvalidParameterValueException"


def test_the_end_of_another_invocation_is_refused(running: Execution) -> None:
    with pytest.raises(Rejected, match="is not running") as refused:
        running.send(FinishInvocation(request_id="another request", error=CRASH))
    assert refused.value.status == 409


def test_an_invocation_that_was_overtaken_by_a_stop_still_ends(running: Execution) -> None:
    running.send(StopExecution())
    running.succeed()
    assert running.state.status == "STOPPED"
    assert running.state.invocation is None


# Results too large to return


def test_a_settled_result_wins_over_the_handlers_return_value(running: Execution) -> None:
    response = running.checkpoint(update("EXECUTION", "SUCCEED", "e", payload='"large"'))
    assert response.checkpoint_token is None
    assert running.state.status == "RUNNING"
    running.succeed("")
    assert (running.state.status, running.state.result) == ("SUCCEEDED", '"large"')


def test_a_settled_error_survives_a_crash(running: Execution) -> None:
    running.checkpoint(update("EXECUTION", "FAIL", "e", error=BOOM))
    running.crash()
    assert (running.state.status, running.state.error) == ("FAILED", BOOM)


def test_a_settled_result_survives_a_stop_and_a_timeout() -> None:
    for end in ("stop", "timeout"):
        execution = Execution().start(execution_timeout=60)
        execution.invoke()
        execution.checkpoint(update("EXECUTION", "SUCCEED", "e", payload="1"))
        if end == "stop":
            execution.send(StopExecution(error=BOOM))
        else:
            execution.tick(60)
        assert (execution.state.status, execution.state.result) == ("SUCCEEDED", "1"), end


# Failures


def test_a_crash_is_retried_with_growing_delays_up_to_a_minute(running: Execution) -> None:
    delays: list[int] = []
    for _ in range(9):
        running.crash()
        assert not invoked_again(running)
        assert running.state.retry_at is not None
        delays.append(running.state.retry_at - running.state.last_at)
        running.tick(delays[-1] / 1_000)
        assert invoked_again(running)
        running.invoke()
    assert delays == [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]


def test_a_success_in_between_starts_the_delays_over(running: Execution) -> None:
    for _ in range(3):
        running.crash()
        running.tick(60)
        running.invoke()
    running.checkpoint(wait())
    running.suspend()
    running.tick(10)
    running.invoke()
    running.crash()
    assert running.state.retry_at == running.state.last_at + 1_000


def test_a_change_does_not_cut_the_delay_after_a_crash_short(running: Execution) -> None:
    running.checkpoint(callback())
    running.crash()
    running.send(CompleteCallback(operation_id="cb"))
    assert not invoked_again(running)
    with pytest.raises(Rejected, match="not due before"):
        running.invoke()
    running.tick(1)
    assert invoked_again(running)


def test_steps_in_flight_stay_started_when_an_invocation_crashes(running: Execution) -> None:
    running.checkpoint(step("START"), context("START"))
    running.crash()
    running.tick(1)
    operations = running.invoke().initial_execution_state.operations
    assert [(operation.id, operation.status) for operation in operations] == [
        ("run-1", "STARTED"),
        ("s", "STARTED"),
        ("c", "STARTED"),
    ]


def test_crashes_go_on_until_the_execution_times_out() -> None:
    execution = Execution().start(execution_timeout=600)
    while execution.state.status == "RUNNING":
        execution.invoke()
        execution.crash()
        due_at = next_deadline(execution.state)
        assert due_at is not None
        execution.now = due_at
        execution.tick()
    assert execution.state.status == "TIMED_OUT"
    assert execution.state.invocation_count > 10


# Suspending with nothing pending


def test_pending_without_pending_operations_fails_after_three_more_tries(
    running: Execution,
) -> None:
    for _ in range(3):
        running.suspend()
        assert running.state.status == "RUNNING"
        running.tick(60)
        running.invoke()
    running.suspend()
    assert running.state.status == "FAILED"
    assert running.state.error == ErrorObject(
        error_type="InvalidParameterValueException",
        error_message="Cannot return PENDING status with no pending operations.",
    )


def test_only_refusals_in_a_row_count(running: Execution) -> None:
    for _ in range(3):
        running.suspend()
        running.tick(60)
        running.invoke()
    running.crash()
    running.tick(60)
    running.invoke()
    running.suspend()
    assert running.state.status == "RUNNING"


@pytest.mark.parametrize("open_operation", [step("START"), context("START"), step("SUCCEED")])
def test_operations_that_only_the_handler_can_finish_are_not_pending(
    running: Execution, open_operation: object
) -> None:
    running.checkpoint(open_operation)  # type: ignore[arg-type]
    running.suspend()
    assert running.state.refusals == 1


@pytest.mark.parametrize("pending", [wait(), callback(), retry(error=BOOM)])
def test_operations_that_the_service_or_others_will_finish_are_pending(
    running: Execution, pending: object
) -> None:
    running.checkpoint(pending)  # type: ignore[arg-type]
    running.suspend()
    assert running.state.refusals == 0
    assert running.state.pending_count == 1


def test_pending_is_accepted_when_the_last_pending_operation_ended_during_the_invocation(
    running: Execution,
) -> None:
    running.checkpoint(wait(seconds=1))
    running.tick(1)
    running.checkpoint()
    running.suspend()
    assert running.state.refusals == 0
    # No timer and no external event is left that could cause another invocation.
    assert invoked_again(running)


def test_a_retry_of_an_invocation_counts_as_an_operation() -> None:
    execution = Execution(Limits(operations=3)).start()
    for _ in range(2):
        execution.invoke()
        execution.crash()
        execution.tick(60)
    assert execution.state.operation_count == 3
    execution.invoke()
    execution.crash()
    assert execution.state.status == "FAILED"
    assert execution.state.error is not None
    assert "3 durable operations" in (execution.state.error.error_message or "")


def test_the_digest_of_the_code_is_kept_and_may_be_changed_while_the_execution_is_open(
    execution: Execution,
) -> None:
    execution.send(StartInvocation(request_id="r", code="one"))
    assert execution.state.code == "one"
    assert execution.send(AcceptCode(code="one")) == []
    (accepted,) = execution.send(AcceptCode(code="two"))
    assert (accepted, execution.state.code) == (CodeAccepted(at=accepted.at, code="two"), "two")
    assert "CodeAccepted" not in {entry.event_type for entry in execution.history()}
    execution.send(StopExecution())
    with pytest.raises(Rejected, match="Cannot go on with other code"):
        execution.send(AcceptCode(code="three"))

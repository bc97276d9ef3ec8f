from __future__ import annotations

import pytest
from tests.engine.engine_driver import ARN, BOOM, Execution, callback

from durable_execution_sdk.engine.commands import (
    CompleteCallback,
    FailCallback,
    HeartbeatCallback,
)
from durable_execution_sdk.engine.rejections import Rejected
from durable_execution_sdk.engine.tokens import parse_callback_id
from durable_execution_sdk.protocol.operations import CallbackDetails


def details(execution: Execution) -> CallbackDetails:
    callback = execution.operation("cb").callback_details
    assert callback is not None
    return callback


def test_a_callback_id_leads_back_to_its_operation(running: Execution) -> None:
    running.checkpoint(callback())
    callback_id = details(running).callback_id
    assert callback_id is not None
    assert parse_callback_id(callback_id) == (ARN, "cb")


@pytest.mark.parametrize("made_up", ["", "x", "WyJhIl0=", "bm8=", "é"])
def test_an_id_that_is_not_ours_is_not_found(made_up: str) -> None:
    with pytest.raises(Rejected) as refused:
        parse_callback_id(made_up)
    assert (refused.value.code, refused.value.status) == ("ResourceNotFoundException", 404)


def test_an_answer_settles_the_callback_and_wakes_the_execution(running: Execution) -> None:
    running.checkpoint(callback(timeout=60, heartbeat=5))
    running.suspend()
    running.send(CompleteCallback(operation_id="cb", result='"yes"'))
    assert (running.status("cb"), details(running).result) == ("SUCCEEDED", '"yes"')
    assert running.state.wants_invocation
    assert running.tick(60) == []


def test_an_answer_may_be_empty(running: Execution) -> None:
    running.checkpoint(callback())
    running.send(CompleteCallback(operation_id="cb"))
    assert (running.status("cb"), details(running).result) == ("SUCCEEDED", None)


def test_a_failure_is_recorded_as_the_sender_gave_it(running: Execution) -> None:
    running.checkpoint(callback())
    running.send(FailCallback(operation_id="cb", error=BOOM))
    assert (running.status("cb"), details(running).error) == ("FAILED", BOOM)


def test_a_callback_is_answered_once(running: Execution) -> None:
    running.checkpoint(callback())
    running.send(CompleteCallback(operation_id="cb", result="1"))
    for late in (
        CompleteCallback(operation_id="cb", result="2"),
        FailCallback(operation_id="cb"),
        HeartbeatCallback(operation_id="cb"),
    ):
        with pytest.raises(Rejected) as refused:
            running.send(late)
        assert (refused.value.code, refused.value.status) == ("CallbackTimeoutException", 400)
    assert details(running).result == "1"


@pytest.mark.parametrize("operation_id", ["missing", "run-1"])
def test_an_operation_that_is_not_a_callback_is_not_found(
    running: Execution, operation_id: str
) -> None:
    with pytest.raises(Rejected) as refused:
        running.send(CompleteCallback(operation_id=operation_id))
    assert refused.value.status == 404


def test_a_callback_times_out(running: Execution) -> None:
    running.checkpoint(callback(timeout=30))
    running.tick(29.999)
    assert running.status("cb") == "STARTED"
    running.tick(0.001)
    error = details(running).error
    assert running.status("cb") == "TIMED_OUT"
    assert error is not None and error.error_type == "Callback.Timeout"
    assert "30 seconds" in (error.error_message or "")


def test_no_sign_of_life_comes_in_time(running: Execution) -> None:
    running.checkpoint(callback(timeout=60, heartbeat=10))
    running.tick(10)
    error = details(running).error
    assert running.status("cb") == "TIMED_OUT"
    assert error is not None and error.error_type == "Callback.Heartbeat"


def test_a_heartbeat_restarts_its_own_timeout_only(running: Execution) -> None:
    running.checkpoint(callback(timeout=25, heartbeat=10))
    for _ in range(2):
        running.tick(9)
        running.send(HeartbeatCallback(operation_id="cb"))
    running.tick(6.998)
    assert running.status("cb") == "STARTED"
    running.tick(0.002)
    error = details(running).error
    assert error is not None and error.error_type == "Callback.Timeout"


def test_a_heartbeat_without_a_timeout_is_welcome_and_changes_nothing(running: Execution) -> None:
    running.checkpoint(callback())
    running.suspend()
    running.send(HeartbeatCallback(operation_id="cb"))
    assert not running.state.wants_invocation
    assert running.tick(86_000) == []


def test_both_timeouts_at_once_end_the_callback_once(running: Execution) -> None:
    running.checkpoint(callback(timeout=10, heartbeat=10))
    events = running.tick(10)
    assert len(events) == 1


def test_zero_seconds_mean_no_timeout(running: Execution) -> None:
    running.checkpoint(callback(timeout=0, heartbeat=0))
    assert running.tick(86_000) == []


def test_an_answer_after_the_deadline_is_late_even_without_a_tick(
    running: Execution,
) -> None:
    running.checkpoint(callback(timeout=30))
    running.now = running.state.last_at + 30_000
    with pytest.raises(Rejected) as refused:
        running.send(CompleteCallback(operation_id="cb"))
    assert refused.value.code == "CallbackTimeoutException"


def test_a_callback_of_a_closed_execution_is_closed(running: Execution) -> None:
    running.checkpoint(callback())
    running.fail()
    with pytest.raises(Rejected, match="FAILED") as refused:
        running.send(CompleteCallback(operation_id="cb"))
    assert refused.value.code == "CallbackTimeoutException"


@pytest.mark.parametrize(
    ("end", "how"),
    [
        (
            CompleteCallback(operation_id="cb", result="1"),
            "it has SUCCEEDED, with an earlier answer.",
        ),
        (
            FailCallback(operation_id="cb", error=BOOM),
            "it has FAILED, with an earlier answer (Boom: ",
        ),
        (FailCallback(operation_id="cb"), "it has FAILED, with an earlier answer. A callback"),
        (None, "it is TIMED_OUT, without an answer (Callback.Timeout: Callback timed out after 30"),
    ],
)
@pytest.mark.parametrize("is_over", [False, True])
def test_a_late_answer_is_refused_with_the_callbacks_name_and_its_end(
    running: Execution, end: CompleteCallback | FailCallback | None, how: str, is_over: bool
) -> None:
    running.checkpoint(callback(timeout=30))
    if end is None:
        running.tick(30)
    else:
        running.send(end)
    if is_over:
        running.fail()
    with pytest.raises(Rejected) as refused:
        running.send(CompleteCallback(operation_id="cb"))
    assert f"is closed: {how}" in refused.value.message
    assert refused.value.message.startswith("Callback ")

from __future__ import annotations

from typing import Any

import msgspec
from tests.engine.engine_driver import (
    BOOM,
    CRASH,
    Execution,
    callback,
    context,
    invoke,
    replayed_context,
    retry,
    step,
    update,
    wait,
)

from durable_execution_sdk.engine.commands import (
    CompleteCallback,
    FailCallback,
    FinishChainedInvoke,
    HeartbeatCallback,
    PauseExecution,
    ResumeExecution,
    StopExecution,
)
from durable_execution_sdk.engine.views.history import history
from durable_execution_sdk.protocol.operations import OperationStatus


def entry(execution: Execution, event_id: int) -> dict[str, Any]:
    """Return an entry of the history in its wire form."""
    fields: dict[str, Any] = msgspec.to_builtins(execution.history()[event_id - 1])
    return fields


def test_events_are_numbered_from_one(running: Execution) -> None:
    running.checkpoint(step("START"), step("SUCCEED"))
    running.succeed()
    assert [event.event_id for event in running.history()] == [1, 2, 3, 4, 5]
    assert running.story() == [
        "ExecutionStarted",
        "StepStarted s",
        "StepSucceeded s",
        "InvocationCompleted",
        "ExecutionSucceeded",
    ]


def test_an_execution_starts_with_its_input_and_ends_with_its_result(running: Execution) -> None:
    running.succeed("7")
    assert entry(running, 1)["ExecutionStartedDetails"] == {
        "Input": {"Payload": '{"n":1}', "Truncated": False},
        "ExecutionTimeout": 86_400,
    }
    assert (entry(running, 1)["Id"], entry(running, 1)["Name"]) == ("run-1", "order-7")
    assert entry(running, 3)["ExecutionSucceededDetails"] == {
        "Result": {"Payload": "7", "Truncated": False}
    }


def test_an_invocation_is_logged_when_it_ends_and_before_the_execution_does(
    running: Execution,
) -> None:
    started_at = running.state.last_at
    running.fail()
    assert running.story()[1:] == ["InvocationCompleted", "ExecutionFailed"]
    assert entry(running, 2)["InvocationCompletedDetails"] == {
        "StartTimestamp": started_at,
        "EndTimestamp": running.state.last_at,
        "RequestId": "request-1",
    }
    assert "Id" not in entry(running, 2)
    error = {"ErrorType": "Boom", "ErrorMessage": "it broke"}
    assert entry(running, 3)["ExecutionFailedDetails"] == {
        "Error": {"Payload": error, "Truncated": False}
    }


def test_a_crash_inside_an_at_most_once_step(running: Execution) -> None:
    running.checkpoint(step("START", name="charge", sub_type="Step"))
    running.crash()
    running.tick(1)
    running.invoke()
    running.checkpoint(step("FAIL", name="charge", sub_type="Step", error=BOOM))
    running.fail()
    assert running.story() == [
        "ExecutionStarted",
        "StepStarted s",
        "InvocationCompleted",
        "StepFailed s",
        "InvocationCompleted",
        "ExecutionFailed",
    ]
    crash = entry(running, 3)["InvocationCompletedDetails"]["Error"]["Payload"]
    assert crash == {"ErrorType": "Runtime.ExitError", "ErrorMessage": CRASH.error_message}
    failed = entry(running, 4)
    assert (failed["Name"], failed["SubType"]) == ("charge", "Step")
    assert failed["StepFailedDetails"]["RetryDetails"] == {"CurrentAttempt": 1}


def test_a_retry_is_a_failure_with_a_next_attempt(running: Execution) -> None:
    running.checkpoint(step("START"), retry(delay=5, error=BOOM))
    running.suspend()
    running.tick(5)
    running.invoke()
    running.checkpoint(step("START"), step("SUCCEED", payload="1"))
    assert running.story() == [
        "ExecutionStarted",
        "StepStarted s",
        "StepFailed s",
        "InvocationCompleted",
        "StepStarted s",
        "StepSucceeded s",
    ]
    retried = entry(running, 3)["StepFailedDetails"]["RetryDetails"]
    assert retried == {"CurrentAttempt": 1, "NextAttemptDelaySeconds": 5}
    assert entry(running, 6)["StepSucceededDetails"] == {
        "Result": {"Payload": "1", "Truncated": False},
        "RetryDetails": {"CurrentAttempt": 2},
    }


def test_a_poll_that_goes_on_is_a_success_with_a_next_attempt(running: Execution) -> None:
    polled = {"sub_type": "WaitForCondition"}
    running.checkpoint(step("START", **polled), retry(delay=2, payload="1", **polled))
    succeeded = entry(running, 3)
    assert (succeeded["EventType"], succeeded["SubType"]) == ("StepSucceeded", "WaitForCondition")
    assert succeeded["StepSucceededDetails"] == {
        "Result": {"Payload": "1", "Truncated": False},
        "RetryDetails": {"CurrentAttempt": 1, "NextAttemptDelaySeconds": 2},
    }


def test_a_wait_shows_its_length_and_its_end(running: Execution) -> None:
    running.checkpoint(wait(seconds=5, sub_type="Wait"))
    due_at = running.state.last_at + 5_000
    running.suspend()
    running.tick(60)
    assert entry(running, 2)["WaitStartedDetails"] == {
        "Duration": 5,
        "ScheduledEndTimestamp": due_at,
    }
    assert running.story()[2:] == ["InvocationCompleted", "WaitSucceeded w"]
    assert entry(running, 4)["WaitSucceededDetails"] == {"Duration": 5}


def test_a_cancelled_wait(running: Execution) -> None:
    running.checkpoint(wait(), wait("v"))
    running.checkpoint(update("WAIT", "CANCEL", "w"), update("WAIT", "CANCEL", "v", error=BOOM))
    assert running.story()[3:] == ["WaitCancelled w", "WaitCancelled v"]
    assert entry(running, 4)["WaitCancelledDetails"] == {}
    assert entry(running, 5)["WaitCancelledDetails"]["Error"]["Payload"]["ErrorType"] == "Boom"


def test_callbacks(running: Execution) -> None:
    running.checkpoint(
        callback("a", timeout=60, heartbeat=10), callback("b"), callback("c", timeout=5)
    )
    running.send(HeartbeatCallback(operation_id="a"))
    running.send(CompleteCallback(operation_id="a", result="hi"))
    running.send(FailCallback(operation_id="b", error=BOOM))
    running.tick(5)
    assert running.story()[1:] == [
        "CallbackStarted a",
        "CallbackStarted b",
        "CallbackStarted c",
        "CallbackSucceeded a",
        "CallbackFailed b",
        "CallbackTimedOut c",
    ]
    started = entry(running, 2)["CallbackStartedDetails"]
    assert (started["Timeout"], started["HeartbeatTimeout"]) == (60, 10)
    assert set(entry(running, 3)["CallbackStartedDetails"]) == {"CallbackId"}
    assert entry(running, 5)["CallbackSucceededDetails"] == {
        "Result": {"Payload": "hi", "Truncated": False}
    }
    timed_out = entry(running, 7)["CallbackTimedOutDetails"]["Error"]["Payload"]
    assert timed_out["ErrorType"] == "Callback.Timeout"


def test_contexts(running: Execution) -> None:
    running.checkpoint(
        context("START", sub_type="RunInChildContext", name="child"),
        step("SUCCEED", parent_id="c"),
    )
    running.checkpoint(
        replayed_context(sub_type="RunInChildContext", name="child", payload=""),
        context("FAIL", "d", error=BOOM),
    )
    assert running.story()[1:] == [
        "ContextStarted c",
        "StepSucceeded s",
        "ContextSucceeded c",
        "ContextFailed d",
    ]
    assert entry(running, 2)["ContextStartedDetails"] == {}
    assert entry(running, 3)["ParentId"] == "c"
    assert entry(running, 4)["SubType"] == "RunInChildContext"
    assert entry(running, 4)["ContextSucceededDetails"] == {
        "Result": {"Payload": "", "Truncated": False}
    }


def test_a_chained_invoke(running: Execution) -> None:
    running.checkpoint(invoke(name="call"), invoke("missing", "j"))
    running.suspend()
    running.send(
        FinishChainedInvoke(operation_id="i", status=OperationStatus.SUCCEEDED, result="1")
    )
    running.invoke()
    running.succeed()
    assert running.story()[1:] == [
        "ChainedInvokeStarted i",
        "ChainedInvokeStarted j",
        "ChainedInvokeFailed j",
        "InvocationCompleted",
        "ChainedInvokeSucceeded i",
        "InvocationCompleted",
        "ExecutionSucceeded",
    ]
    started = entry(running, 2)["ChainedInvokeStartedDetails"]
    assert started["FunctionName"] == "child:3"
    assert started["Input"] == {"Payload": '{"x":1}', "Truncated": False}
    assert started["ExecutedVersion"] == "3"
    assert ":function:child:3/durable-execution/" in started["DurableExecutionArn"]


def test_a_pause_and_a_stop(running: Execution) -> None:
    running.send(PauseExecution(reason="lunch"))
    asked_at = running.state.last_at
    running.checkpoint()
    paused_at = running.state.last_at
    running.suspend()
    running.send(ResumeExecution())
    running.send(StopExecution(error=BOOM))
    assert running.story()[1:] == [
        "ExecutionPaused",
        "InvocationCompleted",
        "ExecutionResumed",
        "ExecutionStopped",
    ]
    assert entry(running, 2)["EventTimestamp"] == paused_at
    assert entry(running, 2)["ExecutionPausedDetails"] == {
        "PauseRequestTimestamp": asked_at,
        "Reason": {"Payload": "lunch", "Truncated": False},
        "ExecutionTimeoutPaused": True,
    }
    assert set(entry(running, 4)["ExecutionResumedDetails"]) == {"ResumeRequestTimestamp"}
    assert entry(running, 5)["ExecutionStoppedDetails"]["Error"]["Payload"]["ErrorType"] == "Boom"


def test_a_timeout() -> None:
    execution = Execution().start(execution_timeout=60)
    execution.tick(60)
    assert execution.story() == ["ExecutionStarted", "ExecutionTimedOut"]
    details = entry(execution, 2)["ExecutionTimedOutDetails"]
    assert details["Error"]["Payload"]["ErrorType"] == "Execution.Timeout"


def test_a_history_without_data_says_where_data_was_left_out(running: Execution) -> None:
    running.checkpoint(
        step("SUCCEED", "a", payload="secret"),
        step("FAIL", "b", error=BOOM),
        step("SUCCEED", "none"),
        invoke(payload="secret"),
    )
    running.send(PauseExecution(reason="secret"))
    running.crash()
    running.send(ResumeExecution(reason="secret"))
    running.invoke()
    running.succeed("secret")
    entries = [
        msgspec.to_builtins(event) for event in history(running.log, include_execution_data=False)
    ]
    left_out = {"Truncated": True}
    assert entries[0]["ExecutionStartedDetails"]["Input"] == left_out
    assert entries[1]["StepSucceededDetails"]["Result"] == left_out
    assert entries[2]["StepFailedDetails"]["Error"] == left_out
    assert entries[3]["StepSucceededDetails"]["Result"] == {"Truncated": False}
    assert entries[4]["ChainedInvokeStartedDetails"]["Input"] == left_out
    assert entries[5]["InvocationCompletedDetails"]["Error"] == left_out
    assert entries[6]["ExecutionPausedDetails"]["Reason"] == left_out
    assert entries[7]["ExecutionResumedDetails"]["Reason"] == left_out
    assert "secret" not in str(entries)
    assert "it broke" not in str(entries)

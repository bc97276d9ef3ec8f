from __future__ import annotations

import pytest
from tests.engine.engine_driver import (
    ARN,
    BOOM,
    DURABLE,
    FUNCTIONS,
    PLAIN,
    Execution,
    invoke,
    update,
)

from durable_execution_sdk.engine.commands import (
    Checkpoint,
    FinishChainedInvoke,
    StartExecution,
    StopExecution,
)
from durable_execution_sdk.engine.effects import (
    CallFunction,
    InvokeHandler,
    NotifyParent,
    StartChild,
)
from durable_execution_sdk.engine.events import ParentLink
from durable_execution_sdk.engine.limits import Limits
from durable_execution_sdk.engine.machine import outstanding_effects
from durable_execution_sdk.engine.rejections import Rejected
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.ids import ExecutionArn
from durable_execution_sdk.protocol.operations import ChainedInvokeDetails, OperationStatus
from durable_execution_sdk.protocol.updates import ChainedInvokeOptions


def details(execution: Execution, operation_id: str = "i") -> ChainedInvokeDetails:
    invoke = execution.operation(operation_id).chained_invoke_details
    assert invoke is not None
    return invoke


def child_of(parent: Execution) -> Execution:
    """Start the child execution that the effects of the parent's last command ask for."""
    (act,) = (act for act in parent.acts if isinstance(act, StartChild))
    return Execution(parent.limits, parent.now).start(
        arn=act.arn,
        input=act.input,
        execution_timeout=act.execution_timeout,
        parent=ParentLink(arn=act.parent_arn, operation_id=act.operation_id),
    )


def tell(parent: Execution, child: Execution) -> None:
    """Send the end of the child to the parent."""
    (act,) = (act for act in child.acts if isinstance(act, NotifyParent))
    assert act.parent_arn == parent.state.arn
    parent.send(
        FinishChainedInvoke(
            operation_id=act.operation_id, status=act.status, result=act.result, error=act.error
        )
    )


def test_a_durable_target_becomes_an_execution_of_its_own(running: Execution) -> None:
    running.checkpoint(invoke())
    (act,) = running.acts
    assert isinstance(act, StartChild)
    assert (act.input, act.parent_arn, act.operation_id) == ('{"x":1}', ARN, "i")
    assert act.execution_timeout == DURABLE.execution_timeout
    arn = ExecutionArn.parse(act.arn)
    assert (arn.function_name, arn.version) == ("child", "3")


def test_the_same_invoke_always_means_the_same_child(running: Execution) -> None:
    other = Execution().start()
    other.invoke()
    for execution in (running, other):
        execution.checkpoint(invoke())
    assert running.acts == other.acts
    third = Execution().start()
    third.invoke()
    third.checkpoint(invoke(operation_id="j"))
    assert third.acts != other.acts


def test_a_plain_target_is_called(running: Execution) -> None:
    running.checkpoint(invoke("plain:$LATEST", payload=None))
    assert running.acts == [
        CallFunction(
            function_arn=PLAIN.function_arn, input="null", parent_arn=ARN, operation_id="i"
        )
    ]


def test_tenant_and_trace_go_along(running: Execution) -> None:
    execution = Execution().start(trace_id="Root=1")
    execution.invoke()
    options = ChainedInvokeOptions(function_name="child:3", tenant_id="blue")
    execution.checkpoint(
        update("CHAINED_INVOKE", "START", "i", chained_invoke_options=options),
        invoke("plain:$LATEST", "j"),
    )
    child, call = execution.acts
    assert isinstance(child, StartChild) and isinstance(call, CallFunction)
    assert (child.tenant_id, child.trace_id, call.tenant_id) == ("blue", "Root=1", None)
    own = ChainedInvokeOptions(function_name="child:3", x_amzn_trace_id="Root=2")
    execution.checkpoint(update("CHAINED_INVOKE", "START", "k", chained_invoke_options=own))
    (child,) = execution.acts
    assert isinstance(child, StartChild) and child.trace_id == "Root=2"


def test_an_unknown_name_fails_in_the_same_answer(running: Execution) -> None:
    (failed,) = running.checkpoint(invoke("missing:1")).operations
    assert failed.status == "FAILED"
    error = details(running).error
    assert error is not None and error.error_type == "ResourceNotFoundException"
    assert "missing:1" in (error.error_message or "")
    assert running.acts == []


def test_a_target_that_cannot_be_started_fails_with_the_reason(running: Execution) -> None:
    reason = ErrorObject(error_type="TooManyRequestsException", error_message="slow down")
    running.send(
        Checkpoint(token=running.token, updates=[invoke("busy:1")], functions={"busy:1": reason})
    )
    assert (running.status("i"), details(running).error) == ("FAILED", reason)


@pytest.mark.parametrize(
    "name",
    ["arn:aws:lambda:us-east-1:999999999999:function:f:1", "999999999999:function:f:1"],
)
def test_a_function_of_another_account_is_refused(running: Execution, name: str) -> None:
    with pytest.raises(Rejected) as refused:
        running.checkpoint(invoke(name))
    assert refused.value.message.startswith(
        "Cannot start a CHAINED_INVOKE on a function in another account."
    )


@pytest.mark.parametrize(
    ("status", "event"),
    [
        (OperationStatus.SUCCEEDED, "ChainedInvokeSucceeded i"),
        (OperationStatus.FAILED, "ChainedInvokeFailed i"),
        (OperationStatus.TIMED_OUT, "ChainedInvokeTimedOut i"),
        (OperationStatus.STOPPED, "ChainedInvokeStopped i"),
    ],
)
def test_the_end_of_the_target_ends_the_invoke_and_wakes_the_execution(
    running: Execution, status: OperationStatus, event: str
) -> None:
    running.checkpoint(invoke("plain:$LATEST"))
    running.suspend()
    running.send(FinishChainedInvoke(operation_id="i", status=status))
    assert running.status("i") == status
    assert [type(act) for act in running.acts] == [InvokeHandler]
    assert running.story()[1:] == ["ChainedInvokeStarted i", "InvocationCompleted", event]


def test_no_invoke_ends_as_something_else(running: Execution) -> None:
    running.checkpoint(invoke())
    with pytest.raises(Rejected, match="cannot end as READY"):
        running.send(FinishChainedInvoke(operation_id="i", status=OperationStatus.READY))


def test_the_end_of_an_operation_that_is_not_an_invoke_is_not_found(running: Execution) -> None:
    with pytest.raises(Rejected, match="no chained invoke"):
        running.send(FinishChainedInvoke(operation_id="x", status=OperationStatus.FAILED))


def test_a_child_that_ends_before_its_parent_suspends_is_not_lost(running: Execution) -> None:
    running.checkpoint(invoke())
    child = child_of(running)
    child.invoke()
    child.succeed("42")
    tell(running, child)
    running.suspend()
    assert running.state.wants_invocation
    assert running.invoke().updated_operation_ids == ["i"]
    assert details(running).result == "42"


def test_a_repeated_end_of_an_invoke_changes_nothing(running: Execution) -> None:
    running.checkpoint(invoke())
    child = child_of(running)
    child.invoke()
    child.fail()
    tell(running, child)
    recorded = len(running.log)
    tell(running, child)
    assert len(running.log) == recorded
    assert (running.status("i"), details(running).error) == ("FAILED", BOOM)


def test_a_child_that_times_out_is_a_timeout_in_the_parents_words(running: Execution) -> None:
    running.checkpoint(invoke())
    child = child_of(running)
    child.tick(60)
    tell(running, child)
    assert running.status("i") == "TIMED_OUT"
    assert details(running).error == ErrorObject(
        error_type="ChainedInvoke.Timeout",
        error_message="CHAINED_INVOKE timed out after 60 seconds.",
    )


def test_a_stopped_child_passes_its_error_on(running: Execution) -> None:
    running.checkpoint(invoke())
    child = child_of(running)
    child.send(StopExecution(error=BOOM))
    tell(running, child)
    assert (running.status("i"), details(running).error) == ("STOPPED", BOOM)


def test_a_result_too_large_for_the_parent_fails_the_child() -> None:
    parent = Execution(Limits(chained_invoke_payload_bytes=10)).start()
    parent.invoke()
    parent.checkpoint(invoke())
    child = child_of(parent)
    child.invoke()
    child.succeed('"12345678901"')
    assert child.state.status == "FAILED"
    tell(parent, child)
    error = details(parent).error
    assert error is not None
    assert (error.error_message or "").startswith("Execution output payload size must be")


def test_a_result_of_a_plain_function_too_large_fails_the_invoke() -> None:
    parent = Execution(Limits(chained_invoke_payload_bytes=10)).start()
    parent.invoke()
    parent.checkpoint(invoke("plain:$LATEST"))
    parent.send(
        FinishChainedInvoke(
            operation_id="i", status=OperationStatus.SUCCEEDED, result="12345678901"
        )
    )
    assert parent.status("i") == "FAILED"


def test_a_closed_parent_hears_no_more(running: Execution) -> None:
    running.checkpoint(invoke())
    child = child_of(running)
    running.send(StopExecution())
    child.invoke()
    child.succeed()
    tell(running, child)
    assert (running.state.status, running.status("i")) == ("STOPPED", "STARTED")


def test_effects_that_may_be_lost_are_returned_when_an_execution_is_loaded(
    running: Execution,
) -> None:
    running.checkpoint(invoke(), invoke("plain:$LATEST", "j"), invoke("missing", "k"))
    started = running.acts
    assert outstanding_effects(running.state) == started
    running.send(FinishChainedInvoke(operation_id="i", status=OperationStatus.SUCCEEDED))
    running.suspend()
    assert [type(act) for act in outstanding_effects(running.state)] == [
        CallFunction,
        InvokeHandler,
    ]


def test_a_closed_child_still_has_to_notify_its_parent(running: Execution) -> None:
    running.checkpoint(invoke())
    child = child_of(running)
    child.invoke()
    child.succeed("1")
    assert outstanding_effects(child.state) == child.acts


def test_starting_a_child_again_finds_the_one_that_is_there(running: Execution) -> None:
    running.checkpoint(invoke())
    child = child_of(running)
    again = StartExecution(arn=child.state.arn, input='{"x":1}', execution_timeout=60)
    assert child.send(again) == []
    assert set(FUNCTIONS) == {"child:3", "plain:$LATEST"}

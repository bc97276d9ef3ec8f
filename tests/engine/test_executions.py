from __future__ import annotations

import pytest
from tests.engine.engine_driver import ARN, BOOM, FUNCTION, Execution, step, wait

from durable_execution_sdk.engine.commands import (
    CompleteCallback,
    DeleteExecution,
    StopExecution,
    Tick,
)
from durable_execution_sdk.engine.effects import ForgetExecution
from durable_execution_sdk.engine.machine import decide, evolve, may_reuse_name, outstanding_effects
from durable_execution_sdk.engine.rejections import Rejected
from durable_execution_sdk.engine.tokens import execution_name
from durable_execution_sdk.engine.views.description import describe, summarize
from durable_execution_sdk.errors import InternalError

DAY = 86_400_000


def test_an_execution_is_described(execution: Execution) -> None:
    description = describe(execution.state)
    assert description.durable_execution_arn == ARN
    assert description.durable_execution_name == execution_name(ARN) == "order-7"
    assert (description.function_arn, description.version) == (FUNCTION, "$LATEST")
    assert (description.status, description.input_payload, description.end_timestamp) == (
        "RUNNING",
        '{"n":1}',
        None,
    )
    assert description.durable_config is not None
    assert description.durable_config.execution_timeout == 86_400
    assert description.durable_config.retention_period_in_days == 14
    assert description.expected_execution_timeout_timestamp == execution.state.started_at + DAY
    assert description.execution_data_included


def test_a_closed_execution_is_described(running: Execution) -> None:
    running.succeed("7")
    description = describe(running.state)
    assert (description.status, description.result, description.end_timestamp) == (
        "SUCCEEDED",
        "7",
        running.state.last_at,
    )
    assert description.expected_execution_timeout_timestamp is None
    short = describe(running.state, include_execution_data=False)
    assert (short.input_payload, short.result, short.error) == (None, None, None)
    assert short.execution_data_included is False
    line = summarize(running.state)
    assert (line.durable_execution_name, line.status) == ("order-7", "SUCCEEDED")


def test_an_alias_and_a_trace_are_remembered() -> None:
    alias = FUNCTION.replace("$LATEST", "prod")
    execution = Execution().start(function_arn=alias, trace_id="Root=1", retention=3)
    description = describe(execution.state)
    assert description.function_arn == alias
    assert (
        description.trace_header is not None
        and description.trace_header.x_amzn_trace_id == "Root=1"
    )
    assert (
        description.durable_config is not None
        and description.durable_config.retention_period_in_days == 3
    )


# Stop


def test_a_stop_is_immediate_and_leaves_operations_as_they_are(running: Execution) -> None:
    running.checkpoint(step("START"), wait())
    running.send(StopExecution(error=BOOM))
    assert (running.state.status, running.state.error) == ("STOPPED", BOOM)
    assert (running.status("s"), running.status("w")) == ("STARTED", "STARTED")
    assert running.tick(60) == []


def test_a_closed_execution_stays_as_it_is(running: Execution) -> None:
    running.succeed()
    assert running.send(StopExecution(error=BOOM)) == []
    assert running.state.status == "SUCCEEDED"


# Delete


def test_only_a_closed_execution_is_deleted(running: Execution) -> None:
    with pytest.raises(Rejected) as refused:
        running.send(DeleteExecution())
    assert (refused.value.code, refused.value.status) == ("ResourceConflictException", 409)
    running.succeed()
    running.send(DeleteExecution())
    assert running.state.status == "DELETING"
    assert running.acts == [ForgetExecution(arn=ARN)] == outstanding_effects(running.state)


def test_a_deleted_execution_is_not_found(running: Execution) -> None:
    running.succeed()
    running.send(DeleteExecution())
    with pytest.raises(Rejected, match="was deleted") as refused:
        running.send(CompleteCallback(operation_id="cb"))
    assert refused.value.status == 404
    assert running.send(Tick()) == []


def test_nothing_is_found_where_nothing_was_started() -> None:
    with pytest.raises(Rejected) as refused:
        decide(None, Tick(), 0)
    assert refused.value.status == 404


# Names


def test_a_free_name_may_be_used() -> None:
    assert may_reuse_name(None, "1", 0)


def test_a_name_with_the_same_input_means_the_execution_that_has_it(running: Execution) -> None:
    assert not may_reuse_name(running.state, '{"n":1}', running.now)
    running.succeed()
    assert not may_reuse_name(running.state, '{"n":1}', running.now)


def test_a_name_with_another_input_is_refused(running: Execution) -> None:
    closed = Execution().start()
    closed.invoke()
    closed.succeed()
    for existing in (running, closed):
        with pytest.raises(Rejected, match="'order-7'") as refused:
            may_reuse_name(existing.state, '{"n":2}', existing.now)
        assert refused.value.code == "DurableExecutionAlreadyStartedException"
        assert refused.value.status == 409


def test_a_name_is_free_again_after_the_retention(running: Execution) -> None:
    running.succeed()
    ended_at = running.state.last_at
    assert not may_reuse_name(running.state, '{"n":1}', ended_at + 14 * DAY - 1)
    assert may_reuse_name(running.state, '{"n":2}', ended_at + 14 * DAY)


def test_a_name_is_free_again_once_its_execution_is_deleted(running: Execution) -> None:
    running.succeed()
    running.send(DeleteExecution())
    assert may_reuse_name(running.state, '{"n":2}', running.now)


def test_starting_the_same_twice_changes_nothing(execution: Execution) -> None:
    recorded = len(execution.log)
    execution.start()
    assert len(execution.log) == recorded
    with pytest.raises(Rejected, match="another payload"):
        execution.start(input="2")


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"arn": "arn:aws:lambda:nowhere"}, "not a durable execution ARN"),
        ({"arn": f"{FUNCTION}/durable-execution/{'n' * 65}/run"}, "65 characters"),
        ({"execution_timeout": 0}, "ExecutionTimeout 0: 1 to 31622400"),
        ({"execution_timeout": 31_622_401}, "ExecutionTimeout 31622401"),
        ({"retention": 0}, "RetentionPeriodInDays 0: 1 to 90"),
        ({"retention": 91}, "RetentionPeriodInDays 91"),
    ],
)
def test_a_wrong_start_is_refused(fields: dict[str, object], why: str) -> None:
    with pytest.raises(Rejected, match=why):
        Execution().start(**fields)


def test_a_log_that_does_not_begin_at_the_beginning_is_our_defect(running: Execution) -> None:
    with pytest.raises(InternalError, match="begins with InvocationStarted"):
        evolve(None, running.log[1])


def test_a_log_that_begins_twice_is_our_defect(running: Execution) -> None:
    with pytest.raises(InternalError, match="ExecutionStarted twice"):
        evolve(running.state, running.log[0])


def test_a_log_with_a_checkpoint_without_an_invocation_is_an_internal_error(
    running: Execution,
) -> None:
    running.checkpoint(wait())
    accepted = running.log[-1]
    running.suspend()
    with pytest.raises(InternalError, match="without an invocation"):
        evolve(running.state, accepted)

"""Every (type, action, status) cell of the transition tables, compared with a table written by hand."""

from __future__ import annotations

import itertools
from typing import Any, get_args

import pytest
from tests.engine.engine_driver import BOOM, Execution, update

from durable_execution_sdk.engine.commands import (
    CompleteCallback,
    FailCallback,
    FinishChainedInvoke,
    HeartbeatCallback,
)
from durable_execution_sdk.engine.events import ExecutionEvent, OperationEvent
from durable_execution_sdk.engine.evolution import CHANGES
from durable_execution_sdk.engine.rejections import Rejected
from durable_execution_sdk.engine.transitions import execution as execution_transitions
from durable_execution_sdk.engine.transitions.rulebook import APPLIES, MOVES, TIMERS, UPDATES
from durable_execution_sdk.protocol.operations import (
    Operation,
    OperationStatus,
    OperationStatusName,
    OperationType,
    OperationTypeName,
)
from durable_execution_sdk.protocol.updates import (
    ChainedInvokeOptions,
    OperationActionName,
    StepOptions,
    WaitOptions,
)

ABSENT = "ABSENT"

# The transitions that the service's documentation allows; all others are rejected.
ALLOWED: dict[tuple[str, str, str], str] = {
    ("STEP", "START", "ABSENT"): "STARTED",
    ("STEP", "START", "READY"): "STARTED",
    ("STEP", "SUCCEED", "ABSENT"): "SUCCEEDED",
    ("STEP", "SUCCEED", "STARTED"): "SUCCEEDED",
    ("STEP", "SUCCEED", "READY"): "SUCCEEDED",
    ("STEP", "FAIL", "ABSENT"): "FAILED",
    ("STEP", "FAIL", "STARTED"): "FAILED",
    ("STEP", "FAIL", "READY"): "FAILED",
    ("STEP", "RETRY", "ABSENT"): "PENDING",
    ("STEP", "RETRY", "STARTED"): "PENDING",
    ("STEP", "RETRY", "READY"): "PENDING",
    ("CONTEXT", "START", "ABSENT"): "STARTED",
    ("CONTEXT", "SUCCEED", "ABSENT"): "SUCCEEDED",
    ("CONTEXT", "SUCCEED", "STARTED"): "SUCCEEDED",
    ("CONTEXT", "FAIL", "ABSENT"): "FAILED",
    ("CONTEXT", "FAIL", "STARTED"): "FAILED",
    ("WAIT", "START", "ABSENT"): "STARTED",
    ("WAIT", "CANCEL", "STARTED"): "CANCELLED",
    ("WAIT", "CANCEL", "SUCCEEDED"): "SUCCEEDED",
    ("CALLBACK", "START", "ABSENT"): "STARTED",
    ("CHAINED_INVOKE", "START", "ABSENT"): "STARTED",
}
OPERATION_TYPES = [kind for kind in get_args(OperationTypeName) if kind != OperationType.EXECUTION]
ACTIONS = get_args(OperationActionName)
STATUSES = [ABSENT, *get_args(OperationStatusName)]
OPTIONS: dict[str, dict[str, Any]] = {
    "STEP": {"step_options": StepOptions(next_attempt_delay_seconds=5)},
    "WAIT": {"wait_options": WaitOptions(wait_seconds=5)},
    "CHAINED_INVOKE": {"chained_invoke_options": ChainedInvokeOptions(function_name="child:3")},
}
CELLS = list(itertools.product(OPERATION_TYPES, ACTIONS, STATUSES))


def put(execution: Execution, kind: str, status: str) -> None:
    if status != ABSENT:
        execution.state.put_operation(
            Operation(id="op", type=kind, status=status, start_timestamp=execution.now)
        )


@pytest.mark.parametrize(("kind", "action", "status"), CELLS)
def test_a_cell_leads_where_the_documentation_says(
    running: Execution, kind: str, action: str, status: str
) -> None:
    put(running, kind, status)
    operation_update = update(kind, action, "op", **OPTIONS.get(kind, {}))
    expected = ALLOWED.get((kind, action, status))
    if expected is None:
        with pytest.raises(Rejected, match=f"Invalid action {action} for {kind}") as refused:
            running.checkpoint(operation_update)
        assert (refused.value.code, refused.value.status) == ("InvalidParameterValueException", 400)
        assert running.state.invocation is not None
        assert running.state.invocation.sequence == 0
    else:
        running.checkpoint(operation_update)
        assert running.status("op") == expected


def test_the_tables_hold_these_cells_and_no_others() -> None:
    cells = {
        (kind, action, status or ABSENT): rule.to
        for kind, rules in UPDATES.items()
        for (action, status), rule in rules.items()
    }
    assert cells == ALLOWED


@pytest.mark.parametrize("action", ACTIONS)
def test_an_execution_can_be_ended_by_its_handler_and_by_nothing_else(
    running: Execution, action: str
) -> None:
    operation_update = update("EXECUTION", action, "anything")
    if action in ("SUCCEED", "FAIL"):
        assert running.checkpoint(operation_update).checkpoint_token is None
        assert running.state.settled is not None
        assert running.state.settled.status == {"SUCCEED": "SUCCEEDED", "FAIL": "FAILED"}[action]
    else:
        with pytest.raises(Rejected, match=f"Invalid action {action} for EXECUTION"):
            running.checkpoint(operation_update)


def test_the_execution_table_only_starts_from_started() -> None:
    assert {(action, status) for action, status in execution_transitions.UPDATES} == {
        ("SUCCEED", "STARTED"),
        ("FAIL", "STARTED"),
    }


# Transitions by timers and by external systems.
SERVICE_MOVES = {
    "StepReady": ("PENDING", "READY"),
    "WaitSucceeded": ("STARTED", "SUCCEEDED"),
    "CallbackHeartbeatReceived": ("STARTED", "STARTED"),
    "CallbackSucceeded": ("STARTED", "SUCCEEDED"),
    "CallbackFailed": ("STARTED", "FAILED"),
    "CallbackTimedOut": ("STARTED", "TIMED_OUT"),
    "ChainedInvokeSucceeded": ("STARTED", "SUCCEEDED"),
    "ChainedInvokeFailed": ("STARTED", "FAILED"),
    "ChainedInvokeTimedOut": ("STARTED", "TIMED_OUT"),
    "ChainedInvokeStopped": ("STARTED", "STOPPED"),
}


def test_the_service_moves_operations_only_like_this() -> None:
    assert {event.__name__: tuple(move) for event, move in MOVES.items()} == SERVICE_MOVES


@pytest.mark.parametrize(
    "status", [status for status in get_args(OperationStatusName) if status != "STARTED"]
)
@pytest.mark.parametrize("command", [CompleteCallback, FailCallback, HeartbeatCallback])
def test_only_a_started_callback_can_be_answered(
    running: Execution, command: type[CompleteCallback], status: str
) -> None:
    put(running, "CALLBACK", status)
    with pytest.raises(Rejected) as refused:
        running.send(command(operation_id="op"))
    assert (refused.value.code, refused.value.status) == ("CallbackTimeoutException", 400)


@pytest.mark.parametrize(
    "status", [status for status in get_args(OperationStatusName) if status != "STARTED"]
)
def test_an_invoke_that_is_over_stays_as_it_is(running: Execution, status: str) -> None:
    put(running, "CHAINED_INVOKE", status)
    command = FinishChainedInvoke(operation_id="op", status=OperationStatus.FAILED, error=BOOM)
    assert running.send(command) == []
    assert running.status("op") == status


def test_every_event_is_in_the_table_that_folds_it() -> None:
    assert set(APPLIES) == set(get_args(OperationEvent))
    assert set(TIMERS) <= set(APPLIES)
    assert set(CHANGES) == set(get_args(ExecutionEvent))

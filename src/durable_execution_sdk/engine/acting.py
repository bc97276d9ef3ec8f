"""What is to be done about events: the effects that a shell carries out after it stored them."""

from __future__ import annotations

from collections.abc import Sequence

from durable_execution_sdk.engine.effects import (
    CallFunction,
    Effect,
    ForgetExecution,
    InvokeHandler,
    NotifyParent,
    StartChild,
)
from durable_execution_sdk.engine.events import (
    ChainedInvokeStarted,
    Event,
    ExecutionDeleted,
    ExecutionFailed,
    ExecutionStopped,
    ExecutionSucceeded,
    ExecutionTimedOut,
)
from durable_execution_sdk.engine.state import ExecutionState
from durable_execution_sdk.model.control import ExecutionStatus
from durable_execution_sdk.model.operation import OperationStatus

_ENDS = frozenset({ExecutionSucceeded, ExecutionFailed, ExecutionTimedOut, ExecutionStopped})
_WITH_EFFECTS = _ENDS | {ChainedInvokeStarted, ExecutionDeleted}


def effects(state: ExecutionState, events: Sequence[Event]) -> list[Effect]:
    """What to do once ``events`` are stored and ``state`` is the state after them."""
    found: list[Effect] = []
    for event in events:
        if type(event) not in _WITH_EFFECTS:
            continue
        if isinstance(event, ExecutionDeleted):
            found.append(ForgetExecution(arn=state.arn))
        elif not isinstance(event, ChainedInvokeStarted):
            found += _notify_parent(state)
        elif event.operation.id in state.invokes:
            found += _start_target(state, event)
    return found + _invoke(state)


def outstanding_effects(state: ExecutionState) -> list[Effect]:
    """What may still have to be done when an execution is loaded: every effect that could be lost."""
    if state.status == ExecutionStatus.DELETING:
        return [ForgetExecution(arn=state.arn)]
    if state.is_closed:
        return _notify_parent(state)
    found: list[Effect] = []
    for started in state.invokes.values():
        found += _start_target(state, started)
    return found + _invoke(state)


def _invoke(state: ExecutionState) -> list[Effect]:
    if not state.wants_invocation:
        return []
    return [InvokeHandler(arn=state.arn, number=state.invocation_count + 1)]


def _start_target(state: ExecutionState, started: ChainedInvokeStarted) -> list[Effect]:
    # An invoke without a payload sends JSON's null: every handler has an input.
    payload = "null" if started.input is None else started.input
    if started.child_arn is None:
        return [
            CallFunction(
                function_arn=started.function_arn,
                input=payload,
                parent_arn=state.arn,
                operation_id=started.operation.id,
                tenant_id=started.tenant_id,
                trace_id=started.trace_id,
            )
        ]
    return [
        StartChild(
            arn=started.child_arn,
            function_arn=started.function_arn,
            input=payload,
            parent_arn=state.arn,
            operation_id=started.operation.id,
            execution_timeout=started.execution_timeout,
            tenant_id=started.tenant_id,
            trace_id=started.trace_id,
        )
    ]


def _notify_parent(state: ExecutionState) -> list[Effect]:
    if state.parent is None:
        return []
    timed_out = state.status == ExecutionStatus.TIMED_OUT
    return [
        NotifyParent(
            parent_arn=state.parent.arn,
            operation_id=state.parent.operation_id,
            status=OperationStatus(state.status.value),
            result=state.result,
            # The parent says in its own words that the invoked execution timed out.
            error=None if timed_out else state.error,
        )
    ]

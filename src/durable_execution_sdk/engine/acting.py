"""Effects of events: the actions that the caller performs after storing the events."""

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
    """Return the effects of ``events`` that are stored; ``state`` is the state after them."""
    actions: list[Effect] = []
    for event in events:
        if type(event) not in _WITH_EFFECTS:
            continue
        if isinstance(event, ExecutionDeleted):
            actions.append(ForgetExecution(arn=state.arn))
        elif not isinstance(event, ChainedInvokeStarted):
            actions += _notify_parent(state)
        elif event.operation.id in state.invokes:
            actions += _start_target(state, event)
    return actions + _invoke(state)


def outstanding_effects(state: ExecutionState) -> list[Effect]:
    """Return every effect that a crash may have lost; for an execution that was loaded from a store."""
    if state.status == ExecutionStatus.DELETING:
        return [ForgetExecution(arn=state.arn)]
    if state.is_closed:
        return _notify_parent(state)
    actions: list[Effect] = []
    for started in state.invokes.values():
        actions += _start_target(state, started)
    return actions + _invoke(state)


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
            # The parent makes a timeout error of its own (``ChainedInvoke.Timeout``).
            error=None if timed_out else state.error,
        )
    ]

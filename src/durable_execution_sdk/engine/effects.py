"""Effects: the work outside the engine that follows stored events. Each may be done twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from durable_execution_sdk.engine.events import (
    ENDS,
    ChainedInvokeStarted,
    Event,
    ExecutionDeleted,
)
from durable_execution_sdk.engine.execution_time import REAL_TIME, ExecutionTime
from durable_execution_sdk.engine.state import ExecutionState
from durable_execution_sdk.protocol.control_plane import ExecutionStatus
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.operations import OperationStatus, OperationStatusName


class InvokeHandler(msgspec.Struct, frozen=True, kw_only=True):
    """Invoke the handler: send ``StartInvocation`` now and ``FinishInvocation`` when it has ended.

    Returned after every command while an invocation is due, so losing one does no harm.
    """

    arn: str
    number: int


class StartChild(msgspec.Struct, frozen=True, kw_only=True):
    """Start the durable execution ``arn`` for a chained invoke, unless it exists already."""

    arn: str
    function_arn: str
    input: str
    parent_arn: str
    operation_id: str
    execution_timeout: int | None = None
    tenant_id: str | None = None
    trace_id: str | None = None
    time: ExecutionTime = REAL_TIME


class CallFunction(msgspec.Struct, frozen=True, kw_only=True):
    """Call a function that is not durable for a chained invoke; send its result as ``FinishChainedInvoke``."""

    function_arn: str
    input: str
    parent_arn: str
    operation_id: str
    tenant_id: str | None = None
    trace_id: str | None = None


class NotifyParent(msgspec.Struct, frozen=True, kw_only=True):
    """Send ``FinishChainedInvoke`` to the execution that waits for this one.

    ``time`` is this execution's: a parent whose time is earlier moves to it first.
    """

    parent_arn: str
    operation_id: str
    status: OperationStatusName
    result: str | None = None
    error: ErrorObject | None = None
    time: ExecutionTime = REAL_TIME


class ForgetExecution(msgspec.Struct, frozen=True, kw_only=True):
    """Delete everything that is stored of an execution."""

    arn: str


Effect = InvokeHandler | StartChild | CallFunction | NotifyParent | ForgetExecution


_WITH_EFFECTS = ENDS | {ChainedInvokeStarted, ExecutionDeleted}


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
            time=state.time,
        )
    ]


_OUTCOMES: Mapping[ExecutionStatus, OperationStatusName] = {
    ExecutionStatus.SUCCEEDED: OperationStatus.SUCCEEDED,
    ExecutionStatus.FAILED: OperationStatus.FAILED,
    ExecutionStatus.TIMED_OUT: OperationStatus.TIMED_OUT,
    ExecutionStatus.STOPPED: OperationStatus.STOPPED,
}


def _notify_parent(state: ExecutionState) -> list[Effect]:
    if state.parent is None:
        return []
    timed_out = state.status == ExecutionStatus.TIMED_OUT
    return [
        NotifyParent(
            parent_arn=state.parent.arn,
            operation_id=state.parent.operation_id,
            status=_OUTCOMES[state.status],
            result=state.result,
            # The parent makes a timeout error of its own (``ChainedInvoke.Timeout``).
            error=None if timed_out else state.error,
            time=state.time,
        )
    ]

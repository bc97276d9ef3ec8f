"""The six tables as one: which update is allowed when, and what an event makes of an operation."""

from __future__ import annotations

from collections.abc import Mapping

from durable_execution_sdk.engine.events import (
    CallbackFailed,
    CallbackHeartbeatReceived,
    CallbackStarted,
    CallbackSucceeded,
    CallbackTimedOut,
    ChainedInvokeFailed,
    ChainedInvokeStarted,
    ChainedInvokeStopped,
    ChainedInvokeSucceeded,
    ChainedInvokeTimedOut,
    ContextFailed,
    ContextStarted,
    ContextSucceeded,
    OperationEvent,
    StepFailed,
    StepReady,
    StepRetryScheduled,
    StepStarted,
    StepSucceeded,
    WaitCancelled,
    WaitStarted,
    WaitSucceeded,
)
from durable_execution_sdk.engine.rejections import Rejected, invalid
from durable_execution_sdk.engine.transitions import (
    callback,
    context,
    execution,
    invoke,
    step,
    wait,
)
from durable_execution_sdk.engine.transitions.table import Facts, Moves, Timers, Updates
from durable_execution_sdk.model.control import ExecutionStatus
from durable_execution_sdk.model.operation import Operation, OperationStatus, OperationType
from durable_execution_sdk.model.update import OperationAction, OperationUpdate

UPDATES: Mapping[OperationType, Updates] = {
    OperationType.STEP: step.UPDATES,
    OperationType.WAIT: wait.UPDATES,
    OperationType.CALLBACK: callback.UPDATES,
    OperationType.CHAINED_INVOKE: invoke.UPDATES,
    OperationType.CONTEXT: context.UPDATES,
}

MOVES: Moves = {
    **step.MOVES,
    **wait.MOVES,
    **callback.MOVES,
    **invoke.MOVES,
    **context.MOVES,
}


def record_update(
    update: OperationUpdate, current: Operation | None, facts: Facts
) -> list[OperationEvent]:
    """The events for an update of an operation that is now ``current``."""
    status = OperationStatus(current.status) if current else None
    rules = UPDATES[update.type]
    rule = rules.get((update.action, status))
    if rule is None:
        allowed = [action for action, source in rules if source == status]
        raise _not_allowed(update, status, allowed)
    return rule.record(update, current, facts)


def settle_execution(update: OperationUpdate, current: Operation) -> ExecutionStatus:
    """How the execution ends after an EXECUTION update."""
    status = OperationStatus(current.status)
    outcome = execution.UPDATES.get((update.action, status))
    if outcome is None:
        allowed = [action for action, source in execution.UPDATES if source == status]
        raise _not_allowed(update, status, allowed)
    return outcome


def _not_allowed(
    update: OperationUpdate, status: OperationStatus | None, allowed: list[OperationAction]
) -> Rejected:
    name = f" {update.name!r}" if update.name else ""
    found = f"is {status}" if status else "does not exist yet"
    expected = " or ".join(allowed) if allowed else "nothing"
    return invalid(
        f"Invalid action {update.action} for {update.type} operation {update.id}{name}: "
        f"it {found}, which allows {expected}."
    )


def apply_event(before: Operation | None, event: OperationEvent) -> Operation:
    """An operation after an event."""
    match event:
        case StepStarted() | StepSucceeded() | StepFailed() | StepRetryScheduled() | StepReady():
            return step.apply(before, event)
        case ContextStarted() | ContextSucceeded() | ContextFailed():
            return context.apply(before, event)
        case WaitStarted() | WaitSucceeded() | WaitCancelled():
            return wait.apply(before, event)
        case (
            CallbackStarted()
            | CallbackHeartbeatReceived()
            | CallbackSucceeded()
            | CallbackFailed()
            | CallbackTimedOut()
        ):
            return callback.apply(before, event)
        case (
            ChainedInvokeStarted()
            | ChainedInvokeSucceeded()
            | ChainedInvokeFailed()
            | ChainedInvokeTimedOut()
            | ChainedInvokeStopped()
        ):
            return invoke.apply(before, event)


def timers_after(event: OperationEvent) -> Timers:
    """The timers that an event arms (with when they are due) and disarms (with ``None``)."""
    match event:
        case StepStarted() | StepSucceeded() | StepFailed() | StepRetryScheduled() | StepReady():
            return step.timers(event)
        case ContextStarted() | ContextSucceeded() | ContextFailed():
            return context.timers(event)
        case WaitStarted() | WaitSucceeded() | WaitCancelled():
            return wait.timers(event)
        case (
            CallbackStarted()
            | CallbackHeartbeatReceived()
            | CallbackSucceeded()
            | CallbackFailed()
            | CallbackTimedOut()
        ):
            return callback.timers(event)
        case _:
            return invoke.timers(event)

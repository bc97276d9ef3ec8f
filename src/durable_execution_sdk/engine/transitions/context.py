"""CONTEXT: the SDK starts it and ends it; the service only keeps it."""

from __future__ import annotations

from msgspec.structs import replace

from durable_execution_sdk.engine.events import (
    ContextFailed,
    ContextStarted,
    ContextSucceeded,
    OperationEvent,
)
from durable_execution_sdk.engine.transitions.table import (
    ABSENT,
    Applies,
    Facts,
    Moves,
    Rule,
    TimersAfter,
    Updates,
    opened,
    reference,
)
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.operations import (
    ContextDetails,
    Operation,
    OperationStatus,
    OperationType,
)
from durable_execution_sdk.protocol.updates import OperationAction, OperationUpdate


def _start(
    update: OperationUpdate, _current: Operation | None, facts: Facts
) -> list[OperationEvent]:
    return [ContextStarted(at=facts.at, operation=reference(update))]


def _succeed(
    update: OperationUpdate, _current: Operation | None, facts: Facts
) -> list[OperationEvent]:
    return [
        ContextSucceeded(
            at=facts.at,
            operation=reference(update),
            result=update.payload,
            replay_children=_replay_children(update),
        )
    ]


def _fail(
    update: OperationUpdate, _current: Operation | None, facts: Facts
) -> list[OperationEvent]:
    return [
        ContextFailed(
            at=facts.at,
            operation=reference(update),
            error=update.error or ErrorObject(),
            replay_children=_replay_children(update),
        )
    ]


def _replay_children(update: OperationUpdate) -> bool | None:
    return update.context_options.replay_children if update.context_options else None


UPDATES: Updates = {
    (OperationAction.START, ABSENT): Rule(OperationStatus.STARTED, _start),
    (OperationAction.SUCCEED, ABSENT): Rule(OperationStatus.SUCCEEDED, _succeed),
    (OperationAction.SUCCEED, OperationStatus.STARTED): Rule(OperationStatus.SUCCEEDED, _succeed),
    (OperationAction.FAIL, ABSENT): Rule(OperationStatus.FAILED, _fail),
    (OperationAction.FAIL, OperationStatus.STARTED): Rule(OperationStatus.FAILED, _fail),
}

MOVES: Moves = {}


def _started(previous: Operation | None, event: ContextStarted) -> Operation:
    return replace(
        previous or opened(OperationType.CONTEXT, event.operation, event.at),
        context_details=ContextDetails(),
    )


def _succeeded(previous: Operation | None, event: ContextSucceeded) -> Operation:
    return replace(
        previous or opened(OperationType.CONTEXT, event.operation, event.at),
        status=OperationStatus.SUCCEEDED,
        end_timestamp=event.at,
        context_details=ContextDetails(replay_children=event.replay_children, result=event.result),
    )


def _failed(previous: Operation | None, event: ContextFailed) -> Operation:
    return replace(
        previous or opened(OperationType.CONTEXT, event.operation, event.at),
        status=OperationStatus.FAILED,
        end_timestamp=event.at,
        context_details=ContextDetails(replay_children=event.replay_children, error=event.error),
    )


APPLIES: Applies = {
    ContextStarted: _started,
    ContextSucceeded: _succeeded,
    ContextFailed: _failed,
}

# Contexts have no timers.
TIMERS: TimersAfter = {}

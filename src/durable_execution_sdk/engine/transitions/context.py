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
    Facts,
    Moves,
    Rule,
    Timers,
    Updates,
    opened,
    reference,
)
from durable_execution_sdk.model.failure import ErrorObject
from durable_execution_sdk.model.operation import (
    ContextDetails,
    Operation,
    OperationStatus,
    OperationType,
)
from durable_execution_sdk.model.update import OperationAction, OperationUpdate

ContextEvent = ContextStarted | ContextSucceeded | ContextFailed


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


def apply(before: Operation | None, event: ContextEvent) -> Operation:
    """The context after an event."""
    context = before or opened(OperationType.CONTEXT, event.operation, event.at)
    match event:
        case ContextStarted():
            return replace(context, context_details=ContextDetails())
        case ContextSucceeded():
            return replace(
                context,
                status=OperationStatus.SUCCEEDED,
                end_timestamp=event.at,
                context_details=ContextDetails(
                    replay_children=event.replay_children, result=event.result
                ),
            )
        case ContextFailed():
            return replace(
                context,
                status=OperationStatus.FAILED,
                end_timestamp=event.at,
                context_details=ContextDetails(
                    replay_children=event.replay_children, error=event.error
                ),
            )


def timers(_event: ContextEvent) -> Timers:
    """None: a context lasts as long as it lasts."""
    return []

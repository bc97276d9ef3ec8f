"""CALLBACK: the SDK starts it; somebody outside answers, or a timeout passes."""

from __future__ import annotations

from msgspec.structs import replace

from durable_execution_sdk.engine.events import (
    CallbackFailed,
    CallbackHeartbeatReceived,
    CallbackStarted,
    CallbackSucceeded,
    CallbackTimedOut,
    OperationEvent,
)
from durable_execution_sdk.engine.state import TimerKind
from durable_execution_sdk.engine.transitions.table import (
    ABSENT,
    Facts,
    Move,
    Moves,
    Rule,
    Timers,
    Updates,
    opened,
    reference,
)
from durable_execution_sdk.model.operation import (
    CallbackDetails,
    Operation,
    OperationStatus,
    OperationType,
)
from durable_execution_sdk.model.update import CallbackOptions, OperationAction, OperationUpdate

CallbackEvent = (
    CallbackStarted
    | CallbackHeartbeatReceived
    | CallbackSucceeded
    | CallbackFailed
    | CallbackTimedOut
)


def _start(
    update: OperationUpdate, _current: Operation | None, facts: Facts
) -> list[OperationEvent]:
    options = update.callback_options or CallbackOptions()
    return [
        CallbackStarted(
            at=facts.at,
            operation=reference(update),
            callback_id=facts.callback_id,
            timeout_seconds=options.timeout_seconds or 0,
            heartbeat_seconds=options.heartbeat_timeout_seconds or 0,
        )
    ]


UPDATES: Updates = {
    (OperationAction.START, ABSENT): Rule(OperationStatus.STARTED, _start),
}

MOVES: Moves = {
    CallbackHeartbeatReceived: Move(OperationStatus.STARTED, OperationStatus.STARTED),
    CallbackSucceeded: Move(OperationStatus.STARTED, OperationStatus.SUCCEEDED),
    CallbackFailed: Move(OperationStatus.STARTED, OperationStatus.FAILED),
    CallbackTimedOut: Move(OperationStatus.STARTED, OperationStatus.TIMED_OUT),
}


def apply(before: Operation | None, event: CallbackEvent) -> Operation:
    """The callback after an event."""
    callback = before or opened(OperationType.CALLBACK, event.operation, event.at)
    details = callback.callback_details or CallbackDetails()
    match event:
        case CallbackStarted():
            return replace(
                callback, callback_details=CallbackDetails(callback_id=event.callback_id)
            )
        case CallbackHeartbeatReceived():
            return callback
        case CallbackSucceeded():
            return replace(
                callback,
                status=OperationStatus.SUCCEEDED,
                end_timestamp=event.at,
                callback_details=replace(details, result=event.result),
            )
        case CallbackFailed():
            return replace(
                callback,
                status=OperationStatus.FAILED,
                end_timestamp=event.at,
                callback_details=replace(details, error=event.error),
            )
        case CallbackTimedOut():
            return replace(
                callback,
                status=OperationStatus.TIMED_OUT,
                end_timestamp=event.at,
                callback_details=replace(details, error=event.error),
            )


def timers(event: CallbackEvent) -> Timers:
    """What an event does to the callback's two timers; a sign of life moves only its own."""
    match event:
        case CallbackStarted():
            return [
                (TimerKind.CALLBACK_TIMEOUT, _after(event.at, event.timeout_seconds)),
                (TimerKind.CALLBACK_HEARTBEAT, _after(event.at, event.heartbeat_seconds)),
            ]
        case CallbackHeartbeatReceived():
            return [(TimerKind.CALLBACK_HEARTBEAT, _after(event.at, event.heartbeat_seconds))]
        case _:
            return [(TimerKind.CALLBACK_TIMEOUT, None), (TimerKind.CALLBACK_HEARTBEAT, None)]


def _after(at: int, seconds: int) -> int | None:
    return at + seconds * 1000 if seconds else None

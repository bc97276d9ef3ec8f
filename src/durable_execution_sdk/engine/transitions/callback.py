"""CALLBACK: the SDK starts it; an external system completes it, or a timeout passes."""

from __future__ import annotations

from msgspec.structs import replace

from durable_execution_sdk.engine.events import (
    CallbackFailed,
    CallbackHeartbeatReceived,
    CallbackStarted,
    CallbackSucceeded,
    CallbackTimedOut,
    OperationEvent,
    clock_at,
)
from durable_execution_sdk.engine.state import TimerKind
from durable_execution_sdk.engine.transitions.table import (
    ABSENT,
    Applies,
    Facts,
    Move,
    Moves,
    Rule,
    Timer,
    Timers,
    TimersAfter,
    Updates,
    opened,
    reference,
)
from durable_execution_sdk.protocol.operations import (
    CallbackDetails,
    Operation,
    OperationStatus,
    OperationType,
)
from durable_execution_sdk.protocol.updates import CallbackOptions, OperationAction, OperationUpdate


def _start(
    update: OperationUpdate, _current: Operation | None, facts: Facts
) -> list[OperationEvent]:
    options = update.callback_options or CallbackOptions()
    return [
        CallbackStarted(
            at=facts.at,
            clock_at=clock_at(facts.at, facts.now),
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


def _started(previous: Operation | None, event: CallbackStarted) -> Operation:
    return replace(
        _callback(previous, event), callback_details=CallbackDetails(callback_id=event.callback_id)
    )


def _kept_alive(previous: Operation | None, event: CallbackHeartbeatReceived) -> Operation:
    return _callback(previous, event)


def _succeeded(previous: Operation | None, event: CallbackSucceeded) -> Operation:
    callback = _callback(previous, event)
    return replace(
        callback,
        status=OperationStatus.SUCCEEDED,
        end_timestamp=event.at,
        callback_details=replace(
            callback.callback_details or CallbackDetails(), result=event.result
        ),
    )


def _failed(previous: Operation | None, event: CallbackFailed | CallbackTimedOut) -> Operation:
    callback = _callback(previous, event)
    return replace(
        callback,
        status=MOVES[type(event)].to,
        end_timestamp=event.at,
        callback_details=replace(callback.callback_details or CallbackDetails(), error=event.error),
    )


def _callback(previous: Operation | None, event: OperationEvent) -> Operation:
    return previous or opened(OperationType.CALLBACK, event.operation, event.at)


APPLIES: Applies = {
    CallbackStarted: _started,
    CallbackHeartbeatReceived: _kept_alive,
    CallbackSucceeded: _succeeded,
    CallbackFailed: _failed,
    CallbackTimedOut: _failed,
}


def _both_timers(event: CallbackStarted) -> Timers:
    return [
        _timer(TimerKind.CALLBACK_TIMEOUT, event, event.timeout_seconds),
        _timer(TimerKind.CALLBACK_HEARTBEAT, event, event.heartbeat_seconds),
    ]


def _heartbeat_timer(event: CallbackHeartbeatReceived) -> Timers:
    return [_timer(TimerKind.CALLBACK_HEARTBEAT, event, event.heartbeat_seconds)]


def _no_timers(_event: OperationEvent) -> Timers:
    return [Timer(TimerKind.CALLBACK_TIMEOUT), Timer(TimerKind.CALLBACK_HEARTBEAT)]


def _timer(
    kind: TimerKind, event: CallbackStarted | CallbackHeartbeatReceived, seconds: int
) -> Timer:
    if not seconds:
        return Timer(kind)
    begins_at = event.at if event.clock_at is None else event.clock_at
    return Timer(kind, begins_at + seconds * 1000, event.at + seconds * 1000)


TIMERS: TimersAfter = {
    CallbackStarted: _both_timers,
    CallbackHeartbeatReceived: _heartbeat_timer,
    CallbackSucceeded: _no_timers,
    CallbackFailed: _no_timers,
    CallbackTimedOut: _no_timers,
}

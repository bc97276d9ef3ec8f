"""WAIT: the SDK starts or cancels it, the service ends it when it is due."""

from __future__ import annotations

from msgspec.structs import replace

from durable_execution_sdk.engine.events import (
    OperationEvent,
    WaitCancelled,
    WaitStarted,
    WaitSucceeded,
)
from durable_execution_sdk.engine.rejections import invalid
from durable_execution_sdk.engine.state import TimerKind
from durable_execution_sdk.engine.transitions.table import (
    ABSENT,
    Applies,
    Facts,
    Move,
    Moves,
    Rule,
    Timer,
    TimersAfter,
    Updates,
    opened,
    reference,
)
from durable_execution_sdk.protocol.operations import (
    Operation,
    OperationStatus,
    OperationType,
    WaitDetails,
)
from durable_execution_sdk.protocol.updates import OperationAction, OperationUpdate


def _start(
    update: OperationUpdate, _current: Operation | None, facts: Facts
) -> list[OperationEvent]:
    seconds = update.wait_options.wait_seconds if update.wait_options else None
    if seconds is None:
        raise invalid(f"Invalid WaitOptions for wait {update.id}: START needs WaitSeconds.")
    return [
        WaitStarted(
            at=facts.at,
            operation=reference(update),
            seconds=seconds,
            due_at=facts.now + seconds * 1000,
        )
    ]


def _cancel(
    update: OperationUpdate, _current: Operation | None, facts: Facts
) -> list[OperationEvent]:
    return [WaitCancelled(at=facts.at, operation=reference(update), error=update.error)]


def _lose_race(
    _update: OperationUpdate, _current: Operation | None, _facts: Facts
) -> list[OperationEvent]:
    return []


UPDATES: Updates = {
    (OperationAction.START, ABSENT): Rule(OperationStatus.STARTED, _start),
    (OperationAction.CANCEL, OperationStatus.STARTED): Rule(OperationStatus.CANCELLED, _cancel),
    # The timer may end the wait while the SDK's cancellation is in transit: accepted, without an event.
    (OperationAction.CANCEL, OperationStatus.SUCCEEDED): Rule(
        OperationStatus.SUCCEEDED, _lose_race
    ),
}

MOVES: Moves = {WaitSucceeded: Move(OperationStatus.STARTED, OperationStatus.SUCCEEDED)}


def _started(previous: Operation | None, event: WaitStarted) -> Operation:
    return replace(
        previous or opened(OperationType.WAIT, event.operation, event.at),
        wait_details=WaitDetails(scheduled_end_timestamp=event.due_at),
    )


def _succeeded(previous: Operation | None, event: WaitSucceeded) -> Operation:
    return replace(
        previous or opened(OperationType.WAIT, event.operation, event.at),
        status=OperationStatus.SUCCEEDED,
        end_timestamp=event.at,
    )


def _cancelled(previous: Operation | None, event: WaitCancelled) -> Operation:
    return replace(
        previous or opened(OperationType.WAIT, event.operation, event.at),
        status=OperationStatus.CANCELLED,
        end_timestamp=event.at,
    )


APPLIES: Applies = {
    WaitStarted: _started,
    WaitSucceeded: _succeeded,
    WaitCancelled: _cancelled,
}

TIMERS: TimersAfter = {
    WaitStarted: lambda event: [
        Timer(TimerKind.WAIT, event.due_at, event.at + event.seconds * 1000)
    ],
    WaitSucceeded: lambda _: [Timer(TimerKind.WAIT)],
    WaitCancelled: lambda _: [Timer(TimerKind.WAIT)],
}

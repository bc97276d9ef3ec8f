"""STEP: the SDK runs the attempts; the service times the delays between them."""

from __future__ import annotations

from msgspec.structs import replace

from durable_execution_sdk.engine.events import (
    OperationEvent,
    StepFailed,
    StepReady,
    StepRetryScheduled,
    StepStarted,
    StepSucceeded,
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
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.operations import (
    Operation,
    OperationStatus,
    OperationType,
    StepDetails,
)
from durable_execution_sdk.protocol.updates import OperationAction, OperationUpdate


def _ended_attempts(operation: Operation | None) -> int:
    details = operation.step_details if operation else None
    return (details.attempt if details else None) or 0


def begun_attempts(operation: Operation | None) -> int:
    """Return the number of attempts of a step or poll that have begun; 0 for another operation."""
    if operation is None or operation.type != OperationType.STEP:
        return 0
    return _ended_attempts(operation) + (operation.status == OperationStatus.STARTED)


def _start(
    update: OperationUpdate, _current: Operation | None, facts: Facts
) -> list[OperationEvent]:
    return [StepStarted(at=facts.at, operation=reference(update))]


def _succeed(
    update: OperationUpdate, current: Operation | None, facts: Facts
) -> list[OperationEvent]:
    return [
        StepSucceeded(
            at=facts.at,
            operation=reference(update),
            attempt=_ended_attempts(current) + 1,
            result=update.payload,
        )
    ]


def _fail(update: OperationUpdate, current: Operation | None, facts: Facts) -> list[OperationEvent]:
    return [
        StepFailed(
            at=facts.at,
            operation=reference(update),
            attempt=_ended_attempts(current) + 1,
            error=update.error or ErrorObject(),
        )
    ]


def _retry(
    update: OperationUpdate, current: Operation | None, facts: Facts
) -> list[OperationEvent]:
    delay = update.step_options.next_attempt_delay_seconds if update.step_options else None
    if delay is None:
        raise invalid(
            f"Invalid StepOptions for step {update.id}: RETRY needs NextAttemptDelaySeconds."
        )
    if update.error is not None and update.payload is not None:
        raise invalid(
            f"RETRY of step {update.id} has an Error and a Payload; send the error of a failed "
            "attempt, or the state of a poll."
        )
    return [
        StepRetryScheduled(
            at=facts.at,
            operation=reference(update),
            attempt=_ended_attempts(current) + 1,
            delay_seconds=delay,
            due_at=facts.now + delay * 1000,
            result=update.payload,
            error=update.error,
        )
    ]


_OPEN = (ABSENT, OperationStatus.STARTED, OperationStatus.READY)

UPDATES: Updates = {
    (OperationAction.START, ABSENT): Rule(OperationStatus.STARTED, _start),
    (OperationAction.START, OperationStatus.READY): Rule(OperationStatus.STARTED, _start),
    **{
        (OperationAction.SUCCEED, status): Rule(OperationStatus.SUCCEEDED, _succeed)
        for status in _OPEN
    },
    **{(OperationAction.FAIL, status): Rule(OperationStatus.FAILED, _fail) for status in _OPEN},
    **{(OperationAction.RETRY, status): Rule(OperationStatus.PENDING, _retry) for status in _OPEN},
}

MOVES: Moves = {StepReady: Move(OperationStatus.PENDING, OperationStatus.READY)}


_NO_ATTEMPT_ENDED = StepDetails(attempt=0)


def _started(previous: Operation | None, event: StepStarted) -> Operation:
    step = previous or opened(OperationType.STEP, event.operation, event.at)
    return replace(
        step, status=OperationStatus.STARTED, step_details=step.step_details or _NO_ATTEMPT_ENDED
    )


def _ready(previous: Operation | None, event: StepReady) -> Operation:
    step = previous or opened(OperationType.STEP, event.operation, event.at)
    return replace(
        step,
        status=OperationStatus.READY,
        step_details=replace(step.step_details or _NO_ATTEMPT_ENDED, next_attempt_timestamp=None),
    )


def _postponed(previous: Operation | None, event: StepRetryScheduled) -> Operation:
    return replace(
        previous or opened(OperationType.STEP, event.operation, event.at),
        status=OperationStatus.PENDING,
        step_details=StepDetails(
            attempt=event.attempt,
            next_attempt_timestamp=event.due_at,
            result=event.result,
            error=event.error,
        ),
    )


def _succeeded(previous: Operation | None, event: StepSucceeded) -> Operation:
    return replace(
        previous or opened(OperationType.STEP, event.operation, event.at),
        status=OperationStatus.SUCCEEDED,
        end_timestamp=event.at,
        step_details=StepDetails(attempt=event.attempt, result=event.result),
    )


def _failed(previous: Operation | None, event: StepFailed) -> Operation:
    return replace(
        previous or opened(OperationType.STEP, event.operation, event.at),
        status=OperationStatus.FAILED,
        end_timestamp=event.at,
        step_details=StepDetails(attempt=event.attempt, error=event.error),
    )


APPLIES: Applies = {
    StepStarted: _started,
    StepReady: _ready,
    StepRetryScheduled: _postponed,
    StepSucceeded: _succeeded,
    StepFailed: _failed,
}

TIMERS: TimersAfter = {
    StepRetryScheduled: lambda event: [
        Timer(TimerKind.STEP_RETRY, event.due_at, event.at + event.delay_seconds * 1000)
    ],
    StepReady: lambda _: [Timer(TimerKind.STEP_RETRY)],
}

"""STEP: attempts that the SDK runs, and the delays between them that the service keeps."""

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
    Facts,
    Move,
    Moves,
    Rule,
    Timers,
    Updates,
    opened,
    reference,
)
from durable_execution_sdk.model.failure import ErrorObject
from durable_execution_sdk.model.operation import (
    Operation,
    OperationStatus,
    OperationType,
    StepDetails,
)
from durable_execution_sdk.model.update import OperationAction, OperationUpdate

StepEvent = StepStarted | StepSucceeded | StepFailed | StepRetryScheduled | StepReady


def _ended_attempts(operation: Operation | None) -> int:
    details = operation.step_details if operation else None
    return (details.attempt if details else None) or 0


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
            due_at=facts.at + delay * 1000,
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


def apply(before: Operation | None, event: StepEvent) -> Operation:
    """The step after an event."""
    step = before or opened(OperationType.STEP, event.operation, event.at)
    details = step.step_details or StepDetails(attempt=0)
    match event:
        case StepStarted():
            return replace(step, status=OperationStatus.STARTED, step_details=details)
        case StepReady():
            return replace(
                step,
                status=OperationStatus.READY,
                step_details=replace(details, next_attempt_timestamp=None),
            )
        case StepRetryScheduled():
            return replace(
                step,
                status=OperationStatus.PENDING,
                step_details=StepDetails(
                    attempt=event.attempt,
                    next_attempt_timestamp=event.due_at,
                    result=event.result,
                    error=event.error,
                ),
            )
        case StepSucceeded():
            return replace(
                step,
                status=OperationStatus.SUCCEEDED,
                end_timestamp=event.at,
                step_details=StepDetails(attempt=event.attempt, result=event.result),
            )
        case StepFailed():
            return replace(
                step,
                status=OperationStatus.FAILED,
                end_timestamp=event.at,
                step_details=StepDetails(attempt=event.attempt, error=event.error),
            )


def timers(event: StepEvent) -> Timers:
    """What an event does to the step's timer."""
    match event:
        case StepRetryScheduled():
            return [(TimerKind.STEP_RETRY, event.due_at)]
        case StepReady():
            return [(TimerKind.STEP_RETRY, None)]
        case _:
            return []

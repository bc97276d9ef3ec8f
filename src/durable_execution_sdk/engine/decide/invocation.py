"""Decide the start and end of invocations; at most one runs at a time."""

from __future__ import annotations

from durable_execution_sdk.engine.commands import (
    AcceptCode,
    FinishInvocation,
    StartInvocation,
)
from durable_execution_sdk.engine.decide.ends import (
    close_as_settled,
    contract_error,
    too_many_operations,
)
from durable_execution_sdk.engine.decide.pause import begin_pause
from durable_execution_sdk.engine.decide.validation import execution_payload_limit
from durable_execution_sdk.engine.events import (
    CodeAccepted,
    Event,
    ExecutionFailed,
    ExecutionSucceeded,
    InvocationCompleted,
    InvocationRetryScheduled,
    InvocationStarted,
)
from durable_execution_sdk.engine.limits import Limits
from durable_execution_sdk.engine.rejections import conflict
from durable_execution_sdk.engine.sizes import error_bytes
from durable_execution_sdk.engine.state import ExecutionState, RunningInvocation
from durable_execution_sdk.engine.tokens import checkpoint_token
from durable_execution_sdk.protocol.control_plane import ExecutionStatus
from durable_execution_sdk.protocol.data_plane import Outcome, OutcomeStatus
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.updates import text_bytes

NOTHING_PENDING = "Cannot return PENDING status with no pending operations."


def decide_start_invocation(
    state: ExecutionState, command: StartInvocation, at: int
) -> list[Event]:
    """Start an invocation; raise ``Rejected`` unless ``state.wants_invocation``."""
    if not state.wants_invocation:
        raise conflict(f"Cannot invoke {state.arn}: {_why_not(state)}.")
    number = state.invocation_count + 1
    return [
        InvocationStarted(
            at=at,
            number=number,
            request_id=command.request_id,
            token=checkpoint_token(state.run_id, number, 0, command.secret),
            code=command.code,
        )
    ]


def decide_accept_code(state: ExecutionState, command: AcceptCode, at: int) -> list[Event]:
    """Accept changed code for an open execution."""
    if state.is_closed:
        raise conflict(f"Cannot go on with other code: {state.arn} is {state.status}.")
    return [] if state.code == command.code else [CodeAccepted(at=at, code=command.code)]


def _why_not(state: ExecutionState) -> str:
    if state.status != ExecutionStatus.RUNNING:
        return f"it is {state.status}"
    if state.invocation is not None:
        return f"invocation {state.invocation.request_id} is running"
    if state.retry_at is not None:
        return f"the retry of the failed invocation is not due before {state.retry_at}"
    return "nothing has changed since the last invocation"


def decide_finish_invocation(
    state: ExecutionState, command: FinishInvocation, at: int, now: int, limits: Limits
) -> list[Event]:
    """Record the end of the running invocation, and end, retry, pause or suspend the execution."""
    invocation = state.invocation
    if invocation is None or invocation.request_id != command.request_id:
        raise conflict(f"Invocation {command.request_id} of {state.arn} is not running.")
    if state.is_closed:
        return [_completed(invocation, at, command.error)]
    if state.settled is not None:
        error = None if command.fatal else command.error
        return [_completed(invocation, at, error), close_as_settled(state.settled, at)]
    if command.interrupted:
        completed = _completed(invocation, at, invoke_again=True)
        return [completed, *_pause_if_requested(state, at, limits)]
    if command.fatal or (command.outcome is None and command.error is None):
        error = command.error or contract_error("The handler returned no outcome.")
        return [_completed(invocation, at), ExecutionFailed(at=at, error=error)]
    if command.outcome is None:
        return _retry(state, invocation, command.error, at, now, limits)
    return _end_with(state, invocation, command.outcome, at, now, limits)


def _end_with(
    state: ExecutionState,
    invocation: RunningInvocation,
    outcome: Outcome,
    at: int,
    now: int,
    limits: Limits,
) -> list[Event]:
    if (problem := _contract_problem(state, outcome, limits)) is not None:
        return [_completed(invocation, at), ExecutionFailed(at=at, error=contract_error(problem))]
    match outcome.status:
        case OutcomeStatus.SUCCEEDED:
            return [
                _completed(invocation, at),
                ExecutionSucceeded(at=at, result=outcome.result),
            ]
        case OutcomeStatus.FAILED:
            error = outcome.error or ErrorObject()
            return [_completed(invocation, at), ExecutionFailed(at=at, error=error)]
        case OutcomeStatus.PENDING:
            return _suspend(state, invocation, at, now, limits)


def _contract_problem(state: ExecutionState, outcome: Outcome, limits: Limits) -> str | None:
    if outcome.status == OutcomeStatus.FAILED and outcome.result is not None:
        return "Cannot return a Result with FAILED status."
    if outcome.status == OutcomeStatus.SUCCEEDED and outcome.error is not None:
        return "Cannot return an Error with SUCCEEDED status."
    max_bytes = execution_payload_limit(state, limits)
    if text_bytes(outcome.result) > max_bytes:
        return (
            f"Execution output payload size must be less than or equal to {max_bytes} bytes. Keep the data"
            " elsewhere (S3, a database), and let the workflow return its key."
        )
    if error_bytes(outcome.error) > limits.error_bytes:
        return f"Execution error size must be less than or equal to {limits.error_bytes} bytes."
    return None


def _suspend(
    state: ExecutionState, invocation: RunningInvocation, at: int, now: int, limits: Limits
) -> list[Event]:
    lost_token = state.status in (ExecutionStatus.PAUSING, ExecutionStatus.PAUSED) or (
        invocation.token is None
    )
    nothing_pending = state.pending_count == 0
    if nothing_pending and not (state.unseen or invocation.saw_changes or lost_token):
        return _refuse_pending(state, invocation, at, now, limits)
    invoke_again = bool(state.unseen) or nothing_pending or invocation.token is None
    events: list[Event] = [_completed(invocation, at, invoke_again=invoke_again)]
    return events + _pause_if_requested(state, at, limits)


def _refuse_pending(
    state: ExecutionState, invocation: RunningInvocation, at: int, now: int, limits: Limits
) -> list[Event]:
    # An SDK may return PENDING while its last checkpoint races with it, so the invocation is retried
    # ``pending_refusals`` times before the execution fails.
    error = contract_error(NOTHING_PENDING)
    completed = _completed(invocation, at, error, refused=True, invoke_again=True)
    if state.refusals >= limits.pending_refusals:
        return [completed, ExecutionFailed(at=at, error=error)]
    return [completed, _schedule_retry(state, at, now, limits)]


def _retry(
    state: ExecutionState,
    invocation: RunningInvocation,
    error: ErrorObject | None,
    at: int,
    now: int,
    limits: Limits,
) -> list[Event]:
    completed = _completed(invocation, at, error or ErrorObject(), invoke_again=True)
    if state.status == ExecutionStatus.RUNNING:
        return [completed, _schedule_retry(state, at, now, limits)]
    return [completed, *_pause_if_requested(state, at, limits)]


def _schedule_retry(state: ExecutionState, at: int, now: int, limits: Limits) -> Event:
    if state.operation_count + 1 > limits.operations:
        return ExecutionFailed(at=at, error=too_many_operations(limits))
    failures = state.failures + 1
    # The cap is reached long before 32 doublings; the bound keeps the shift small.
    delay = min(limits.invocation_backoff << min(failures - 1, 32), limits.max_invocation_backoff)
    return InvocationRetryScheduled(at=at, failures=failures, due_at=now + delay)


def _pause_if_requested(state: ExecutionState, at: int, limits: Limits) -> list[Event]:
    if state.status == ExecutionStatus.PAUSING and state.pause is not None:
        return [begin_pause(state, state.pause, at, limits)]
    return []


def _completed(
    invocation: RunningInvocation,
    at: int,
    error: ErrorObject | None = None,
    *,
    refused: bool = False,
    invoke_again: bool = False,
) -> InvocationCompleted:
    return InvocationCompleted(
        at=at,
        number=invocation.number,
        request_id=invocation.request_id,
        started_at=invocation.started_at,
        error=error,
        refused=refused,
        invoke_again=invoke_again,
    )

"""Fold events into the state: the only module that changes a state.

No decisions are made here. An event holds all that its effect on the state depends on, so the same
events always give the same state.

The module is long because it has one function for each event, a table that is read whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from durable_execution_sdk.engine.events import (
    CallbackStarted,
    ChainedInvokeStarted,
    CheckpointAccepted,
    CodeAccepted,
    Event,
    ExecutionDeleted,
    ExecutionFailed,
    ExecutionOutcomeRecorded,
    ExecutionPaused,
    ExecutionResumed,
    ExecutionStarted,
    ExecutionStopped,
    ExecutionSucceeded,
    ExecutionTimedOut,
    InvocationCompleted,
    InvocationRetryReady,
    InvocationRetryScheduled,
    InvocationStarted,
    OperationEvent,
    PauseCancelled,
    PauseRequested,
    StepRetryScheduled,
    TimeChanged,
)
from durable_execution_sdk.engine.sizes import stored_bytes
from durable_execution_sdk.engine.state import (
    CLIENT_TOKEN_WINDOW,
    ExecutionState,
    Pause,
    RecordedResponse,
    RunningInvocation,
    SettledOutcome,
    TimerKind,
    is_pending,
)
from durable_execution_sdk.engine.transitions.rulebook import MOVES, apply_event, timers_after
from durable_execution_sdk.engine.transitions.step import begun_attempts
from durable_execution_sdk.errors import InternalError
from durable_execution_sdk.protocol.control_plane import ExecutionStatus
from durable_execution_sdk.protocol.ids import execution_operation_id
from durable_execution_sdk.protocol.operations import (
    ExecutionDetails,
    Operation,
    OperationStatus,
    OperationType,
)


def evolve(state: ExecutionState | None, event: Event) -> ExecutionState:
    """Fold one event into the state, in place, and return it; ``None`` begins a new state.

    Raises ``InternalError`` for an event that cannot follow the ones before it.
    """
    if state is None:
        state = _begin(event)
    else:
        CHANGES.get(type(event), _change_operation)(state, event)
    state.event_count += 1
    state.last_at = event.at
    state.stored_bytes += stored_bytes(event)
    return state


def _begin(event: Event) -> ExecutionState:
    if not isinstance(event, ExecutionStarted):
        raise InternalError(f"A log begins with {type(event).__name__}, not ExecutionStarted.")
    run_id = execution_operation_id(event.arn)
    state = ExecutionState(
        arn=event.arn,
        run_id=run_id,
        function_arn=event.function_arn,
        input=event.input,
        execution_timeout=event.execution_timeout,
        retention=event.retention,
        synchronous=event.synchronous,
        parent=event.parent,
        tenant_id=event.tenant_id,
        trace_id=event.trace_id,
        time=event.time,
        forked_from=event.forked_from,
        started_at=event.at,
        times_out_at=event.at + event.execution_timeout * 1_000,
        last_at=event.at,
        operation_count=1,
        invocation_due=True,
    )
    state.put_operation(
        Operation(
            id=run_id,
            type=OperationType.EXECUTION,
            status=OperationStatus.STARTED,
            start_timestamp=event.at,
            execution_details=ExecutionDetails(input_payload=event.input),
        )
    )
    state.set_timer("", TimerKind.EXECUTION_TIMEOUT, state.times_out_at)
    return state


def _change_operation(state: ExecutionState, event: OperationEvent) -> None:
    operation_id = event.operation.id
    previous = state.operations.get(operation_id)
    operation = apply_event(previous, event)
    if previous is None or type(event) is StepRetryScheduled:
        state.operation_count += 1
    if operation is not previous:
        state.attempts += begun_attempts(operation) - begun_attempts(previous)
        state.put_operation(operation)
        state.unseen[operation_id] = None
        if type(event) in MOVES:
            _wake(state)
    for timer in timers_after(event):
        state.set_timer(operation_id, *timer)
    update_index = _INDEX_UPDATES.get(operation.type)
    if update_index is not None:
        update_index(state, event, operation)


def _index_callback(state: ExecutionState, event: OperationEvent, operation: Operation) -> None:
    if isinstance(event, CallbackStarted):
        state.open_callbacks[operation.id] = None
        if event.heartbeat_seconds:
            state.heartbeats[operation.id] = event.heartbeat_seconds
    elif not is_pending(operation):
        state.open_callbacks.pop(operation.id, None)
        state.heartbeats.pop(operation.id, None)


def _index_invoke(state: ExecutionState, event: OperationEvent, operation: Operation) -> None:
    if isinstance(event, ChainedInvokeStarted):
        state.invokes[operation.id] = event
    elif not is_pending(operation):
        state.invokes.pop(operation.id, None)


_INDEX_UPDATES: Mapping[str, Callable[[ExecutionState, OperationEvent, Operation], None]] = {
    OperationType.CALLBACK: _index_callback,
    OperationType.CHAINED_INVOKE: _index_invoke,
}


def _wake(state: ExecutionState) -> None:
    if state.invocation is None:
        state.invocation_due = True
    else:
        state.invocation.saw_changes = True


def _start_invocation(state: ExecutionState, event: InvocationStarted) -> None:
    state.invocation = RunningInvocation(
        number=event.number,
        request_id=event.request_id,
        started_at=event.at,
        token=event.token,
        updated_ids=tuple(state.unseen),
    )
    state.invocation_count = event.number
    state.code = event.code
    state.invocation_due = False
    state.unseen.clear()


def _complete_invocation(state: ExecutionState, event: InvocationCompleted) -> None:
    state.invocation = None
    state.invocation_due = event.invoke_again
    state.refusals = state.refusals + 1 if event.refused else 0
    state.failures = state.failures if event.error else 0
    state.last_failure = event.error


def _schedule_invocation_retry(state: ExecutionState, event: InvocationRetryScheduled) -> None:
    state.failures = event.failures
    state.retry_at = event.due_at
    state.operation_count += 1
    state.set_timer("", TimerKind.INVOCATION_RETRY, event.due_at)


def _end_invocation_delay(state: ExecutionState, _event: InvocationRetryReady) -> None:
    state.retry_at = None
    state.set_timer("", TimerKind.INVOCATION_RETRY, None)


def _accept_checkpoint(state: ExecutionState, event: CheckpointAccepted) -> None:
    if state.invocation is None:
        raise InternalError("A log holds CheckpointAccepted without an invocation.")
    response = RecordedResponse(
        at=event.at,
        token=event.token,
        next_token=event.next_token,
        operations=tuple(
            state.operations[operation_id]
            for operation_id in state.unseen
            if operation_id not in event.left_out
        ),
    )
    state.unseen = dict.fromkeys(event.left_out)
    state.last_response = response
    while state.responses:
        oldest = next(iter(state.responses))
        if state.responses[oldest].at + CLIENT_TOKEN_WINDOW > event.at:
            break
        del state.responses[oldest]
    if event.client_token is not None:
        state.responses[event.client_token, event.token] = response
    state.invocation.sequence = event.sequence
    state.invocation.token = event.next_token


def _record_outcome(state: ExecutionState, event: ExecutionOutcomeRecorded) -> None:
    state.settled = SettledOutcome(status=event.status, result=event.result, error=event.error)


def _request_pause(state: ExecutionState, event: PauseRequested) -> None:
    _store_client_token(state, "pause", event.client_token, event.at)
    state.status = ExecutionStatus.PAUSING
    state.pause = Pause(
        requested_at=event.at,
        execution_timeout_paused=event.execution_timeout_paused,
        reason=event.reason,
    )


def _cancel_pause(state: ExecutionState, event: PauseCancelled) -> None:
    _store_client_token(state, "resume", event.client_token, event.at)
    state.status = ExecutionStatus.RUNNING
    state.pause = None


def _begin_pause(state: ExecutionState, event: ExecutionPaused) -> None:
    state.status = ExecutionStatus.PAUSED
    state.pause = Pause(
        requested_at=event.requested_at,
        execution_timeout_paused=event.execution_timeout_paused,
        reason=event.reason,
        began_at=event.at,
        timed_out_at=state.times_out_at,
    )
    _move_timeout(state, event.times_out_at)


def _end_pause(state: ExecutionState, event: ExecutionResumed) -> None:
    _store_client_token(state, "resume", event.client_token, event.at)
    state.status = ExecutionStatus.RUNNING
    state.pause = None
    _move_timeout(state, event.times_out_at)


def _move_timeout(state: ExecutionState, times_out_at: int) -> None:
    state.times_out_at = times_out_at
    state.set_timer("", TimerKind.EXECUTION_TIMEOUT, times_out_at)


def _store_client_token(
    state: ExecutionState, request: str, client_token: str | None, at: int
) -> None:
    if client_token is not None:
        state.client_tokens[request, client_token] = at


def _succeed(state: ExecutionState, event: ExecutionSucceeded) -> None:
    state.result = event.result
    _close(state, ExecutionStatus.SUCCEEDED, event.at)


def _fail(state: ExecutionState, event: ExecutionFailed) -> None:
    state.error = event.error
    _close(state, ExecutionStatus.FAILED, event.at)


def _time_out(state: ExecutionState, event: ExecutionTimedOut) -> None:
    state.error = event.error
    _close(state, ExecutionStatus.TIMED_OUT, event.at)


def _stop(state: ExecutionState, event: ExecutionStopped) -> None:
    state.error = event.error
    _close(state, ExecutionStatus.STOPPED, event.at)


def _change_time(state: ExecutionState, event: TimeChanged) -> None:
    state.time = event.time


def _accept_code(state: ExecutionState, event: CodeAccepted) -> None:
    state.code = event.code


def _delete(state: ExecutionState, event: ExecutionDeleted) -> None:
    state.status = ExecutionStatus.DELETING
    state.deleted_at = event.at


def _reject_second_start(_state: ExecutionState, _event: ExecutionStarted) -> None:
    raise InternalError("A log holds ExecutionStarted twice.")


def _close(state: ExecutionState, status: ExecutionStatus, at: int) -> None:
    state.status = status
    state.ended_at = at
    state.pause = None
    state.invocation_due = False
    state.retry_at = None
    state.timers.clear()
    state.timer_heap.clear()
    state.recorded_at.clear()
    state.open_callbacks.clear()
    state.heartbeats.clear()
    state.invokes.clear()
    if state.invocation is not None:
        state.invocation.token = None
    state.put_operation(
        replace(
            state.operations[state.run_id],
            status=status.value,
            end_timestamp=at,
        )
    )


CHANGES: Mapping[type[Event], Callable[[ExecutionState, Any], None]] = {
    CheckpointAccepted: _accept_checkpoint,
    InvocationStarted: _start_invocation,
    InvocationCompleted: _complete_invocation,
    InvocationRetryScheduled: _schedule_invocation_retry,
    InvocationRetryReady: _end_invocation_delay,
    ExecutionOutcomeRecorded: _record_outcome,
    ExecutionStarted: _reject_second_start,
    ExecutionSucceeded: _succeed,
    ExecutionFailed: _fail,
    ExecutionTimedOut: _time_out,
    ExecutionStopped: _stop,
    ExecutionDeleted: _delete,
    PauseRequested: _request_pause,
    PauseCancelled: _cancel_pause,
    ExecutionPaused: _begin_pause,
    ExecutionResumed: _end_pause,
    TimeChanged: _change_time,
    CodeAccepted: _accept_code,
}

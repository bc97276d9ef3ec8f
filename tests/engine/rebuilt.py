"""The log that a history gives, compared with the one that the history is of."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace
from tests.engine.engine_driver import ARN, Execution

from durable_execution_sdk.engine.from_history import HistoryLog
from durable_execution_sdk.engine.state import ExecutionState, TimerKind
from durable_execution_sdk.engine.views.history import history
from durable_execution_sdk.protocol.control_plane import ExecutionStatus
from durable_execution_sdk.protocol.history import HistoryEvent
from durable_execution_sdk.protocol.operations import Operation, OperationStatus

__all__ = ["check_rebuilt", "rebuilt"]

# Their events are not in a history: what it does not tell, it cannot give back.
UNTOLD = {TimerKind.CALLBACK_HEARTBEAT, TimerKind.INVOCATION_RETRY}


def rebuilt(entries: Sequence[HistoryEvent], arn: str = ARN) -> HistoryLog:
    """Rebuild a log, and check that it has the history that it was rebuilt from."""
    log = HistoryLog(arn)
    events = [event for entry in entries for event in log.take(entry)]
    assert history(events) == list(entries)
    return log


def check_rebuilt(execution: Execution) -> None:
    """Check that the history of an execution gives its state, as far as it is in the history."""
    state, again = execution.state, rebuilt(execution.history()).state
    assert again is not None
    assert list(map(told, again.operations.values())) == list(map(told, state.operations.values()))
    assert again.order == state.order
    is_over = {
        each.id for each in state.operations.values() if each.status == OperationStatus.READY
    }
    assert timers(again, is_over) == timers(state, is_over)
    assert (again.times_out_at, again.ended_at) == (state.times_out_at, state.ended_at)
    assert (again.result, again.error) == (state.result, state.error)
    is_pausing = state.status == ExecutionStatus.PAUSING
    assert again.status == (ExecutionStatus.RUNNING if is_pausing else state.status)
    assert again.open_callbacks == state.open_callbacks
    if not state.wants_invocation and state.invocation is None and not state.failures:
        assert not again.wants_invocation


def told(operation: Operation) -> Operation:
    """Return an operation without what no event tells: that its delay is over, and that its children replay."""
    step, context = operation.step_details, operation.context_details
    if step is not None and operation.status in (OperationStatus.READY, OperationStatus.PENDING):
        operation = replace(
            operation,
            status=OperationStatus.PENDING,
            step_details=replace(step, next_attempt_timestamp=None),
        )
    if context is not None:
        operation = replace(operation, context_details=replace(context, replay_children=None))
    return operation


def timers(state: ExecutionState, is_over: set[str]) -> dict[tuple[str, str], int]:
    """Return the timers, without those of steps whose delay is over, which the history tells later."""
    return {
        (operation_id, kind): at
        for (operation_id, kind), at in state.timers.items()
        if kind not in UNTOLD and operation_id not in is_over
    }

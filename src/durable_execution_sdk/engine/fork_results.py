"""Change results of operations in the log of a fork."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from durable_execution_sdk.engine.decide.external_result import operation_ref
from durable_execution_sdk.engine.events import (
    CallbackSucceeded,
    ChainedInvokeSucceeded,
    ContextSucceeded,
    Event,
    OperationEvent,
    OperationFields,
    OperationRef,
    StepSucceeded,
)
from durable_execution_sdk.engine.rejections import Rejected, invalid
from durable_execution_sdk.engine.state import ExecutionState
from durable_execution_sdk.protocol.operations import (
    TERMINAL_STATUSES,
    Operation,
    OperationType,
    label_of,
)


def with_results(
    events: list[Event], state: ExecutionState, results: Mapping[str, str]
) -> list[Event]:
    """Return the events with other results of operations that have ended; refuse impossible results.

    ``state`` is the state after the events, with the results that they have.
    """
    for operation_id in results:
        _check(state, operation_id)
    last_event = {
        event.operation.id: index
        for index, event in enumerate(events)
        if isinstance(event, OperationFields) and event.operation.id in results
    }
    changed = list(events)
    for operation_id, index in last_event.items():
        operation = state.operations[operation_id]
        if operation.status in TERMINAL_STATUSES:
            changed[index] = _success(operation, results[operation_id], events[index].at)
    return changed


def results_of_open(state: ExecutionState, results: Mapping[str, str], at: int) -> list[Event]:
    """Return the events with which operations that are open succeed."""
    return [
        _success(state.operations[operation_id], result, at)
        for operation_id, result in results.items()
        if state.operations[operation_id].status not in TERMINAL_STATUSES
    ]


def _check(state: ExecutionState, operation_id: str) -> None:
    operation = state.operations.get(operation_id)
    if operation is None:
        raise invalid(
            f"There is no operation {operation_id} in the part of the log that the fork takes over,"
            " so it has no result to change."
        )
    if operation.type not in _SUCCESSES:
        raise _refused(operation, f"a {operation.type.lower()} has no result")
    ended = [each for each in _contexts_of(state, operation) if each.status in TERMINAL_STATUSES]
    if ended:
        # The outermost one: the results of those inside it count no more either.
        label = label_of(ended[-1].type, ended[-1].sub_type, ended[-1].name)
        raise _refused(
            operation,
            f"it is inside {label} ({ended[-1].id}), which has ended and whose recorded result counts;"
            " change that one, or fork before it ended",
        )


def _contexts_of(state: ExecutionState, operation: Operation) -> Iterator[Operation]:
    """Yield the contexts that an operation is in, the innermost first."""
    parent = state.operations.get(operation.parent_id or "")
    while parent is not None:
        yield parent
        parent = state.operations.get(parent.parent_id or "")


def _refused(operation: Operation, reason: str) -> Rejected:
    label = label_of(operation.type, operation.sub_type, operation.name)
    return invalid(f"The result of {label} ({operation.id}) cannot be changed: {reason}.")


def _success(operation: Operation, result: str, at: int) -> OperationEvent:
    return _SUCCESSES[operation.type](operation, operation_ref(operation), result, at)


def _step(operation: Operation, ref: OperationRef, result: str, at: int) -> OperationEvent:
    attempts = (operation.step_details and operation.step_details.attempt) or 0
    if operation.status not in TERMINAL_STATUSES:
        attempts += 1
    return StepSucceeded(at=at, operation=ref, attempt=attempts, result=result)


_SUCCESSES: Mapping[str, Callable[[Operation, OperationRef, str, int], OperationEvent]] = {
    OperationType.STEP: _step,
    OperationType.CALLBACK: lambda _, ref, result, at: CallbackSucceeded(
        at=at, operation=ref, result=result
    ),
    OperationType.CHAINED_INVOKE: lambda _, ref, result, at: ChainedInvokeSucceeded(
        at=at, operation=ref, result=result
    ),
    OperationType.CONTEXT: lambda _, ref, result, at: ContextSucceeded(
        at=at, operation=ref, result=result
    ),
}

"""The failed operations of an execution, and the contexts that they are in."""

from __future__ import annotations

from msgspec.structs import replace

from durable_execution_sdk.engine.views.progress import OperationProgress
from durable_execution_sdk.protocol.history import HistoryEvent
from durable_execution_sdk.protocol.operations import OperationStatus
from durable_execution_sdk.rendering.family import Family
from durable_execution_sdk.rendering.wording import error_of

__all__ = ["failed_operations", "is_failure"]

_FAILED = frozenset({OperationStatus.FAILED, OperationStatus.TIMED_OUT, OperationStatus.STOPPED})


def failed_operations(executions: Family) -> Family:
    """Leave out the operations that have not failed, and hold none that has.

    An operation whose last attempt failed counts, even if a further attempt follows.
    """
    invoked = {
        operation_id: failed_operations(child) for operation_id, child in executions.invoked.items()
    }
    operations = executions.execution.operations
    parents = {each.operation.id: each.operation.parent_id for each in operations}
    kept: set[str] = set()
    for each in operations:
        child = invoked.get(each.operation.id)
        if _has_failed(each) or (child is not None and child.execution.operations):
            operation_id: str | None = each.operation.id
            while operation_id in parents and operation_id not in kept:
                kept.add(operation_id)
                operation_id = parents[operation_id]
    execution = replace(
        executions.execution, operations=[each for each in operations if each.operation.id in kept]
    )
    return Family(
        execution=execution, invoked={key: child for key, child in invoked.items() if key in kept}
    )


def is_failure(event: HistoryEvent) -> bool:
    """Tell whether an event is the failure of an attempt, an operation, an invocation or the execution."""
    if event.invocation_completed_details is not None:
        return event.invocation_completed_details.error is not None
    return event.event_type.endswith(("Failed", "TimedOut", "Stopped"))


def _has_failed(progress: OperationProgress) -> bool:
    operation = progress.operation
    if operation.status in _FAILED:
        return True
    return operation.end_timestamp is None and error_of(operation) is not None

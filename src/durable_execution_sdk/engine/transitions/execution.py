"""EXECUTION: a handler whose result is too large to return records its outcome by a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping

from durable_execution_sdk.engine.events import ExecutionOutcomeRecorded
from durable_execution_sdk.protocol.control_plane import ExecutionStatus
from durable_execution_sdk.protocol.error_object import ErrorObject
from durable_execution_sdk.protocol.operations import OperationStatus
from durable_execution_sdk.protocol.updates import (
    OperationAction,
    OperationActionName,
    OperationUpdate,
)

# The operation stays STARTED until the invocation is over, so that the history shows
# InvocationCompleted before the end of the execution.
UPDATES: Mapping[tuple[OperationActionName, str | None], ExecutionStatus] = {
    (OperationAction.SUCCEED, OperationStatus.STARTED): ExecutionStatus.SUCCEEDED,
    (OperationAction.FAIL, OperationStatus.STARTED): ExecutionStatus.FAILED,
}


def record(update: OperationUpdate, outcome: ExecutionStatus, at: int) -> ExecutionOutcomeRecorded:
    """Return the event for an update that settles the execution's outcome."""
    if outcome == ExecutionStatus.FAILED:
        error = update.error or ErrorObject()
        return ExecutionOutcomeRecorded(at=at, status=outcome, error=error)
    return ExecutionOutcomeRecorded(at=at, status=outcome, result=update.payload)

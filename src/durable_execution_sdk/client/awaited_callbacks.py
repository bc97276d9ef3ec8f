"""Find the callbacks of one execution that wait for an answer."""

from __future__ import annotations

from typing import NamedTuple

from durable_execution_sdk.engine.views.progress import (
    Awaited,
    ExecutionProgress,
    OperationProgress,
)
from durable_execution_sdk.protocol.operations import (
    Operation,
    OperationStatus,
    OperationSubType,
    OperationType,
)

__all__ = ["Awaiting", "awaited_callback"]


class Awaiting(NamedTuple):
    """A callback's id, and its name in the workflow."""

    callback_id: str
    name: str | None


def awaited_callback(
    execution: ExecutionProgress,
    operation: OperationProgress,
    name: str | None = None,
    *,
    after_submitter: bool = False,
) -> Awaiting | None:
    """Return an operation of an execution as a callback that waits, of this name; ``None`` if it is none.

    The callback of a ``wait_for_callback`` waits once its submitter may have sent the id, that is after its
    first attempt, even if that failed. With ``after_submitter`` it waits once the submitter has succeeded.
    """
    details, waiting = operation.operation.callback_details, operation.waiting
    if waiting is None or waiting.awaited is not Awaited.ANSWER:
        return None
    if details is None or details.callback_id is None:
        return None
    own_name = operation.operation.name
    context = _wait_for_callback(execution, operation)
    if context is not None and not _is_handed_out(
        execution, context, after_submitter=after_submitter
    ):
        return None
    outer_name = own_name if context is None else context.name
    if name is not None and name not in {outer_name, own_name}:
        return None
    return Awaiting(details.callback_id, outer_name)


def _wait_for_callback(
    execution: ExecutionProgress, callback: OperationProgress
) -> Operation | None:
    """Return the ``wait_for_callback`` that a callback belongs to, or ``None``."""
    parent = callback.operation.parent_id
    for progress in execution.operations:
        if progress.operation.id == parent:
            is_one = progress.operation.sub_type == OperationSubType.WAIT_FOR_CALLBACK
            return progress.operation if is_one else None
    return None


def _is_handed_out(
    execution: ExecutionProgress, context: Operation, *, after_submitter: bool
) -> bool:
    return any(
        progress.operation.parent_id == context.id
        and progress.operation.type == OperationType.STEP
        and (
            progress.operation.status == OperationStatus.SUCCEEDED
            or (not after_submitter and _ended_attempts(progress.operation) > 0)
        )
        for progress in execution.operations
    )


def _ended_attempts(step: Operation) -> int:
    return (step.step_details.attempt or 0) if step.step_details else 0

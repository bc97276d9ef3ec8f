"""Find the callbacks of an execution, and of those that it invoked, that wait for an answer.

The runners wait until there is one: ``local.service`` and ``cloud.runner``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from durable_execution_sdk.engine.views.progress import Awaited
from durable_execution_sdk.protocol.operations import (
    Operation,
    OperationStatus,
    OperationSubType,
    OperationType,
)
from durable_execution_sdk.rendering.family import Family, Waiter
from durable_execution_sdk.rendering.wording import callback_id_of

__all__ = ["Awaiting", "callbacks_of"]


class Awaiting(NamedTuple):
    """A callback's id, and its name in the workflow."""

    callback_id: str
    name: str | None


def callbacks_of(
    executions: Family, name: str | None = None, *, after_submitter: bool = False
) -> Iterator[Awaiting]:
    """Yield the callbacks that wait, or those with this name, in the order of their start.

    The callback of a ``wait_for_callback`` is included once its submitter may have sent the id, that is
    after its first attempt, even if that failed. With ``after_submitter`` it is included once the
    submitter has succeeded.
    """
    for waiter in executions.waiters():
        if waiter.waiting.awaited is not Awaited.ANSWER:
            continue
        callback_id = callback_id_of(waiter.progress)
        if callback_id is None:
            continue
        own_name = waiter.progress.operation.name
        context = _wait_for_callback(waiter)
        if context is not None and not _is_handed_out(
            waiter, context, after_submitter=after_submitter
        ):
            continue
        outer_name = own_name if context is None else context.name
        if name is None or name in {outer_name, own_name}:
            yield Awaiting(callback_id, outer_name)


def _wait_for_callback(waiter: Waiter) -> Operation | None:
    """Return the ``wait_for_callback`` that a callback belongs to, or ``None``."""
    parent = waiter.progress.operation.parent_id
    for progress in waiter.execution.operations:
        if progress.operation.id == parent:
            is_one = progress.operation.sub_type == OperationSubType.WAIT_FOR_CALLBACK
            return progress.operation if is_one else None
    return None


def _is_handed_out(waiter: Waiter, context: Operation, *, after_submitter: bool) -> bool:
    return any(
        progress.operation.parent_id == context.id
        and progress.operation.type == OperationType.STEP
        and (
            progress.operation.status == OperationStatus.SUCCEEDED
            or (not after_submitter and _ended_attempts(progress.operation) > 0)
        )
        for progress in waiter.execution.operations
    )


def _ended_attempts(step: Operation) -> int:
    return (step.step_details.attempt or 0) if step.step_details else 0
